"""A bound on the processor time that one page may take: a parser that a hostile page keeps busy is interrupted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

READ_SECONDS = 10.0  # of the processor; an ordinary page takes milliseconds


class Exhausted(Exception):
    """Reading a page took too long."""


@contextmanager
def patience(seconds: float = READ_SECONDS) -> Iterator[None]:
    """Raises inside the block once it has used up its time; for the main thread only.

    Raises:
        Exhausted: between two steps of Python; a single call into C is not broken off.
    """
    armed = True

    def ring(number: int, frame: Any) -> None:
        if armed:  # and not just over
            raise Exhausted(f"reading it took more than {seconds:g} s")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)
