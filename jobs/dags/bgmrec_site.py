"""What differs between sites, from Airflow's own configuration: connection `bgmrec_spark`, pools, Variable `bgmrec`.

The Variable is JSON. It is read when a task runs, not when the file is parsed:

    home         folder of this project on the workers of Airflow, with .venv
    configs      settings files, in order; relative paths are below home
    overrides    settings as key=value
    spark_conf   Spark settings; on a cluster spark.archives and spark.pyspark.python too, as jobs/submit.py --dry-run
                 shows them
    log          path or URI that exists once the log of a day is complete, with {ds} for the day
    crawls       settings files of the sources of side information

The connection (type Spark) names the master, the deploy mode and the queue.

The environment variable BGMREC_FIRST_DAY of Airflow's processes names the first logical date that Airflow catches up
with. Without it a new installation starts with yesterday, and Airflow does not catch up with missed days.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import CronDataIntervalTimetable

CONNECTION = "bgmrec_spark"
SPARK_POOL = "bgmrec_spark"
CRAWL_POOL = "bgmrec_crawl"
# A default first day with catching up would queue a run for each day since then on a new installation. A default of
# "yesterday" would move with each parsing, and Airflow would forget missed days.
CATCH_UP = "BGMREC_FIRST_DAY" in os.environ
FIRST_DAY = datetime.fromisoformat(os.environ.get("BGMREC_FIRST_DAY", "2025-01-01"))
SITE = "var.json.bgmrec"


def daily() -> CronDataIntervalTimetable:
    """One run per UTC day, after the day has ended; its logical date is the day of the log."""
    return CronDataIntervalTimetable("0 0 * * *", timezone="UTC")


def config_paths(site: dict[str, Any]) -> list[str]:
    """Paths of the settings files on the workers of Airflow.

    Args:
        site: the Variable `bgmrec`.
    """
    return [str(PurePosixPath(site["home"]) / name) for name in site["configs"]]


def job_arguments(site: dict[str, Any], connection: Any, ds: str) -> list[str]:
    """Arguments of a job.

    Args:
        site: the Variable `bgmrec`.
        connection: Airflow's connection `bgmrec_spark`; a driver on the cluster finds settings files by their names.
        ds: logical date, YYYY-MM-DD.
    """
    on_cluster = connection.extra_dejson.get("deploy-mode") == "cluster"
    configs = [PurePosixPath(path).name if on_cluster else path for path in config_paths(site)]
    return [
        *(part for name in configs for part in ("--config", name)),
        *(part for text in site.get("overrides", []) for part in ("--set", text)),
        *("--log-format", "json"),
        *("--ds", ds),
    ]


def shipped(site: dict[str, Any]) -> str:
    """Value of spark-submit's --files: the settings files.

    Args:
        site: the Variable `bgmrec`.
    """
    return ",".join(config_paths(site))


MACROS = {"job_arguments": job_arguments, "shipped": shipped, "config_paths": config_paths}


def spark_job(name: str, *, timeout: timedelta, **options: Any) -> SparkSubmitOperator:
    """A job of the project as a task: one spark-submit for the logical date.

    Args:
        name: of the job and of the task.
        timeout: after which the task fails.
        options: further arguments of the operator.
    """
    return SparkSubmitOperator(
        task_id=name,
        conn_id=CONNECTION,
        application=f"{{{{ {SITE}.home }}}}/jobs/{name}.py",
        application_args=f"{{{{ job_arguments({SITE}, conn.{CONNECTION}, ds) }}}}",
        conf=f"{{{{ {SITE}.get('spark_conf', {{}}) }}}}",
        files=f"{{{{ shipped({SITE}) }}}}",
        name=f"bgmrec-{name}-{{{{ ds }}}}",
        pool=SPARK_POOL,
        execution_timeout=timeout,
        **options,
    )
