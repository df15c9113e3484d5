"""One process at a time: whoever changes the tables of a logical date holds its lock; a dead owner's is taken over.

A lock is a row of numbered documents (`bgmrec.run.lock_documents`: files, or rows of a PostgreSQL table); the owner of
the highest number that is not released holds it. A process takes the lock by creating the next number, and of several
at once only one succeeds. The owner counts its `heartbeat` up in its document.

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
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError

from bgmrec.errors import BusyError, StorageError
from bgmrec.run.lock_documents import LockDocuments
from bgmrec.runtime.logs import logger

HEARTBEAT = 10.0  # seconds between two heartbeats
PATIENCE = 60.0  # seconds without one after which an owner on another machine counts as dead


@dataclass
class Lock:
    """A lock, once it is taken.

    Args:
        documents: its numbered documents.
        number: of the document that this process created; 0: none yet.
        lost: whether another process took it over.
    """

    documents: LockDocuments
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
            number, owner = self.documents.newest()
            if owner is not None and not owner["released"]:
                if _is_alive(self.documents, number, owner, patience):
                    raise _busy(self.documents, owner)
                logger.warning("taking over from a dead run: %s", _described(owner))
            # between the two, others may have taken and released the lock, and deleted the number that is free now
            if self.documents.create(number + 1, self._document) and self.documents.newest()[0] == number + 1:
                self.number = number + 1
                break
        self.documents.delete_before(self.number)

    def keep(self, interval: float) -> None:
        """Counts the heartbeat up until `release`, or until another process has taken the lock over.

        Args:
            interval: seconds between two heartbeats.
        """
        while not self._over.wait(interval):
            with suppress(
                Py4JError, OSError, StorageError
            ):  # the store may not answer for a moment: the next one counts
                if self.documents.newest()[0] != self.number:
                    self.lost = True
                    os.kill(os.getpid(), signal.SIGINT)  # Spark's handler cancels its jobs and interrupts the run
                    return
                self._write(heartbeat=self._document["heartbeat"] + 1)

    def release(self) -> None:
        """Lets the next process take the lock at once."""
        self._over.set()
        if not self.lost:
            with suppress(
                Py4JError, OSError, StorageError
            ):  # Java may have died; the next run sees that this process ended
                self._write(released=True)

    def _write(self, **changes: Any) -> None:
        self._document |= {"at": _now(), **changes}
        self.documents.write(self.number, self._document)


@contextmanager
def locked(documents: LockDocuments, *, heartbeat: float = HEARTBEAT, patience: float = PATIENCE) -> Iterator[Lock]:
    """Holds a lock inside the block.

    Args:
        documents: of the lock.
        heartbeat: seconds between two heartbeats.
        patience: seconds without one after which an owner on another machine counts as dead.

    Raises:
        BusyError: another process holds it, or took it over because this one was frozen.
    """
    lock = Lock(documents)
    lock.acquire(patience)
    keeper = threading.Thread(target=lock.keep, args=(heartbeat,), name="lock", daemon=True)
    keeper.start()
    try:
        yield lock
    except KeyboardInterrupt:
        if lock.lost:
            raise _busy(documents, documents.newest()[1] or {}) from None
        raise
    finally:
        lock.release()
        keeper.join()


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
        "token": uuid.uuid4().hex,  # no other process writes the same document
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


def _is_alive(documents: LockDocuments, number: int, owner: dict[str, Any], patience: float) -> bool:
    if owner["machine"] == _machine() and owner["process_start"] is not None:
        return _process_start(owner["pid"]) == owner["process_start"]
    logger.info("waiting up to %.0f s for a heartbeat of the lock's owner: %s", patience, _described(owner))
    end = time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(min(1.0, patience / 10))
        current = documents.newest()
        if current != (number, owner):
            return not (current[1] or owner)["released"]
    return False


def _busy(documents: LockDocuments, owner: dict[str, Any]) -> BusyError:
    return BusyError(
        "another run is at work on the same logical date",
        where=documents.where,
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
