"""Publishes two dates into the embedded metastore of a root, in a process of its own, which leaves it free."""

from __future__ import annotations

import sys
from pathlib import Path

from bgmrec.config import load_settings
from bgmrec.job import start_session
from tests.warehouse.versions import publish, run_id

OLDER, NEWER = "2025-01-30", "2025-01-31"

if __name__ == "__main__":
    root = Path(sys.argv[1])
    spark = start_session(load_settings([], [f"paths.root={root}"]))
    publish(spark, root, run_id(1, NEWER), 3, "bgmrec")
    publish(spark, root, run_id(1, OLDER), 5, "bgmrec")  # a backfill
    publish(spark, root, run_id(2, NEWER), 4, "bgmrec")
    spark.stop()
