"""Moments of time as Spark literals."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column
from pyspark.sql import functions as f


def utc_timestamp(moment: datetime) -> Column:
    """A timestamp literal of a moment in UTC, which is the session's time zone.

    It is made from text: Spark would read a Python datetime in the time zone of the driver's machine.

    Args:
        moment: in UTC, without a time zone.
    """
    return f.lit(moment.isoformat(sep=" ")).cast("timestamp")
