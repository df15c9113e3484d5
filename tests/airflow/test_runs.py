"""Runs of generated days in a real Airflow publish the same lists as the nightly job without Airflow."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.airflow.conftest import BIN, HOME, LIGHT, PYTHON, airflow, environment
from tests.e2e.nights import assert_same_lists, night_arguments, published, run_job

DAYS = ("2025-01-04", "2025-01-05", "2025-01-06")
TABLES = ("recommendations", "similar_items")
# fails on the first call for train.py, like a cluster without a free machine
FLAKY = """#!/bin/sh
case "$*" in
  */train.py*) [ -e "$0.failed" ] || { touch "$0.failed"; echo "no machine was free" >&2; exit 1; } ;;
esac
exec "%s" "$@"
"""


@pytest.fixture(scope="module")
def expected(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs in a row without Airflow."""
    root = tmp_path_factory.mktemp("expected")
    for ds in DAYS:
        run_job("nightly", *night_arguments(world, root, ds, *LIGHT), python=PYTHON)
    return root


@pytest.mark.usefixtures("migrated")
def test_dags_test_runs_a_day_to_published_tables(world: Path, expected: Path, tmp_path: Path) -> None:
    airflow("dags", "test", "bgmrec_nightly", DAYS[0], env=environment(world, tmp_path))
    for table in TABLES:
        assert_same_lists(published(expected, table, DAYS[0]), published(tmp_path, table, DAYS[0]))


@pytest.mark.usefixtures("migrated")
def test_a_backfill_of_three_days_publishes_three_runs_though_a_stage_fails_once(
    world: Path, expected: Path, tmp_path: Path
) -> None:
    flaky = tmp_path / "bin" / "spark-submit"
    flaky.parent.mkdir()
    flaky.write_text(FLAKY % (BIN / "spark-submit"))
    flaky.chmod(0o755)
    root = tmp_path / "root"
    # nothing but the backfill is due; it is created while nobody else writes, because SQLite would be locked
    env = {**environment(world, root, first_on_path=flaky.parent), "BGMREC_FIRST_DAY": "2099-01-01"}
    days = "--from-date", DAYS[0], "--to-date", DAYS[-1]
    airflow("dags", "reserialize", env=env)
    airflow("dags", "unpause", "bgmrec_nightly", "--yes", env=env)
    airflow("backfill", "create", "--dag-id", "bgmrec_nightly", *days, env=env)
    with scheduling(env):
        over = {"success", "failed"}
        _wait(
            lambda: len(_backfilled()) == len(DAYS) and set(_backfilled().values()) <= over,
            3600.0,
            HOME / "standalone.log",
        )
    assert _backfilled() == dict.fromkeys(DAYS, "success"), _ends_of_logs()
    assert _tries_of_train() == [1, 1, 2], "one try of one day's train failed"
    for ds in DAYS:
        for table in TABLES:
            assert_same_lists(published(expected, table, ds), published(root, table, ds))
    assert _events() == {f"bgmrec_{table}": len(DAYS) for table in TABLES}


@contextmanager
def scheduling(env: dict[str, str]) -> Iterator[None]:
    """All processes of a small Airflow on loopback, ended with the block."""
    port = _free_port()
    env = {
        **env,
        "PATH": f"{env['PATH']}:{Path(sys.executable).parent}",  # it starts its parts by the name of its program
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }
    log = HOME / "standalone.log"
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "airflow"), "standalone"],
        cwd=HOME,
        env=env,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        _wait(lambda: _answers(port), 300.0, log)
        yield
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        for one in [process, *family]:
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                one.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/version", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _wait(true: Callable[[], bool], seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, log.read_text(errors="replace")[-6000:]
        time.sleep(2.0)


def _query(text: str) -> list[tuple[Any, ...]]:
    """Airflow's own metadata."""
    with closing(sqlite3.connect(f"file:{HOME / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as database:
        return database.execute(text).fetchall()


def _ends_of_logs() -> str:
    """The ends of the logs of Airflow and its tasks; its home is deleted after the tests."""
    logs = [HOME / "standalone.log", *sorted((HOME / "logs").glob("dag_id=*/**/*.log"))]
    return "\n".join(f"{path}\n{path.read_text(errors='replace')[-3000:]}" for path in logs)


def _backfilled() -> dict[str, str]:
    """State of every run of the backfill, by its logical date."""
    return dict(_query("select date(logical_date), state from dag_run where backfill_id is not null"))


def _tries_of_train() -> list[int]:
    where = "task_id = 'train' and run_id in (select run_id from dag_run where backfill_id is not null)"
    return sorted(number for (number,) in _query(f"select try_number from task_instance where {where}"))


def _events() -> dict[str, int]:
    """How many times each asset was published by the backfill."""
    return dict(
        _query(
            "select asset.name, count(*) from asset_event join asset on asset.id = asset_event.asset_id "
            "where source_run_id in (select run_id from dag_run where backfill_id is not null) group by asset.name"
        )
    )
