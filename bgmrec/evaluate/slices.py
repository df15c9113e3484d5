"""Slices: warm and cold users, warm and cold items, items by popularity and users by activity in training."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.storage import columns as c

ALL, USER, ITEM = "all", "user", "item"
ITEM_POPULARITY, USER_ACTIVITY = "item_popularity", "user_activity"
LEVEL = "_level"
BY_RATINGS = (ITEM_POPULARITY, USER_ACTIVITY)


def with_slices(pairs: DataFrame, train: DataFrame, slices: int) -> DataFrame:
    """Each (user, item) row once per slice that it belongs to, with columns `slice` and `value`.

    Slices are all, user (warm, cold), item (warm, cold), item_popularity (1 of n: the least rated warm items, n of n:
    the most rated) and user_activity likewise. Cold: without a training rating.

    Args:
        pairs: rows with `user_idx` and `item_idx`.
        train: `user_idx` and `item_idx` of the training ratings.
        slices: number of levels of about equally many warm items, and of warm users.
    """
    of_ratings = [f.when(f.col(name).isNotNull(), _slice(name, f.col(name))) for name in BY_RATINGS]
    slices_of = f.array(
        _slice(ALL, f.lit(ALL)),
        _slice(USER, _warmth(f.col(USER_ACTIVITY).isNotNull())),
        _slice(ITEM, _warmth(f.col(ITEM_POPULARITY).isNotNull())),
        *of_ratings,
    )
    of_row = f.explode(f.filter(slices_of, lambda part: part.isNotNull()))
    exploded = with_levels(pairs, train, slices).withColumn("_slice", of_row)
    return exploded.select(*pairs.columns, "_slice.slice", "_slice.value")


def with_levels(pairs: DataFrame, train: DataFrame, slices: int) -> DataFrame:
    """Each (user, item) row with the levels of both, `USER_ACTIVITY` and `ITEM_POPULARITY`; null: cold.

    Args:
        pairs: rows with `user_idx` and `item_idx`.
        train: `user_idx` and `item_idx` of the training ratings.
        slices: number of levels of about equally many warm items, and of warm users.
    """
    items, users = by_ratings(train, c.ITEM_IDX, slices), by_ratings(train, c.USER_IDX, slices)
    return pairs.join(users.withColumnRenamed(LEVEL, USER_ACTIVITY), c.USER_IDX, "left").join(
        items.withColumnRenamed(LEVEL, ITEM_POPULARITY), c.ITEM_IDX, "left"
    )


def by_ratings(train: DataFrame, side: str, slices: int) -> DataFrame:
    """`side` and `LEVEL`, for example "2 of 5", by the share of warm entities with fewer ratings.

    Entities with equally many ratings are in the same level.

    Args:
        train: the training ratings.
        side: `user_idx` or `item_idx`.
        slices: number of levels.
    """
    # the join below filters nulls; filtered here, both readers of the counts have one plan, and Spark counts once
    counts = train.where(f.col(side).isNotNull()).groupBy(side).agg(f.count(f.lit(1)).alias("ratings"))
    before = Window.orderBy("ratings").rowsBetween(Window.unboundedPreceding, -1)
    everything = Window.partitionBy()
    share = f.coalesce(f.sum("entities").over(before), f.lit(0)) / f.sum("entities").over(everything)
    # the windows run over the distinct counts only, a few thousand rows
    levels = counts.groupBy("ratings").agg(f.count(f.lit(1)).alias("entities")).withColumn("share", share)
    name = f.concat((f.floor(f.col("share") * slices) + 1).cast("string"), f.lit(f" of {slices}"))
    return counts.join(levels, "ratings", "inner").select(side, name.alias(LEVEL))


def level_order(value: str) -> int:
    """The number that sorts values of slices: 2 for "2 of 10", 0 for any other value."""
    number, of, _ = value.partition(" of ")
    return int(number) if of else 0


def _slice(name: str, value: Column) -> Column:
    return f.struct(f.lit(name).alias("slice"), value.alias("value"))


def _warmth(is_warm: Column) -> Column:
    return f.when(is_warm, f.lit(c.WARM)).otherwise(f.lit(c.COLD))
