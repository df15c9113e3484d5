"""Times that lie decades off the logical date, or mostly after it, and the misread unit that explains them.

Nobody guesses a unit: a night whose times are those of another unit ends above `max_reject_share`, and says which unit
the expression of `rated_at` should name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as f

from bgmrec.errors import InputError
from bgmrec.ingest.accounting import AFTER_WINDOW, KEPT, REJECTED, STATE
from bgmrec.runtime.logs import logger
from bgmrec.storage import columns as c

_FAR_YEARS = 20  # further from the logical date, a time is probably misread
_NEAR_YEARS = 15  # a unit explains far times if it brings them this close to the logical date
_YEAR = 365.25 * 86_400
_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds")


def time_ranges(mapped: DataFrame, ds: date) -> list[Row]:
    """Per source: rows, rows after the logical date, rows far from it, and the median time of these, by an action.

    Args:
        mapped: every row.
        ds: the logical date.
    """
    seconds = f.unix_micros(c.RATED_AT) / 1e6
    far = f.abs(seconds - _seconds(ds)) > _FAR_YEARS * _YEAR
    return (
        mapped.where(f.col(STATE).isin(KEPT, REJECTED, AFTER_WINDOW))
        .groupBy(c.SOURCE)
        .agg(
            f.count(f.lit(1)).alias("rows"),
            f.count(f.when(f.col(STATE) == AFTER_WINDOW, 1)).alias("after"),
            f.count(f.when(far, 1)).alias("far"),
            f.percentile_approx(f.when(far, seconds), 0.5).alias("median"),
        )
        .orderBy(c.SOURCE)
        .collect()
    )


def check_times(ranges: Sequence[Row], max_share: float, ds: date) -> None:
    """Warns of times far from the logical date or after it; ends the run where another unit explains too many.

    Args:
        ranges: from `time_ranges`.
        max_share: the largest allowed share of times that another unit explains, `ratings.max_reject_share`.
        ds: the logical date.

    Raises:
        InputError: the share is exceeded.
    """
    for row in ranges:
        where = f"ratings.sources.{row[c.SOURCE]}.rated_at"
        if row["far"]:
            _check_far(row, max_share, ds, where)
        elif row["after"] > row["rows"] / 2:
            logger.warning(
                "%s of %s rows are dated after the logical date %s and are left to later runs (where: %s; hint: "
                "compare --ds with the dates of the log)",
                *(f"{row['after']:,}", f"{row['rows']:,}", ds, where),
            )


def _check_far(row: Row, max_share: float, ds: date, where: str) -> None:
    share = row["far"] / row["rows"]
    side = "before" if row["median"] < _seconds(ds) else "after"
    found = f"{row['far']:,} of {row['rows']:,} times lie decades {side} the date, around {_shown(row['median'])}"
    cause = misread_unit(row["median"], ds)
    hint = cause and f"{cause}: name the unit of the log, for example timestamp_seconds(…) or timestamp_millis(…)"
    if cause and share > max_share:
        raise InputError(
            "the times of a log lie decades off its date",
            where=where,
            expected=f"times near {ds}; at most {max_share:.1%} others (ratings.max_reject_share)",
            found=found,
            hint=hint,
        )
    logger.warning("%s (where: %s; expected: times near %s; hint: %s)", found, where, ds, hint or "check --ds")


def misread_unit(seconds: float, ds: date) -> str:
    """The misread unit that explains a time; empty where none does.

    Args:
        seconds: the time as it was read, since 1970.
        ds: the logical date, which the time should be near.
    """
    for steps in (1, 2, 3, -1, -2, -3):
        if abs(seconds * 1000.0**steps - _seconds(ds)) < _NEAR_YEARS * _YEAR:
            pairs = [(_UNITS[n], _UNITS[n + steps]) for n in range(len(_UNITS)) if 0 <= n + steps < len(_UNITS)]
            return " or ".join(f"{true} read as {read}" for true, read in pairs)
    return ""


def _seconds(ds: date) -> float:
    return datetime(ds.year, ds.month, ds.day, tzinfo=UTC).timestamp()


def _shown(seconds: float) -> str:
    """The day, or the year where Python has no such date."""
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return f"the year {1970 + round(seconds / _YEAR):,}"
