"""Independent work of the driver at the same time: where one query is planned or waits, another uses the cores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


def at_once(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C]) -> tuple[A, B, C]:
    """The results of three functions that run at the same time.

    All have ended before a failure is raised, so that nothing writes any more when it is reported; of several the one
    of the first function counts.

    Args:
        first: called in a thread of the driver, as the others are.
        second: see first.
        third: see first.
    """
    pool = ThreadPoolExecutor(3)
    try:
        futures = pool.submit(first), pool.submit(second), pool.submit(third)
        ended: tuple[Future[Any], ...] = futures
        wait(ended)
    finally:
        pool.shutdown(wait=False)  # after an interrupt, Spark cancels the jobs that the threads wait for
    return futures[0].result(), futures[1].result(), futures[2].result()
