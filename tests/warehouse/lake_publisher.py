"""Publishes Delta or Iceberg tables in a separate process, and kills itself after one storage step.

`lake_publisher.py ROOT FORMAT FIRST LAST KILL_AT` completes run FIRST, then publishes the runs after it up to LAST. The
process is killed after step KILL_AT of LAST, or never (0). A step is a write that has ended: of staged files, of a
document, of a commit; or a file of a commit that is opened. What is stored when a write begins is what the write before
it has left, so that these are all states but those within a write.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFile

from bgmrec.publish.promotion import promote
from bgmrec.publish.versions import Versions
from bgmrec.storage import files, one_step
from bgmrec.storage.tables import Tables
from tests.warehouse.lakes import NAMES, make_versions, newest, rows_of, users_of
from tests.warehouse.versions import counts, run_id, tables

_STEPS = (
    (Tables, "write"),
    (one_step, "write_bytes"),
    (files, "delete"),
    (DeltaTable, "create_write_transaction"),
    (PyArrowFile, "create"),
    (SqlCatalog, "commit_table"),
)


class Killer:
    """Counts steps, and kills this process at one of them, without any clean-up."""

    def __init__(self, at: int):
        self.at, self.step = at, 0

    def reached(self) -> None:
        self.step += 1
        if self.step == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            result = real(*arguments, **named)
            self.reached()
            return result

        setattr(owner, name, watched)


def complete(versions: Versions, run: str) -> None:
    """Publishes a run, or completes it as bgmrec/stages/recommend.py does."""
    record = versions.record(run)
    if record is None:
        frames, users = tables(versions.tables.spark, run, users_of(run)), counts(users_of(run))
        staged = {
            name: {"location": versions.stage(frames[name], name, run[:10], run), "rows": users[name]} for name in NAMES
        }
        record = {"ds": run[:10], "run_id": run, "tables": staged, "model": {"run_id": run}}
    promote(versions, record)


def check(versions: Versions, root: Path, run: str) -> None:
    """The manifest and every table have the run."""
    assert (versions.latest() or {})["run_id"] == run, versions.latest()
    for table in NAMES:
        found = newest(root, versions.format_name, table)[run[:10]]
        assert found == rows_of(table, run), (table, found)


def main(root: Path, name: str, first: int, last: int, kill_at: int) -> None:
    from bgmrec.config.runtime import SparkSettings
    from bgmrec.runtime.session import build_session
    from tests.quick_spark import QUICK

    spark = build_session(SparkSettings(master="local[2]", shuffle_partitions=2), QUICK, hive=False)
    versions = make_versions(spark, root, name)
    for number in range(first, last + 1):
        if number == last and kill_at:
            killer = Killer(kill_at)
            for owner, step in _STEPS:
                killer.watch(owner, step)
        complete(versions, run_id(number))
        check(versions, root, run_id(number))
    spark.stop()


if __name__ == "__main__":
    first, last, kill_at = map(int, sys.argv[3:6])
    main(Path(sys.argv[1]), sys.argv[2], first, last, kill_at)
