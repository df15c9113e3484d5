"""The data of a run: ratings by value, day, user and item, coverage of side information, rejected rows."""

from __future__ import annotations

from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.report.facts.item_names import GROUP
from bgmrec.storage import columns as c

VALUES = 25  # up to so many distinct ratings are counted one by one; more are cut into bins
BINS = 20
PER_OCTAVE = 2  # bins between n and 2 n
GROUPS = 12
RATINGS = "ratings"
_N = "_n"
_EXAMPLE = 240


def rating_values(ratings: DataFrame) -> list[dict[str, float]]:
    """How often each rating occurs: `low`, `high` (equal for single values) and `n`. Two actions.

    Args:
        ratings: the staged ratings.
    """
    rating = f.col(c.RATING).cast("double")
    ends = ratings.agg(f.min(rating), f.max(rating), f.approx_count_distinct(c.RATING)).collect()[0]
    low, high, distinct = ends
    if low is None:
        return []
    if distinct <= VALUES or high == low:
        counted = ratings.groupBy(rating.alias("value")).agg(f.count("*").alias("n")).orderBy("value").collect()
        return [{"low": row["value"], "high": row["value"], "n": row["n"]} for row in counted]
    width = (high - low) / BINS
    at = f.least(f.floor((rating - low) / width), f.lit(BINS - 1)).alias("bin")
    counted = ratings.groupBy(at).agg(f.count("*").alias("n")).orderBy("bin").collect()
    return [{"low": low + r["bin"] * width, "high": low + (r["bin"] + 1) * width, "n": r["n"]} for r in counted]


def ratings_by_day(ratings: DataFrame) -> list[dict[str, Any]]:
    """Ratings per day, without those that have no time. An action on a row per day.

    Args:
        ratings: the staged ratings.
    """
    days = ratings.where(f.col(c.RATED_AT).isNotNull()).groupBy(f.to_date(c.RATED_AT).cast("string").alias("day"))
    return [row.asDict() for row in days.agg(f.count("*").alias("n")).orderBy("day").collect()]


def ratings_per(ratings: DataFrame, side: str) -> DataFrame:
    """Every rated user (or item) and its number of `ratings`.

    Args:
        ratings: the staged ratings.
        side: `user_id` or `item_id`.
    """
    return ratings.groupBy(side).agg(f.count("*").alias(RATINGS))


def count_levels(counts: DataFrame) -> list[dict[str, int]]:
    """How many users (or items) have how many ratings, in bins whose ends grow by √2. An action.

    Args:
        counts: of `ratings_per`.

    Returns:
        a row per bin: `level`, its smallest number of `ratings`, and `n`, its users.
    """
    level = f.floor(f.log2("ratings") * PER_OCTAVE).alias("level")
    binned = counts.groupBy(level).agg(f.min("ratings").alias("ratings"), f.count("*").alias("n"))
    return [row.asDict() for row in binned.orderBy("level").collect()]


def field_coverage(entities: DataFrame, id_column: str, counts: DataFrame) -> dict[str, dict[str, float]]:
    """Per field the share of rated entities that have a value, and the share of ratings of such entities. An action.

    Args:
        entities: staged users or items.
        id_column: `user_id` or `item_id`.
        counts: of `ratings_per` of the same side.
    """
    counts = counts.withColumnRenamed(RATINGS, _N)
    fields = [name for name in entities.columns if name != id_column]
    if not fields:
        return {}
    rated = counts.join(entities, on=id_column, how="left")
    sums = [f.sum(f.when(_present(rated, name), weight)) for name in fields for weight in (f.lit(1), f.col(_N))]
    row = rated.agg(f.count("*"), f.sum(_N), *sums).collect()[0]
    entities_n, ratings_n = row[0] or 1, row[1] or 1
    return {
        name: {"entities": (row[2 + 2 * n] or 0) / entities_n, "ratings": (row[3 + 2 * n] or 0) / ratings_n}
        for n, name in enumerate(fields)
    }


def _present(rows: DataFrame, name: str) -> Column:
    column = f.col(f"`{name}`")
    is_list = isinstance(rows.schema[name].dataType, t.ArrayType)
    return column.isNotNull() & (f.size(column) > 0) if is_list else column.isNotNull()


def group_shares(counts: DataFrame, names: DataFrame) -> dict[str, float]:
    """Share of the ratings by group of the item, the largest first. Two actions.

    Args:
        counts: of `ratings_per` of the items.
        names: of `item_names`.
    """
    counted = (
        counts.join(names.select(c.ITEM_ID, GROUP), on=c.ITEM_ID, how="inner")
        .where(f.col(GROUP).isNotNull())
        .groupBy(GROUP)
        .agg(f.sum(RATINGS).alias("n"))
    )
    total = counted.agg(f.sum("n")).collect()[0][0] or 1
    return {row[GROUP]: row["n"] / total for row in counted.orderBy(f.desc("n"), GROUP).limit(GROUPS).collect()}


def reject_examples(rejects: DataFrame) -> list[dict[str, Any]]:
    """Rejected rows by source and reason, each with up to two examples. An action on a row per reason.

    Args:
        rejects: `schemas.REJECTS`.
    """
    grouped = rejects.groupBy(c.SOURCE, c.REASON).agg(
        f.count("*").alias("rows"),
        f.array_distinct(f.array(f.min(c.RECORD), f.max(c.RECORD))).alias("examples"),
    )
    cut = f.transform("examples", lambda record: f.substring(record, 1, _EXAMPLE)).alias("examples")
    rows = grouped.select(c.SOURCE, c.REASON, "rows", cut).orderBy(f.desc("rows"), c.REASON).limit(50).collect()
    return [row.asDict() for row in rows]
