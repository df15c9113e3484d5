"""Memory of a run on the driver's machine: the driver, its Java and, in local mode, the Python workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

INTERVAL = 0.5  # seconds between two looks; reading the resident memory of ten processes takes about 10 ms
# To tell shared pages apart the kernel walks every page table: 150 ms for 4 GB, in which Java waits for each new page.
# So that is done only when the resident memory, with shared pages, has grown by this share.
GROWTH = 0.03


@dataclass
class Memory:
    """Memory at a moment, or a peak, in bytes.

    Args:
        bytes: of driver, Java and workers together.
        workers: of the Python workers together; Java starts them.
    """

    bytes: int = 0
    workers: int = 0


def tree_memory(process: psutil.Process) -> Memory:
    """Memory of a process and its descendants; shared pages count once.

    On systems that do not tell shared pages apart (all but Linux), they count for each process.

    Args:
        process: the oldest one.
    """
    return _summed(process, _bytes_without_shared)


def _summed(process: psutil.Process, memory_of: Callable[[psutil.Process], int]) -> Memory:
    children = process.children(recursive=True)
    used = {child.pid: memory_of(child) for child in children}
    workers = {worker.pid for child in children for worker in _started_by_java(child)}
    return Memory(memory_of(process) + sum(used.values()), sum(used.get(pid, 0) for pid in workers))


def _started_by_java(process: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return process.children(recursive=True) if process.name() == "java" else []
    return []


def _bytes_without_shared(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except psutil.AccessDenied:
        info = process.memory_info()
    except psutil.NoSuchProcess:  # it ended meanwhile
        return 0
    return int(getattr(info, "pss", info.rss))


def _resident_bytes(process: psutil.Process) -> int:
    """Memory with all shared pages."""
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


@contextmanager
def watched() -> Iterator[Memory]:
    """The peak of memory of this process and its descendants inside the block.

    It may be too low by the share `GROWTH`, and by pages that were shared and no longer are.
    """
    peak, ended = Memory(), threading.Event()

    def look() -> None:
        process, most = psutil.Process(), Memory()
        while True:
            resident = _summed(process, _resident_bytes)
            if resident.bytes > (1 + GROWTH) * most.bytes or resident.workers > (1 + GROWTH) * most.workers:
                current, after = tree_memory(process), _summed(process, _resident_bytes)
                peak.bytes, peak.workers = max(peak.bytes, current.bytes), max(peak.workers, current.workers)
                # between fork and exec a child shares all pages of its parent: counted, that would hide later growth
                most = Memory(min(resident.bytes, after.bytes), min(resident.workers, after.workers))
            if ended.wait(INTERVAL):
                return

    watcher = threading.Thread(target=look, name="memory", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()
