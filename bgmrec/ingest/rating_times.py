"""Times that lie decades off the logical date, or mostly after it, and the misread unit that explains them.

Nobody guesses a unit: a night whose times are those of another unit ends above `max_reject_share`, and says which unit
the expression of `rated_at` should name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.ingest.accounting import ROWS
from bgmrec.ingest.duplicates import SOURCE_POSITION
from bgmrec.runtime.logs import logger
from bgmrec.storage import columns as c

_FAR_YEARS = 20  # further from the logical date, a time is probably misread
_NEAR_YEARS = 15  # a unit explains far times if it brings them this close to the logical date
_DAY = 86_400
_YEAR = 365.25 * _DAY
_STEPS = (1, 2, 3, -1)  # a timestamp of Spark cannot be a million times too large
_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")


def time_sums(mapped: DataFrame, ds: date) -> list[Row]:
    """By source: counts of rows and times, and the seconds of those far from the date, by an action.

    Args:
        mapped: every row; `rated_at` is null in rows that are rejected or filtered.
        ds: the logical date.
    """
    seconds = f.unix_micros(c.RATED_AT) / 1e6
    is_far = f.abs(seconds - _seconds(ds)) > _FAR_YEARS * _YEAR
    # how many units too large the read one is
    steps = f.coalesce(*(f.when(_is_near(seconds * 1000.0**n, ds), f.lit(n)) for n in _STEPS), f.lit(0))
    # numbers alone: Spark would compile a median, or a look at the state, to slower code
    sums = [f.count(f.lit(1)).alias(ROWS), f.count(c.RATED_AT).alias("times")]
    sums.append(f.count_if(seconds >= _seconds(ds) + _DAY).alias("after"))
    for n in (0, *_STEPS):
        is_read_so = f.when(is_far, steps == n)
        sums += [f.count_if(is_read_so).alias(f"far_{n}"), f.sum(f.when(is_read_so, seconds)).alias(f"seconds_{n}")]
    return mapped.groupBy(SOURCE_POSITION).agg(*sums).orderBy(SOURCE_POSITION).collect()


def check_times(sums: Sequence[Row], sources: Sequence[str], max_share: float, ds: date) -> None:
    """Warns of times far from the logical date or after it; ends the run where another unit explains too many.

    Args:
        sums: of `time_sums`.
        sources: names of the sources, in the order of the settings.
        max_share: the largest allowed share of times that another unit explains, `ratings.max_reject_share`.
        ds: the logical date.

    Raises:
        InputError: the share is exceeded.
    """
    for row in sums:
        where = f"ratings.sources.{sources[row[SOURCE_POSITION]]}.rated_at"
        far = [n for n in (0, *_STEPS) if row[f"far_{n}"]]
        for n in far:
            _check_far(n, row, max_share, ds, where)
        if not far and row["after"] > row["times"] / 2:
            logger.warning(
                "%s of %s times are after the logical date %s; their rows are left to later runs (where: %s; hint: "
                "compare --ds with the dates of the log)",
                *(f"{row['after']:,}", f"{row['times']:,}", ds, where),
            )


def _check_far(steps: int, sums: Row, max_share: float, ds: date, where: str) -> None:
    count, times = sums[f"far_{steps}"], sums["times"]
    mean = sums[f"seconds_{steps}"] / count
    side = "before" if mean < _seconds(ds) else "after"
    found = f"{count:,} of {times:,} times lie decades {side} the date, around {_shown(mean)}"
    cause = misread_unit(steps)
    hint = cause and f"{cause}: name the unit of the log, for example timestamp_seconds(…) or timestamp_millis(…)"
    if cause and count > max_share * times:
        raise InputError(
            "the times of a log lie decades off its date",
            where=where,
            expected=f"times near {ds}; at most {max_share:.1%} others (ratings.max_reject_share)",
            found=found,
            hint=hint,
        )
    logger.warning("%s (where: %s; expected: times near %s; hint: %s)", found, where, ds, hint or "check --ds")


def misread_unit(steps: int) -> str:
    """The misread unit in words; empty for none.

    Args:
        steps: how many units too large the read one is.
    """
    pairs = [(_UNITS[n], _UNITS[n + steps]) for n in range(len(_UNITS)) if 0 <= n + steps < len(_UNITS)]
    return " or ".join(f"{true} read as {read}" for true, read in pairs) if steps else ""


def _is_near(seconds: Column, ds: date) -> Column:
    return f.abs(seconds - _seconds(ds)) < _NEAR_YEARS * _YEAR


def _seconds(ds: date) -> float:
    return datetime(ds.year, ds.month, ds.day, tzinfo=UTC).timestamp()


def _shown(seconds: float) -> str:
    """The day, or the year where Python has no such date."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return f"the year {1970 + round(seconds / _YEAR):,}"
