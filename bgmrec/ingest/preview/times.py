"""Times in raw values: their format, and the Spark SQL that reads them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

MIN_SHARE = 0.98  # of the values that must have the format
PROBE = 2000  # values that decide it
# what Spark casts to a timestamp; it gives null for a time without seconds
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})?)?$")
_YEARS = (datetime(1990, 1, 1, tzinfo=UTC).timestamp(), datetime(2100, 1, 1, tzinfo=UTC).timestamp())
_UNITS = {
    "seconds": (1.0, "timestamp_seconds(cast({column} as double))"),
    "milliseconds": (1e3, "timestamp_millis(cast({column} as bigint))"),
    "microseconds": (1e6, "timestamp_micros(cast({column} as bigint))"),
}
_CLOCKS = {"": "", " %H:%M": " H:mm", " %H:%M:%S": " H:mm:ss"}
_DATES = {
    "%Y-%m-%d": "yyyy-M-d",
    "%Y/%m/%d": "yyyy/M/d",
    "%d.%m.%Y": "d.M.yyyy",
    "%d/%m/%Y": "d/M/yyyy",
    "%m/%d/%Y": "M/d/yyyy",
    "%Y年%m月%d日": "yyyy年M月d日",
}
# strptime's pattern → Spark's
_PATTERNS = {
    "%Y%m%d%H%M%S": "yyyyMMddHHmmss",
    "%Y%m%d": "yyyyMMdd",
    "%Y-%m-%dT%H:%M": "yyyy-MM-dd'T'HH:mm",
    "%Y-%m-%dT%H:%M%z": "yyyy-MM-dd'T'HH:mmXXX",
} | {
    f"{day}{clock}": f"{spark_day}{spark_clock}"
    for day, spark_day in _DATES.items()
    for clock, spark_clock in _CLOCKS.items()
}


@dataclass(frozen=True)
class TimeFormat:
    """One way to write times.

    Args:
        name: for people.
        expression: Spark SQL with `{column}` for the column.
        parse: a raw value → a UTC time; raises ValueError, TypeError or OverflowError for any other value.
        note: what the reader should check; empty where nothing is doubtful.
    """

    name: str
    expression: str
    parse: Callable[[Any], datetime]
    note: str = ""


def time_format(values: Sequence[Any]) -> TimeFormat | None:
    """The format that nearly all values have; None where they are no times.

    Args:
        values: of a column, without missing ones.
    """
    probe = values[:: max(1, len(values) // PROBE)]
    fitting = [candidate for candidate in _FORMATS if _fits(candidate, probe)] if probe else []
    if not fitting:
        return None
    first = fitting[0]
    if len(fitting) > 1 and "%d/%m" in fitting[0].name:
        return TimeFormat(first.name, first.expression, first.parse, "day or month first?")
    return first


def days_of(values: Sequence[Any], format_: TimeFormat) -> Counter[date]:
    """How many of the values are times of each day, in UTC.

    Args:
        values: of a column.
        format_: their format; values of another one are not counted.
    """
    moments = (_parsed(format_, value) for value in values)
    return Counter(moment.date() for moment in moments if moment is not None)


def _fits(candidate: TimeFormat, probe: Sequence[Any]) -> bool:
    return sum(_parsed(candidate, value) is not None for value in probe) >= MIN_SHARE * len(probe)


def _parsed(format_: TimeFormat, value: Any) -> datetime | None:
    try:
        return format_.parse(value)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _native(value: Any) -> datetime:
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise TypeError


def _iso(value: Any) -> datetime:
    if not isinstance(value, str) or not _ISO.match(value):
        raise ValueError
    return _utc(datetime.fromisoformat(value))


def _utc(moment: datetime) -> datetime:
    """Without a zone; one without an offset is taken as UTC, as in Spark's session."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _epoch(factor: float) -> Callable[[Any], datetime]:
    def parse(value: Any) -> datetime:
        seconds = float(value) / factor
        if isinstance(value, bool) or not _YEARS[0] <= seconds <= _YEARS[1]:
            raise ValueError
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)

    return parse


def _pattern(pattern: str) -> Callable[[Any], datetime]:
    def parse(value: Any) -> datetime:
        moment = datetime.strptime(str(value), pattern)
        if moment.strftime(pattern) != str(value) and str(value).isdigit():
            raise ValueError  # strptime also takes 1234567 for a date
        return _utc(moment)

    return parse


def _reading(pattern: str) -> str:
    """Spark SQL for a pattern; digits alone may be a number, of which to_timestamp reads no pattern."""
    column = "cast({column} as string)" if pattern.isalpha() else "{column}"
    # a pattern holds single quotes around letters that stand for themselves
    quote = '"' if "'" in pattern else "'"
    return f"to_timestamp({column}, {quote}{pattern}{quote})"


_FORMATS = [
    TimeFormat("times", "{column}", _native),
    TimeFormat("ISO times", "to_timestamp({column})", _iso),
    *(TimeFormat(f"{unit} since 1970", text, _epoch(factor)) for unit, (factor, text) in _UNITS.items()),
    *(TimeFormat(f"times like {pattern}", _reading(spark), _pattern(pattern)) for pattern, spark in _PATTERNS.items()),
]
