"""Collecting side information as a DAG of its own: what a published night lacks, then a crawl per source.

A crawl of a logical date is read by the next night. It may take the whole day: a source that failed, or was stopped,
goes on where it was, and one source's trouble leaves the others and the nights alone.
"""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.sdk import DAG, task
from bgmrec_site import CRAWL_POOL, FIRST_DAY, MACROS, SITE, config_paths, daily, spark_job

with DAG(
    "bgmrec_crawl",
    description="Side information about music and users, one task per source",
    schedule=daily(),
    start_date=FIRST_DAY,
    catchup=False,  # what a site says today it does not say for a day that is past
    max_active_runs=1,
    render_template_as_native_obj=True,
    user_defined_macros=MACROS,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["bgmrec"],
) as dag:
    night = ExternalTaskSensor(
        task_id="night_is_published",
        external_dag_id="bgmrec_nightly",
        external_task_id="recommend",
        mode="reschedule",
        poke_interval=300.0,
        timeout=12 * 3600.0,
    )
    frontier = spark_job("crawl_frontier", timeout=timedelta(hours=2))

    @task
    def sources(site: dict[str, Any]) -> list[str]:
        return list(site.get("crawls", []))

    @task(pool=CRAWL_POOL, execution_timeout=timedelta(hours=20))
    def crawl(source: str, site: dict[str, Any], day: str) -> None:
        """One source in a process of its own, which is ended with the task and goes on with the next try."""
        home = PurePosixPath(site["home"])
        configs = [part for path in [*config_paths(site), str(home / source)] for part in ("--config", path)]
        overrides = [part for text in site.get("overrides", []) for part in ("--set", text)]
        python, job = str(home / ".venv/bin/python"), str(home / "jobs/crawl_side_info.py")
        subprocess.run([python, job, *configs, *overrides, "--log-format", "json", "--ds", day], check=True)

    site = f"{{{{ {SITE} }}}}"
    crawled = crawl.partial(site=site, day="{{ ds }}").expand(source=sources(site))
    night >> frontier >> crawled
