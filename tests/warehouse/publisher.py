"""Publishes versions in a separate process, as a run does: `publisher.py ROOT RUN_ID=USERS …`."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgmrec.config import load_settings
from bgmrec.stages.job import start_session
from tests.warehouse.versions import publish

OLDER, NEWER = "2025-01-30", "2025-01-31"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("versions", nargs="+")
    parser.add_argument("--metastore", help="address of a Hive metastore (default: an embedded one below the root)")
    arguments = parser.parse_args()
    sets = [f"paths.root={arguments.root}"]
    if arguments.metastore:
        sets.append(f'spark.conf={{"spark.hadoop.hive.metastore.uris"="{arguments.metastore}"}}')
    spark = start_session(load_settings([], sets))
    for version in arguments.versions:
        run, users = version.split("=")
        publish(spark, arguments.root, run, int(users), "bgmrec")
    spark.stop()
