"""One process at a time: whoever changes the tables of a logical date holds its lock; a dead owner's is taken over.

A lock is a folder of numbered documents, `000001.json`, `000002.json`, …; the owner of the highest number that is not
released holds it. A process takes the lock by writing the next number, and of several at once only one succeeds:
nobody ever deletes a document that another process may hold. The owner counts its `heartbeat` up in its document.

An owner is dead if its process no longer exists, which is seen at once on the same machine, or if its heartbeat does
not change for `patience` seconds of the reader's own monotonic clock: clocks of two machines are never compared. An
owner that was frozen for so long finds the next number when it wakes, and stops.
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

HEARTBEAT = 10.0  # seconds between two heartbeats
PATIENCE = 60.0  # seconds without one after which an owner on another machine counts as dead


@dataclass
class Lock:
    """A lock, once it is taken.

    Args:
        store: its folder.
        number: of the document that this process wrote; 0: none yet.
        lost: whether another process took it over.
    """

    store: Tables
    number: int = 0
    lost: bool = False
    _over: threading.Event = field(default_factory=threading.Event)
    _document: dict[str, Any] = field(default_factory=dict)

    def acquire(self, patience: float) -> None:
        """Takes the lock, from a dead owner if there is one.

        Args:
            patience: seconds to wait for a heartbeat of an owner on another machine.

        Raises:
            BusyError: a living owner holds it.
        """
        self._document = _identity()
        while True:
            number, owner = newest(self.store)
            if owner is not None and not owner["released"]:
                if _is_alive(self.store, number, owner, patience):
                    raise _busy(self.store, owner)
                logger.warning("taking over from a dead run: %s", _described(owner))
            if files.create(self.store.spark, _path(self.store, number + 1), encoded(self._document)):
                self.number = number + 1
                break
        for path in _documents(self.store)[:-1]:
            files.delete(self.store.spark, path)

    def keep(self, interval: float) -> None:
        """Counts the heartbeat up until `release`, or until another process has taken the lock over.

        Args:
            interval: seconds between two heartbeats.
        """
        while not self._over.wait(interval):
            with suppress(Py4JError, OSError):  # a file system may not answer for a moment: the next one counts
                if newest(self.store)[0] != self.number:
                    self.lost = True
                    os.kill(os.getpid(), signal.SIGINT)  # Spark's handler cancels its jobs and interrupts the run
                    return
                self._write(heartbeat=self._document["heartbeat"] + 1)

    def release(self) -> None:
        """Lets the next process take the lock at once."""
        self._over.set()
        if not self.lost:
            with suppress(Py4JError, OSError):  # Java may have died; the next run sees that this process ended
                self._write(released=True)

    def _write(self, **changes: Any) -> None:
        self._document |= {"at": _now(), **changes}
        self.store.write_json(f"{self.number:06d}", self._document)


@contextmanager
def locked(store: Tables, *, heartbeat: float = HEARTBEAT, patience: float = PATIENCE) -> Iterator[Lock]:
    """Holds a lock inside the block.

    Args:
        store: folder of the lock.
        heartbeat: seconds between two heartbeats.
        patience: seconds without one after which an owner on another machine counts as dead.

    Raises:
        BusyError: another process holds it, or took it over because this one was frozen.
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
    """The highest number and its document; 0 and None if the lock was never taken.

    Args:
        store: folder of the lock.
    """
    paths = _documents(store)
    if not paths:
        return 0, None
    name = paths[-1].rsplit("/", 1)[-1].removesuffix(".json")
    return int(name), store.read_json(name)


def _documents(store: Tables) -> list[str]:
    return files.children(store.spark, store.root, "[0-9]*.json")


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
        "heartbeat": 0,
        "released": False,
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return str(os.getuid())


def _machine() -> str:
    """This boot of this machine, and the container in it: where a process id is unique."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    return platform.node()


def _process_start(pid: int) -> str | None:
    """When a process began, in ticks since the boot, which setting the clock does not change.

    None if it has ended, or where the system does not tell.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def _is_alive(store: Tables, number: int, owner: dict[str, Any], patience: float) -> bool:
    if owner["machine"] == _machine() and owner["process_start"] is not None:
        return _process_start(owner["pid"]) == owner["process_start"]
    logger.info("waiting up to %.0f s for a heartbeat of the lock's owner: %s", patience, _described(owner))
    end = time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(min(1.0, patience / 10))
        current = newest(store)
        if current != (number, owner):
            return not (current[1] or owner)["released"]
    return False


def _busy(store: Tables, owner: dict[str, Any]) -> BusyError:
    return BusyError(
        "another run is at work on the same logical date",
        where=store.root,
        expected="one run at a time for a logical date",
        found=_described(owner),
        hint="wait until it ends, or end it; the lock of a run that has ended in any way is taken over by the next one",
    )


def _described(owner: dict[str, Any]) -> str:
    keys = ("user", "host", "pid", "since", "at")
    user, host, pid, since, at = (owner.get(key, "?") for key in keys)
    return f"process {pid} of {user} on {host}, since {since}, last seen {at} by its clock"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
