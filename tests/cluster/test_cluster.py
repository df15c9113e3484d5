"""A night on a real Spark cluster, from what `make package` packed, publishes what a local night publishes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.machines import Cluster, cluster
from tests.e2e.nights import (
    LAST_DAY,
    PROJECT,
    assert_same_lists,
    night_arguments,
    published,
    run_job,
    small_world,
)

# both train their encoders in two tasks of a barrier stage, one on each worker, and read them by petastorm
SPREAD = ("feed.processes=2", "feed.local=false", "train.rounds=1")


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_world(tmp_path_factory.mktemp("world"))


def submit(master: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """jobs/submit.py to its end; its log is shown where it failed."""
    where = ["--target", "standalone", "--set", f"submit.standalone.master={master}"]
    done = subprocess.run(
        [sys.executable, "jobs/submit.py", *where, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=3600,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
    )
    assert done.returncode == 0, f"submit ended with {done.returncode}\n{done.stderr[-6000:]}"
    return done


def test_the_archive_alone_runs_a_night_on_two_machines(
    machines: Cluster, world: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    local, spread = tmp_path_factory.mktemp("local"), tmp_path_factory.mktemp("spread")
    done = submit(machines.master, *night_arguments(world, spread, LAST_DAY, *SPREAD))
    run_job("nightly", *night_arguments(world, local, LAST_DAY, *SPREAD))
    for table in ("recommendations", "similar_items"):
        assert_same_lists(published(local, table, LAST_DAY), published(spread, table, LAST_DAY))
    assert "dist/environment.tar.gz#environment" in done.stdout
    assert _workers_that_ran_the_archive(machines) == {"worker-0", "worker-1"}


def _workers_that_ran_the_archive(machines: Cluster) -> set[str]:
    """By the compiled kernels that numba leaves beside the package that was imported."""
    kernels = "app-*/*/environment/lib/python3.*/site-packages/bgmrec/__pycache__/kernels-*/*/*.nbi"
    return {path.relative_to(machines.location).parts[0] for path in machines.location.glob(f"worker-*/{kernels}")}
