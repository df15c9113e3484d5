"""Readers of Delta and Iceberg tables poll through 50 publications, whose publisher is killed after every write."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import polars
import pytest

from tests.e2e.nights import PROJECT
from tests.warehouse.lakes import NAMES, iceberg_table, newest, rows_of
from tests.warehouse.versions import DS, polling, run_id

PUBLICATIONS = 50


def publisher(root: Path, name: str, first: int, last: int, kill_at: int = 0) -> int:
    """Completes run `first`, publishes up to `last`, is killed after a step of `last`; returns the exit status."""
    command = [sys.executable, "-m", "tests.warehouse.lake_publisher"]
    command += [str(root), name, str(first), str(last), str(kill_at)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=1800)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr[-4000:]
    return done.returncode


def by_polars(root: Path, name: str, table: str) -> tuple[set[str], int]:
    """The date's rows, as Polars reads the newest state."""
    if name == "delta":
        frame = polars.scan_delta(str(root / "published" / table))
    else:
        frame = polars.scan_iceberg(iceberg_table(root, table))
    rows = frame.filter(polars.col("ds") == DS).collect()
    return set(rows["run_id"]), len(rows)


def poll(root: Path, name: str) -> tuple[str, list[str]]:
    """The run of the manifest, and the run of each table's newest state; what was read is whole."""
    time.sleep(0.5)  # the publisher needs the processors, too
    manifest = json.loads((root / "published" / "_manifests" / "latest.json").read_text())
    run = manifest["run_id"]
    heads = []
    for table in NAMES:
        facts = manifest["tables"][table]
        assert newest(root, name, table, facts["version"])[DS] == rows_of(table, run), f"{table} of the manifest"
        for runs, rows in (newest(root, name, table)[DS], by_polars(root, name, table)):
            assert len(runs) == 1, f"a mixture: {runs}"
            [head] = runs
            assert (runs, rows) == rows_of(table, head), f"half of {table}"
            heads.append(head)
    return run, heads


@pytest.mark.slow
@pytest.mark.parametrize("name", ["delta", "iceberg"])
def test_readers_see_whole_versions_whenever_the_publisher_is_killed(tmp_path: Path, name: str) -> None:
    """A rerun completes each killed publication, in the process that is killed in the next one."""
    assert publisher(tmp_path, name, 1, 1) == 0
    with polling(lambda: poll(tmp_path, name)) as seen:
        for step in count(1):
            number = step + 1
            if publisher(tmp_path, name, step, number, kill_at=step) == 0:
                break
        assert publisher(tmp_path, name, number, PUBLICATIONS) == 0
    print(f"{name}: killed at {step - 1} steps, {len(seen)} polls")
    assert step > 7, "two tables are staged, the record, two commits, manifest and latest"
    assert seen[-1][0] <= run_id(PUBLICATIONS) and len(seen) > PUBLICATIONS
    for runs in ([run for run, _ in seen], *([heads[n] for _, heads in seen] for n in (0, 2))):
        assert runs == sorted(runs), "an older version came back"
    assert poll(tmp_path, name) == (run_id(PUBLICATIONS), [run_id(PUBLICATIONS)] * 4)
