"""Broadcast values that are destroyed when they are no longer needed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pyspark import Broadcast
from pyspark.sql import SparkSession

Value = TypeVar("Value")


@contextmanager
def broadcast_value(spark: SparkSession, value: Value) -> Iterator[Broadcast[Value]]:
    """Sends a value to the executors, and destroys it on leaving: plans that read it must be run inside.

    Spark frees a broadcast only when Java collects the garbage of the driver, and PySpark keeps a file of each one:
    the tables of some rounds would fill a driver.

    Args:
        spark: the session.
        value: any picklable value.
    """
    sent = spark.sparkContext.broadcast(value)
    try:
        yield sent
    finally:
        sent.destroy()
