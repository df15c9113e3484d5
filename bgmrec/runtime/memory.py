"""How much memory a run takes on the driver's machine: the driver, its Java, and in local mode the workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

INTERVAL = 0.5  # seconds between looks; one at what a tree of ten processes has resident takes about 10 ms
# The kernel walks every page table to tell shared pages apart: 150 ms for 4 GB, while Java waits for each page that it
# asks for. So that is done only when what is resident, pages shared or not, has grown by this share.
GROWTH = 0.03


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
    return _summed(process, _own_bytes)


def _summed(process: psutil.Process, of: Callable[[psutil.Process], int]) -> Memory:
    children = process.children(recursive=True)
    taken = {child.pid: of(child) for child in children}
    workers = {worker.pid for child in children for worker in _started_by_java(child)}
    return Memory(of(process) + sum(taken.values()), sum(taken.get(pid, 0) for pid in workers))


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


def _resident_bytes(process: psutil.Process) -> int:
    """With all shared pages."""
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


@contextmanager
def watched() -> Iterator[Memory]:
    """Looks at this process's tree until the end of the block.

    A peak may be short by a share of `GROWTH`, and by pages that were shared and are not any more.
    """
    peak, over = Memory(), threading.Event()

    def look() -> None:
        process, most = psutil.Process(), Memory()
        while True:
            resident = _summed(process, _resident_bytes)
            if resident.bytes > (1 + GROWTH) * most.bytes or resident.workers > (1 + GROWTH) * most.workers:
                now, after = tree_memory(process), _summed(process, _resident_bytes)
                peak.bytes, peak.workers = max(peak.bytes, now.bytes), max(peak.workers, now.workers)
                # between fork and exec a child has all pages of its parent, and would hide what grows later
                most = Memory(min(resident.bytes, after.bytes), min(resident.workers, after.workers))
            if over.wait(INTERVAL):
                return

    watcher = threading.Thread(target=look, name="memory", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
