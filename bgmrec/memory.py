"""How much memory a run takes on the driver's machine: the driver, its Java, and in local mode the workers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

INTERVAL = 0.5  # seconds between looks; one look at a tree of ten processes takes about 10 ms


@dataclass
class Memory:
    """Memory at a moment, or the most seen so far, in bytes.

    Args:
        bytes: of driver, Java and workers together.
        workers: of the Python workers together, which Java starts.
    """

    bytes: int = 0
    workers: int = 0


def tree_memory(process: psutil.Process) -> Memory:
    """Memory of a process and all that it started; pages that several share are counted once.

    Where the system does not tell shared pages apart (anywhere but on Linux), they count for each process.
    """
    children = process.children(recursive=True)
    taken = {child.pid: _own_bytes(child) for child in children}
    workers = {worker.pid for child in children for worker in _started_by_java(child)}
    return Memory(_own_bytes(process) + sum(taken.values()), sum(taken.get(pid, 0) for pid in workers))


def _started_by_java(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True) if process.name() == "java" else []
    return []


def _own_bytes(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.AccessDenied:
        info = process.memory_info()
    except psutil.NoSuchProcess:  # it ended between the list and the look
        return 0
    return int(getattr(info, "pss", info.rss))


@contextmanager
def watched() -> Iterator[Memory]:
    """Looks at this process's tree until the end of the block."""
    peak, over = Memory(), threading.Event()

    def look() -> None:
        process = psutil.Process()
        while True:
            now = tree_memory(process)
            peak.bytes, peak.workers = max(peak.bytes, now.bytes), max(peak.workers, now.workers)
            if over.wait(INTERVAL):
                return

    watcher = threading.Thread(target=look, name="memory", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
