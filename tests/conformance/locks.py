"""What every place of a lock's documents must do: who holds a lock, who is refused, and whose lock is taken over."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bgmrec.errors import BusyError
from bgmrec.run import lock
from bgmrec.run.lock import locked
from bgmrec.run.lock_documents import LockDocuments

SOON = {"heartbeat": 0.1, "patience": 1.5}


def owned_by(documents: LockDocuments, pid: int, **changed: Any) -> None:
    """Leaves the lock as another process would that took it."""
    document = {**lock._identity(), "pid": pid, "process_start": lock._process_start(pid), **changed}
    if not documents.create(1, document):
        documents.write(1, document)


class LockTests:
    """A class below gives the fixture `lock_of`: documents of a lock by its name."""

    @pytest.fixture
    def documents(self, lock_of: Callable[[str], LockDocuments]) -> LockDocuments:
        return lock_of("one")

    @pytest.fixture
    def stranger(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that lives while the test does."""
        process = subprocess.Popen(["sleep", "600"])
        yield process
        process.kill()
        process.wait()

    def test_a_second_run_is_refused_and_the_next_one_is_not(self, documents: LockDocuments) -> None:
        with locked(documents, **SOON):
            with pytest.raises(BusyError, match="another run is at work") as caught, locked(documents, **SOON):
                pytest.fail("two runs held one lock")
            assert f"process {os.getpid()} of" in caught.value.found
        with locked(documents, **SOON) as later:
            assert later.number == 2

    def test_a_run_that_failed_leaves_no_lock(self, documents: LockDocuments) -> None:
        with pytest.raises(ValueError), locked(documents, **SOON):
            raise ValueError("a stage failed")
        with locked(documents, **SOON):
            pass

    def test_a_living_process_of_this_machine_keeps_its_lock(
        self, documents: LockDocuments, stranger: subprocess.Popen[bytes]
    ) -> None:
        owned_by(documents, stranger.pid)
        with pytest.raises(BusyError), locked(documents, **SOON):
            pytest.fail("taken from a living process")

    def test_a_killed_process_loses_it_at_once(
        self, documents: LockDocuments, stranger: subprocess.Popen[bytes]
    ) -> None:
        owned_by(documents, stranger.pid)
        stranger.kill()
        stranger.wait()
        began = time.monotonic()
        with locked(documents, heartbeat=60.0, patience=60.0):
            assert time.monotonic() - began < 30

    def test_another_process_under_the_same_number_is_not_the_owner(
        self, documents: LockDocuments, stranger: subprocess.Popen[bytes]
    ) -> None:
        owned_by(documents, stranger.pid, process_start="1")
        with locked(documents, **SOON):
            assert documents.newest()[0] == 2

    def test_without_process_times_the_heartbeat_decides(self, documents: LockDocuments) -> None:
        owned_by(documents, os.getpid(), process_start=None)
        with locked(documents, **SOON):
            assert documents.newest()[0] == 2

    @pytest.mark.parametrize("at", ["1970-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00"])
    def test_clocks_of_other_machines_say_nothing(
        self, documents: LockDocuments, lock_of: Callable[[str], LockDocuments], at: str
    ) -> None:
        """A heartbeat that stands still means dead, one that changes alive, whatever the owner's clock shows."""
        owned_by(documents, 1, machine="another", at=at)
        began = time.monotonic()
        with locked(documents, **SOON):
            assert time.monotonic() - began >= SOON["patience"]
        other = lock_of("other")
        owned_by(other, 1, machine="another", at=at)
        beating = threading.Timer(0.4, lambda: owned_by(other, 1, machine="another", at=at, heartbeat=1))
        beating.start()
        with pytest.raises(BusyError), locked(other, **SOON):
            pytest.fail("taken from a machine whose heartbeat changes")
        beating.join()

    def test_the_heartbeat_counts_up(self, documents: LockDocuments) -> None:
        with locked(documents, **SOON):
            until = time.monotonic() + 30
            while documents.newest()[1]["heartbeat"] < 3 and time.monotonic() < until:
                time.sleep(0.05)
            assert documents.newest()[1]["heartbeat"] >= 3

    def test_of_many_at_once_one_takes_it(self, documents: LockDocuments) -> None:
        got, refused = [], []
        ready, over = threading.Barrier(6), threading.Event()

        def try_it() -> None:
            ready.wait()
            try:
                with locked(documents, **SOON):
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

    def test_an_owner_that_was_taken_over_is_interrupted(self, documents: LockDocuments) -> None:
        with pytest.raises(BusyError, match="another run is at work"), locked(documents, **SOON) as mine:
            documents.create(mine.number + 1, {**lock._identity(), "machine": "another"})
            time.sleep(30)
            pytest.fail("worked on without the lock")
        assert documents.newest()[1]["released"] is False, "released what somebody else holds"

    def test_a_number_that_was_freed_meanwhile_is_no_lock(self, documents: LockDocuments) -> None:
        """Others took and released the lock between two steps of this process, and deleted the number it wants."""
        for _ in range(3):
            with locked(documents, **SOON):
                pass
        with locked(_Late(documents), **SOON) as mine:
            assert mine.number == documents.newest()[0] == 4


class _Late:
    """Documents of which the first look is old."""

    def __init__(self, documents: LockDocuments):
        self._documents, self._looks = documents, 0

    def newest(self) -> tuple[int, dict[str, Any] | None]:
        self._looks += 1
        return (1, {"released": True}) if self._looks == 1 else self._documents.newest()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._documents, name)
