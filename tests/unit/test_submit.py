"""The spark-submit command for every kind of cluster, as golden files, and what is refused before Spark starts.

Rebuild after a change: BGMREC_REBUILD_GOLDEN=1 .venv/bin/python -m pytest tests/unit/test_submit.py
"""

from __future__ import annotations

import os
import shlex
import sys
from datetime import date
from pathlib import Path

import pytest

from bgmrec.config import load_settings
from bgmrec.errors import SettingsError
from bgmrec.runtime.submit import TARGETS, JobArguments, Target, submit_command

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "submit"
CONFIGS = ("conf/base.toml", "conf/demo.toml")
OVERRIDES = (
    "paths.root=hdfs:///bgmrec",
    "paths.data=hdfs:///raw data",
    "submit.standalone.master=spark://master.example:7077",
    'submit.standalone.conf={"spark.executor.memory"="8g","spark.driver.memory"="4g"}',
    'submit.yarn.conf={"spark.yarn.queue"="nightly"}',
    "submit.kubernetes.master=k8s://https://api.example:6443",
    'submit.kubernetes.conf={"spark.kubernetes.container.image"="registry.example/spark-py:3.5.9",'
    '"spark.kubernetes.file.upload.path"="s3a://bgmrec/uploads"}',
)


def command(target: Target, configs: tuple[str, ...] = CONFIGS, overrides: tuple[str, ...] = OVERRIDES) -> list[str]:
    settings = load_settings([ROOT / name for name in configs], list(overrides))
    arguments = JobArguments(Path("jobs/nightly.py"), configs, list(overrides), date(2025, 3, 14), "json")
    return submit_command(settings, target, arguments, spark_submit="spark-submit")


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_equals_the_golden_file(target: Target) -> None:
    parts = [part.replace(sys.executable, "PYTHON") for part in command(target)]
    # an option and its value per line
    lines = [f" \\\n  {part}" if part.startswith("-") else f" {shlex.quote(part)}" for part in parts]
    golden = GOLDEN / f"{target}.txt"
    if os.environ.get("BGMREC_REBUILD_GOLDEN"):
        golden.write_text("".join(lines).strip() + "\n")
    assert "".join(lines).strip() + "\n" == golden.read_text()


def test_a_driver_on_the_cluster_finds_its_settings_by_their_names() -> None:
    parts = command("yarn")
    assert parts[parts.index("--files") + 1] == "conf/base.toml,conf/demo.toml"
    job = parts[parts.index("jobs/nightly.py") :]
    assert job[1:5] == ["--config", "base.toml", "--config", "demo.toml"]


def test_settings_files_of_one_name_are_refused_only_where_they_share_a_folder() -> None:
    twice = ("conf/ml-1m.toml", "conf/ml-1m/deep.toml", "conf/kuairand/deep.toml")
    with pytest.raises(SettingsError, match="have the same name") as caught:
        command("yarn", twice)
    assert caught.value.found == "conf/ml-1m/deep.toml, conf/kuairand/deep.toml"
    assert "conf/kuairand/deep.toml" in command("standalone", twice)


@pytest.mark.parametrize("key", ["paths.root", "paths.data"])
@pytest.mark.parametrize("path", ["build/run", "./x"])
def test_relative_paths_are_refused(key: str, path: str) -> None:
    with pytest.raises(SettingsError, match="relative path") as caught:
        command("standalone", CONFIGS, (*OVERRIDES, f"{key}={path}"))
    assert caught.value.where == key


def test_kubernetes_without_an_image_is_refused() -> None:
    with pytest.raises(SettingsError, match="image") as caught:
        command(
            "kubernetes",
            overrides=(*OVERRIDES[:-1], 'submit.kubernetes.conf={"spark.kubernetes.file.upload.path"="s3a://x"}'),
        )
    assert caught.value.found == "no spark.kubernetes.container.image"


def test_spark_standalone_takes_no_driver() -> None:
    with pytest.raises(SettingsError, match="deploy_mode"):
        command("standalone", overrides=(*OVERRIDES, "submit.standalone.deploy_mode=cluster"))
