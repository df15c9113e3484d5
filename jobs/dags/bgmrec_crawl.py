"""The crawl of side information as a DAG: the ids of a published run that lack it, then one crawl per source.

The crawl of a logical date is read by the run of the next one. It may take the whole day. A source that failed or was
stopped resumes with the next try; its failure affects neither the other sources nor the nightly runs.
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
    catchup=False,  # a web site cannot be crawled as it was on a past day
    max_active_runs=1,
    render_template_as_native_obj=True,
    user_defined_macros=MACROS,
    default_args={"retries": 3, "retry_delay": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["bgmrec"],
) as dag:
    published = ExternalTaskSensor(
        task_id="run_is_published",
        external_dag_id="bgmrec_nightly",
        external_task_id="recommend",
        mode="reschedule",
        poke_interval=300.0,
        timeout=12 * 3600.0,
    )
    frontier = spark_job("crawl_frontier", timeout=timedelta(hours=2))

    @task
    def sources(site: dict[str, Any]) -> list[str]:
        """Settings files of the sources of the site."""
        return list(site.get("crawls", []))

    @task(pool=CRAWL_POOL, execution_timeout=timedelta(hours=20))
    def crawl(source: str, site: dict[str, Any], day: str) -> None:
        """Crawls one source in a separate process, which ends with the task; the next try resumes."""
        home = PurePosixPath(site["home"])
        configs = [part for path in [*config_paths(site), str(home / source)] for part in ("--config", path)]
        overrides = [part for text in site.get("overrides", []) for part in ("--set", text)]
        python, job = str(home / ".venv/bin/python"), str(home / "jobs/crawl_side_info.py")
        subprocess.run([python, job, *configs, *overrides, "--log-format", "json", "--ds", day], check=True)

    site = f"{{{{ {SITE} }}}}"
    crawled = crawl.partial(site=site, day="{{ ds }}").expand(source=sources(site))
    published >> frontier >> crawled
