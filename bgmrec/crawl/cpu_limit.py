"""A limit on the CPU time of one page: it interrupts a parser that a hostile page keeps busy."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

READ_SECONDS = 10.0  # CPU time; an ordinary page takes milliseconds


class CpuLimitExceeded(Exception):
    """Reading a page took too long."""


@contextmanager
def cpu_limit(seconds: float = READ_SECONDS) -> Iterator[None]:
    """Raises inside the block when it exceeds its CPU time. In the main thread only.

    Args:
        seconds: of CPU time.

    Raises:
        CpuLimitExceeded: between two steps of Python; a single call into C is not interrupted.
    """
    armed = True

    def interrupt(number: int, frame: Any) -> None:
        if armed:  # the signal may arrive just after the block
            raise CpuLimitExceeded(f"reading it took more than {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
