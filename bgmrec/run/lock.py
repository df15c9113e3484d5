"""One run at a time: who works at a logical date's tables holds its lock, and a dead owner's lock is taken over.

A lock is a folder of numbered documents, `000001.json`, `000002.json`, …; the owner of the highest number that is not
released holds it. Taking it is to write the next number, which one of several at once manages: nobody ever deletes
what somebody else may hold. The owner counts its `beat` up in its document.

An owner is dead if its process is no longer there, which is seen at once on the same machine, or if its beat stands
still for `patience` seconds of the reader's own monotonic clock: no two machines' clocks are ever compared. An owner
that was frozen for so long finds the next number when it wakes, and stops.
"""

from __future__ import annotations

import getpass
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError

from bgmrec.errors import BusyError
from bgmrec.runtime.logs import logger
from bgmrec.storage import files
from bgmrec.storage.tables import Tables, encoded

HEARTBEAT = 10.0  # seconds between two beats
PATIENCE = 60.0  # seconds without one after which an owner on another machine counts as dead


@dataclass
class Lock:
    """The lock of one place, once it is held."""

    store: Tables
    number: int = 0
    lost: bool = False
    _over: threading.Event = field(default_factory=threading.Event)
    _document: dict[str, Any] = field(default_factory=dict)

    def acquire(self, patience: float) -> None:
        """Takes the lock, over a dead owner if need be.

        Raises:
            BusyError: a living owner holds it.
        """
        self._document = _identity()
        while True:
            number, owner = newest(self.store)
            if owner is not None and not owner["released"]:
                if _lives(self.store, number, owner, patience):
                    raise _busy(self.store, owner)
                logger.warning("taking over from a dead run: %s", _described(owner))
            if files.create(self.store.spark, _path(self.store, number + 1), encoded(self._document)):
                self.number = number + 1
                break
        for path in _numbers(self.store)[:-1]:
            files.delete(self.store.spark, path)

    def keep(self, heartbeat: float) -> None:
        """Counts the beat up until `release`, or until somebody else has taken the lock over."""
        while not self._over.wait(heartbeat):
            with suppress(Py4JError, OSError):  # a file system may be away for a moment: the next beat tells
                if newest(self.store)[0] != self.number:
                    self.lost = True
                    os.kill(os.getpid(), signal.SIGINT)  # Spark's handler cancels what runs and interrupts the night
                    return
                self._write(heartbeat=self._document["beat"] + 1)

    def release(self) -> None:
        self._over.set()
        if not self.lost:
            with suppress(Py4JError, OSError):  # Java may have died; the next run sees that this process is gone
                self._write(released=True)

    def _write(self, **changed: Any) -> None:
        self._document |= {"at": _now(), **changed}
        self.store.write_json(f"{self.number:06d}", self._document)


@contextmanager
def held(store: Tables, *, heartbeat: float = HEARTBEAT, patience: float = PATIENCE) -> Iterator[Lock]:
    """Holds the lock of a place for the block.

    Raises:
        BusyError: somebody holds it, or took it over because this process stood still.
    """
    lock = Lock(store)
    lock.acquire(patience)
    keeper = threading.Thread(target=lock.keep, args=(heartbeat,), name="lock", daemon=True)
    keeper.start()
    try:
        yield lock
    except KeyboardInterrupt:
        if lock.lost:
            raise _busy(store, newest(store)[1] or {}) from None
        raise
    finally:
        lock.release()
        keeper.join()


def newest(store: Tables) -> tuple[int, dict[str, Any] | None]:
    """(highest number, its document); 0 and none where nobody ever held the lock."""
    paths = _numbers(store)
    if not paths:
        return 0, None
    name = paths[-1].rsplit("/", 1)[-1].removesuffix(".json")
    return int(name), store.read_json(name)


def _numbers(store: Tables) -> list[str]:
    return files.glob(store.spark, f"{store.root}/[0-9]*.json")


def _path(store: Tables, number: int) -> str:
    return f"{store.path(f'{number:06d}')}.json"


def _identity() -> dict[str, Any]:
    pid = os.getpid()
    return {
        "user": _user(),
        "host": platform.node(),
        "machine": _machine(),
        "pid": pid,
        "process_start": _process_start(pid),
        "since": _now(),
        "at": _now(),
        "beat": 0,
        "released": False,
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return str(os.getuid())


def _machine() -> str:
    """This boot of this machine, and the container in it: where a process id means something."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return platform.node()


def _process_start(pid: int) -> str | None:
    """When a process began, in ticks since the boot, which setting the clock does not move.

    None if it is gone, or where the system does not tell.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _lives(store: Tables, number: int, owner: dict[str, Any], patience: float) -> bool:
    if owner["machine"] == _machine() and owner["process_start"] is not None:
        return _process_start(owner["pid"]) == owner["process_start"]
    logger.info("waiting up to %.0f s for a sign of life: %s", patience, _described(owner))
    end = time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(min(1.0, patience / 10))
        now = newest(store)
        if now != (number, owner):
            return not (now[1] or owner)["released"]
    return False


def _busy(store: Tables, owner: dict[str, Any]) -> BusyError:
    return BusyError(
        "another run is at work on the same logical date",
        where=store.root,
        expected="one run at a time for a logical date",
        found=_described(owner),
        hint="wait until it ends, or end it; a dead run's place is taken over without further ado",
    )


def _described(owner: dict[str, Any]) -> str:
    keys = ("user", "host", "pid", "since", "at")
    user, host, pid, since, at = (owner.get(key, "?") for key in keys)
    return f"process {pid} of {user} on {host}, since {since}, last seen {at} by its clock"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
