"""Executors and a whole worker are killed while they work; the night goes on and publishes the same tables."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cluster.machines import Cluster, cluster
from tests.e2e.nights import LAST_DAY, PROJECT, assert_same_lists, night_arguments, published, run_job
from tests.faults.conftest import LIGHT
from tests.faults.readers import TABLES

WORK = f"work/ds={LAST_DAY}"
ROUND = f"{WORK}/scratch/train/round-0001"
SPREAD = ("item_encoder.kind=text_cnn", "feed.processes=2")


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path) as running:
        yield running


def start_night(machines: Cluster, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    where = ["--target", "standalone", "--set", f"submit.standalone.master={machines.master}"]
    command = [sys.executable, "jobs/submit.py", *where, *arguments]
    # spark-submit puts all that Python says on its standard output
    return subprocess.Popen(command, cwd=PROJECT, stdout=log.open("wb"), stderr=subprocess.STDOUT)


def wait_for(mark: Path, night: subprocess.Popen[bytes], log: Path, timeout: float = 1800.0) -> None:
    end = time.monotonic() + timeout
    while not mark.exists():
        assert night.poll() is None, f"ended before {mark}\n{log.read_text(errors='replace')[-4000:]}"
        assert time.monotonic() < end, f"{mark} was never there"
        time.sleep(0.02)


def end_of(night: subprocess.Popen[bytes], log: Path) -> None:
    try:
        assert night.wait(timeout=1800) == 0, log.read_text(errors="replace")[-6000:]
    finally:
        for process in [*psutil.Process(night.pid).children(recursive=True)] if night.poll() is None else []:
            process.kill()
        night.kill()
        night.wait()


def test_executors_die_in_a_half_step_in_an_epoch_and_in_top_n(machines: Cluster, world: Path, tmp_path: Path) -> None:
    expected, root, log = tmp_path / "expected", tmp_path / "root", tmp_path / "night.log"
    settings = (*LIGHT, *SPREAD)
    night = start_night(machines, log, *night_arguments(world, root, LAST_DAY, *settings, "feed.local=false"))
    killed = 0
    for mark, wait in (
        (f"{ROUND}/item_half_step/_temporary", 0.0),
        (f"{ROUND}/item_feed/_SUCCESS", 2.0),
        (f"{WORK}/top_n/_temporary", 0.0),
    ):
        wait_for(root / mark, night, log)
        time.sleep(wait)
        machines.executors()[-1].kill()
        killed += 1
    end_of(night, log)
    assert killed == 3
    run_job("nightly", *night_arguments(world, expected, LAST_DAY, *settings, "feed.local=true"))
    for table in TABLES:
        assert_same_lists(published(expected, table, LAST_DAY), published(root, table, LAST_DAY))


def test_a_machine_is_lost_in_a_half_step(machines: Cluster, world: Path, undisturbed: Path, tmp_path: Path) -> None:
    """With its executor, its Python workers and all the shuffle files that lay on it; nobody takes its place."""
    root, log = tmp_path / "root", tmp_path / "night.log"
    night = start_night(machines, log, *night_arguments(world, root, LAST_DAY, *LIGHT))
    wait_for(root / ROUND / "item_half_step" / "_temporary", night, log)
    machines.kill_worker(1)
    end_of(night, log)
    for table in TABLES:
        assert_same_lists(published(undisturbed, table, LAST_DAY), published(root, table, LAST_DAY))
