"""Who holds a lock, who is refused, and whose lock is taken over."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bgmrec.errors import EXIT_BUSY, BusyError
from bgmrec.run import lock
from bgmrec.run.lock import locked, newest
from bgmrec.stages import job
from bgmrec.storage.tables import Tables
from jobs import study, tune

PROJECT = Path(__file__).resolve().parents[2]
DS = "2025-03-14"
SOON = {"heartbeat": 0.1, "patience": 1.5}


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> Tables:
    return Tables(spark, str(tmp_path / "lock"))


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives while the test does."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def owned_by(store: Tables, pid: int, **changed: Any) -> None:
    """Leaves the lock as another process would that took it."""
    document = {**lock._identity(), "pid": pid, "process_start": lock._process_start(pid), **changed}
    store.write_json("000001", document)


def test_a_second_run_is_refused_and_the_next_one_is_not(store: Tables) -> None:
    with locked(store, **SOON):
        with pytest.raises(BusyError, match="another run is at work") as caught, locked(store, **SOON):
            pytest.fail("two runs held one lock")
        assert f"process {os.getpid()} of" in caught.value.found
    with locked(store, **SOON) as later:
        assert later.number == 2


def test_a_run_that_failed_leaves_no_lock(store: Tables) -> None:
    with pytest.raises(ValueError), locked(store, **SOON):
        raise ValueError("a stage failed")
    with locked(store, **SOON):
        pass


def test_a_living_process_of_this_machine_keeps_its_lock(store: Tables, stranger: subprocess.Popen[bytes]) -> None:
    owned_by(store, stranger.pid)
    with pytest.raises(BusyError), locked(store, **SOON):
        pytest.fail("taken from a living process")


def test_a_killed_process_loses_it_at_once(store: Tables, stranger: subprocess.Popen[bytes]) -> None:
    owned_by(store, stranger.pid)
    stranger.kill()
    stranger.wait()
    began = time.monotonic()
    with locked(store, heartbeat=60.0, patience=60.0):
        assert time.monotonic() - began < 30


def test_another_process_under_the_same_number_is_not_the_owner(
    store: Tables, stranger: subprocess.Popen[bytes]
) -> None:
    owned_by(store, stranger.pid, process_start="1")
    with locked(store, **SOON):
        assert newest(store)[0] == 2


def test_without_process_times_the_heartbeat_decides(store: Tables) -> None:
    owned_by(store, os.getpid(), process_start=None)
    with locked(store, **SOON):
        assert newest(store)[0] == 2


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
def test_clocks_of_other_machines_say_nothing(store: Tables, at: str) -> None:
    """A heartbeat that stands still means dead, one that changes alive, whatever the owner's clock shows."""
    owned_by(store, 1, machine="another", at=at)
    began = time.monotonic()
    with locked(store, **SOON):
        assert time.monotonic() - began >= SOON["patience"]
    owned_by(Tables(store.spark, f"{store.root}-2"), 1, machine="another", at=at)
    other = Tables(store.spark, f"{store.root}-2")
    beating = threading.Timer(0.4, lambda: owned_by(other, 1, machine="another", at=at, heartbeat=1))
    beating.start()
    with pytest.raises(BusyError), locked(other, **SOON):
        pytest.fail("taken from a machine whose heartbeat changes")
    beating.join()


def test_the_heartbeat_counts_up(store: Tables) -> None:
    with locked(store, **SOON):
        until = time.monotonic() + 30
        while newest(store)[1]["heartbeat"] < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert newest(store)[1]["heartbeat"] >= 3


def test_of_many_at_once_one_takes_it(store: Tables) -> None:
    got, refused = [], []
    ready, over = threading.Barrier(6), threading.Event()

    def try_it() -> None:
        ready.wait()
        try:
            with locked(store, **SOON):
                got.append(1)
                over.wait(30)
        except BusyError:
            refused.append(1)

    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(refused) < 5 and any(thread.is_alive() for thread in threads) and len(got) < 2:
        time.sleep(0.05)
    over.set()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 5)


def test_an_owner_that_was_taken_over_is_interrupted(store: Tables) -> None:
    with pytest.raises(BusyError, match="another run is at work"), locked(store, **SOON) as mine:
        store.write_json(f"{mine.number + 1:06d}", {**lock._identity(), "machine": "another"})
        time.sleep(30)
        pytest.fail("worked on without the lock")
    assert newest(store)[1]["released"] is False, "released what somebody else holds"


def test_only_the_newest_document_is_kept(store: Tables, tmp_path: Path) -> None:
    for _ in range(3):
        with locked(store, **SOON):
            pass
    assert [path.name for path in (tmp_path / "lock").glob("[0-9]*.json")] == ["000003.json"]


def test_searches_and_studies_hold_the_lock_too(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(job, "start_session", lambda settings: spark)
    (tmp_path / "space.toml").write_text(
        '[tune]\nspace = [{ key = "factorize.rank", kind = "int", low = 2, high = 4 }]\n'
    )
    config = ["--config", str(PROJECT / "conf/base.toml"), "--config", str(tmp_path / "space.toml"), "--ds", DS]
    for_tune = [*config, "--set", f"paths.root={tmp_path}", "--trials", "1", "--out", str(tmp_path / "best.toml")]
    for_study = ["random", *config, "--root", str(tmp_path)]
    for main, arguments, root in ((tune.main, for_tune, tmp_path), (study.main, for_study, tmp_path / "random")):
        with locked(Tables(spark, f"{root}/work/_locks/ds={DS}")):
            assert main(arguments) == EXIT_BUSY
        assert "another run is at work" in capsys.readouterr().err
