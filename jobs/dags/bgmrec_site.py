"""What differs between sites, out of Airflow's own places: connection `bgmrec_spark`, pools, Variable `bgmrec`.

The Variable is JSON, read when a task runs and not when the file is parsed:

    home         where this project lies on the workers of Airflow, with .venv
    configs      settings files, in order; relative ones lie below home
    overrides    settings as key=value
    spark_conf   Spark settings; on a cluster spark.archives, spark.submit.pyFiles and spark.pyspark.python, too, as
                 jobs/submit.py --dry-run shows them
    log          what is there once a day's log is complete, with {ds} for the day: a path or URI
    crawls       settings files of the sources of side information

The connection (type Spark) says the master, the deploy mode and the queue.
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
# the first logical date that Airflow catches up with, in the environment of its processes
FIRST_DAY = datetime.fromisoformat(os.environ.get("BGMREC_FIRST_DAY", "2025-01-01"))
SITE = "var.json.bgmrec"


def daily() -> CronDataIntervalTimetable:
    """A run per UTC day, due when the day is over; its logical date is the day that the rows are of."""
    return CronDataIntervalTimetable("0 0 * * *", timezone="UTC")


def config_paths(site: dict[str, Any]) -> list[str]:
    """The settings files as the workers of Airflow find them."""
    return [str(PurePosixPath(site["home"]) / name) for name in site["configs"]]


def job_arguments(site: dict[str, Any], connection: Any, ds: str) -> list[str]:
    """A job's arguments; a driver on the cluster finds shipped settings files by their names."""
    remote = connection.extra_dejson.get("deploy-mode") == "cluster"
    configs = [PurePosixPath(path).name if remote else path for path in config_paths(site)]
    return [
        *(part for name in configs for part in ("--config", name)),
        *(part for text in site.get("overrides", []) for part in ("--set", text)),
        *("--log-format", "json"),
        *("--ds", ds),
    ]


def shipped(site: dict[str, Any]) -> str:
    return ",".join(config_paths(site))


MACROS = {"job_arguments": job_arguments, "shipped": shipped, "config_paths": config_paths}


def spark_job(name: str, *, timeout: timedelta, **options: Any) -> SparkSubmitOperator:
    """A job of the project as a task: one spark-submit for the logical date."""
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
