"""The spark-submit command of a job on a cluster: environment archive, job file, settings files, Spark settings."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal, get_args
from urllib.parse import urlparse

from bgmrec.config import Settings
from bgmrec.config.submit import TargetSettings
from bgmrec.errors import SettingsError

Target = Literal["standalone", "yarn", "kubernetes"]
TARGETS: tuple[Target, ...] = get_args(Target)
# Spark unpacks the archive under this name in the working folder of every process that it starts
ENVIRONMENT = "environment"
APP_NAME = "bgmrec"  # of the submitted application, before the name of the job
PYTHON = f"./{ENVIRONMENT}/bin/python"
_NEEDED_BY_KUBERNETES = ("spark.kubernetes.container.image", "spark.kubernetes.file.upload.path")


@dataclass(frozen=True)
class JobArguments:
    """The command line of a job.

    Args:
        job: the job file.
        configs: values of --config.
        overrides: values of --set.
        ds: the logical date.
        log_format: text or json.
    """

    job: Path
    configs: Sequence[str]
    overrides: Sequence[str]
    ds: date
    log_format: str = "text"

    def listed(self, configs: Sequence[str]) -> list[str]:
        """The arguments as a list.

        Args:
            configs: the settings files by the names under which the driver finds them.
        """
        return [
            *(part for name in configs for part in ("--config", name)),
            *(part for text in self.overrides for part in ("--set", text)),
            *("--log-format", self.log_format),
            *("--ds", str(self.ds)),
        ]


def submit_command(settings: Settings, target: Target, arguments: JobArguments, *, spark_submit: str) -> list[str]:
    """The whole command.

    Args:
        settings: of the job.
        target: kind of the cluster.
        arguments: of the job.
        spark_submit: path of spark-submit.

    Raises:
        SettingsError: the cluster could not run it: a path that only this machine has, or a missing Spark setting.
    """
    cluster: TargetSettings = getattr(settings.submit, target)
    conf = {**settings.spark.conf, **cluster.conf, "spark.pyspark.python": PYTHON}
    _check_paths(settings)
    if target == "kubernetes":
        _check_kubernetes(conf)
    remote = cluster.deploy_mode == "cluster"
    if not remote:
        conf["spark.pyspark.driver.python"] = sys.executable
    shipped = ["--files", ",".join(_by_name(arguments.configs))] if remote and arguments.configs else []
    return [
        spark_submit,
        *("--master", cluster.master),
        *("--deploy-mode", cluster.deploy_mode),
        *("--name", f"{APP_NAME}-{arguments.job.stem}-{arguments.ds}"),
        *("--archives", f"{settings.submit.environment}#{ENVIRONMENT}"),
        *shipped,
        *(part for key, value in sorted(conf.items()) for part in ("--conf", f"{key}={value}")),
        str(arguments.job),
        *arguments.listed([Path(name).name for name in arguments.configs] if remote else arguments.configs),
    ]


def _by_name(configs: Sequence[str]) -> Sequence[str]:
    """The files, if no two have the same name: they are copied into one folder."""
    twice = [name for name, count in Counter(Path(config).name for config in configs).items() if count > 1]
    if twice:
        raise SettingsError(
            "two settings files have the same name, and a driver on the cluster gets both in one folder",
            where="--config",
            expected="a different name for each file",
            found=", ".join(config for config in configs if Path(config).name in twice),
            hint="rename one of them, or put both into one file",
        )
    return configs


def _check_paths(settings: Settings) -> None:
    for key, path in (("paths.root", settings.paths.root), ("paths.data", settings.paths.data)):
        if not urlparse(path).scheme and not PurePosixPath(path).is_absolute():
            raise SettingsError(
                "a relative path names another folder on every machine of a cluster",
                where=key,
                expected="a URI such as hdfs:///bgmrec, or an absolute path that every machine has mounted",
                found=path,
                hint=f"set {key} in a settings file or by --set",
            )


def _check_kubernetes(conf: dict[str, str]) -> None:
    missing = [key for key in _NEEDED_BY_KUBERNETES if key not in conf]
    if missing:
        raise SettingsError(
            "Kubernetes needs an image to run and a folder to upload files to",
            where="submit.kubernetes.conf",
            expected=", ".join(_NEEDED_BY_KUBERNETES),
            found=f"no {', no '.join(missing)}",
            hint="set both in [submit.kubernetes.conf]",
        )
