"""The night as a DAG: waits for the day's log, then a spark-submit per stage; the last one publishes.

The logical date is the day of the log: the run of 2025-03-14 starts when that day is over. One night runs at a time
and nights go in order, since each goes on from the model that the newest earlier one published; nights that were
missed are caught up with. A stage that failed is tried again and goes on where it stopped. Publishing is an event of
the assets below, which other DAGs can be scheduled by.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from airflow.sdk import DAG, Asset, ObjectStoragePath, task
from bgmrec_site import FIRST_DAY, MACROS, daily, spark_job

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
    description="Rating logs and side information in, published recommendations out",
    schedule=daily(),
    start_date=FIRST_DAY,
    catchup=True,
    max_active_runs=1,
    render_template_as_native_obj=True,
    user_defined_macros=MACROS,
    # after the pause that the site configures. A sensor is tried again as well, but not where its time is over
    default_args={"retries": 2},
    doc_md=__doc__,
    tags=["bgmrec"],
) as dag:

    @task.sensor(mode="reschedule", poke_interval=300.0, timeout=12 * 3600.0)
    def log_is_there(path: str) -> bool:
        """Whether the day's log is complete; a day without one fails after half a day."""
        return bool(ObjectStoragePath(path).exists())

    @task.sensor(mode="reschedule", poke_interval=60.0, timeout=24 * 3600.0)
    def previous_run_is_over(**context: Any) -> bool:
        """Whether the run before this one has ended, well or not: a backfill starts many at once."""
        before = context["ti"].get_previous_dagrun()
        return before is None or before.state not in ("queued", "running")

    stages = [
        spark_job(name, timeout=timeout, outlets=PUBLISHED if name == "recommend" else None)
        for name, timeout in STAGES.items()
    ]
    previous_run_is_over() >> log_is_there("{{ var.json.bgmrec.log.replace('{ds}', ds) }}") >> stages[0]
    for earlier, later in pairwise(stages):
        earlier >> later
