"""The nightly run as a DAG: waits for the log of the day, then one spark-submit per stage; the last stage publishes.

The logical date is the day of the log: the run of 2025-03-14 starts after that day has ended. Runs go one at a time and
in order, because each one starts from the model of the newest earlier published date. Missed days are caught up with
if the site names a first day (BGMREC_FIRST_DAY). A stage that failed is retried and resumes. Publishing is an event of
the assets below, which can schedule other DAGs. After publishing, `retain` deletes what is too old; if it fails, the
run is still successful.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, ObjectStoragePath, TriggerRule, task
from bgmrec_site import CATCH_UP, FIRST_DAY, MACROS, daily, spark_job

PUBLISHED = [Asset(f"bgmrec_{table}", f"bgmrec://published/{table}") for table in ("recommendations", "similar_items")]
STAGES = {
    "ingest_ratings": timedelta(hours=2),
    "ingest_side_info": timedelta(hours=2),
    "build_features": timedelta(hours=2),
    "train": timedelta(hours=8),
    "evaluate": timedelta(hours=2),
    "recommend": timedelta(hours=3),
}

with DAG(
    "bgmrec_nightly",
    description="From rating logs and side information to published recommendations",
    schedule=daily(),
    start_date=FIRST_DAY,
    catchup=CATCH_UP,
    max_active_runs=1,
    render_template_as_native_obj=True,
    user_defined_macros=MACROS,
    # after Airflow's default_task_retry_delay. A sensor is retried after an Airflow failure, not after a timeout
    default_args={"retries": 2},
    doc_md=__doc__,
    tags=["bgmrec"],
) as dag:

    @task.sensor(mode="reschedule", poke_interval=300.0, timeout=12 * 3600.0)
    def log_is_there(path: str) -> bool:
        """Whether the log of the day is complete; fails after half a day."""
        return bool(ObjectStoragePath(path).exists())

    @task.sensor(mode="reschedule", poke_interval=60.0, timeout=24 * 3600.0)
    def previous_run_is_over(**context: Any) -> bool:
        """Whether the run of the day before has ended, successful or not: a backfill starts many runs at once."""
        before = context["ti"].get_previous_dagrun()
        return before is None or before.state not in ("queued", "running")

    stages = [
        spark_job(name, timeout=timeout, outlets=PUBLISHED if name == "recommend" else None)
        for name, timeout in STAGES.items()
    ]
    retain = spark_job("retain", timeout=timedelta(hours=1))
    # The state of a run is that of its last task. This one is successful as soon as recommend is, and waits for no
    # other, so that the run ends when retain has ended, with the state of recommend.
    published = EmptyOperator(task_id="published", trigger_rule=TriggerRule.ONE_SUCCESS)

    previous_run_is_over() >> log_is_there("{{ var.json.bgmrec.log.replace('{ds}', ds) }}") >> stages[0]
    for earlier, later in pairwise(stages):
        earlier >> later
    stages[-1] >> [retain, published]
    retain >> published
