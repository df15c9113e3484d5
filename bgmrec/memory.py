"""How much memory a run takes on the driver's machine: the driver, its Java, and in local mode the workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

INTERVAL = 0.5  # seconds between looks; one look at a tree of ten processes takes about 10 ms


@dataclass
class Peak:
    """The most seen so far, in bytes.

    Args:
        bytes: of driver, Java and workers together.
        workers: of the Python workers together, which Java starts.
    """

    bytes: int = 0
    workers: int = 0


def tree_bytes(process: psutil.Process) -> int:
    """Memory of a process and all that it started, in bytes; pages that several share are counted once.

    Where the system does not tell shared pages apart (anywhere but on Linux), they count for each process.
    """
    return sum(map(_own_bytes, [process, *process.children(recursive=True)]))


def worker_bytes(process: psutil.Process) -> int:
    """Memory of what Java started, in bytes, counted as by `tree_bytes`: Spark's Python workers in local mode."""
    return sum(map(_own_bytes, _workers(process)))


def _workers(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.name() == "java":
                found += child.children(recursive=True)
    return found


def _own_bytes(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.AccessDenied:
        info = process.memory_info()
    except psutil.NoSuchProcess:  # it ended between the list and the look
        return 0
    return int(getattr(info, "pss", info.rss))


@contextmanager
def watched() -> Iterator[Peak]:
    """Looks at this process's tree until the end of the block."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        process = psutil.Process()
        while True:
            peak.bytes = max(peak.bytes, tree_bytes(process))
            peak.workers = max(peak.workers, worker_bytes(process))
            if over.wait(INTERVAL):
                return

    watcher = threading.Thread(target=look, name="memory", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
