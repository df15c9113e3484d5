"""Slices: warm and cold users, warm and cold items, items by popularity in training."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from bgmrec import columns as c

ALL = "all"
POPULARITY = "_popularity"


def with_slices(pairs: DataFrame, train: DataFrame, popularity_slices: int) -> DataFrame:
    """Each (user, item) row once per slice that it belongs to, with columns `slice` and `value`.

    Slices are all, user (warm, cold), item (warm, cold), and item_popularity (1 of n: the least rated warm items,
    n of n: the most rated). Cold means no training rating.

    Args:
        pairs: has `user_idx` and `item_idx`.
        train: `user_idx` and `item_idx` of the training ratings.
        popularity_slices: how many slices of about equally many warm items.
    """
    users = train.select(c.USER_IDX).distinct().withColumn("_warm_user", f.lit(True))
    items = item_popularity(train, popularity_slices)
    known = pairs.join(users, c.USER_IDX, "left").join(items, c.ITEM_IDX, "left")
    popularity = f.when(f.col(POPULARITY).isNotNull(), _slice("item_popularity", f.col(POPULARITY)))
    slices = f.array(
        _slice(ALL, f.lit(ALL)),
        _slice("user", _warmth(f.col("_warm_user").isNotNull())),
        _slice("item", _warmth(f.col(POPULARITY).isNotNull())),
        popularity,
    )
    exploded = known.withColumn("_slice", f.explode(f.filter(slices, lambda part: part.isNotNull())))
    return exploded.select(*pairs.columns, "_slice.slice", "_slice.value")


def item_popularity(train: DataFrame, slices: int) -> DataFrame:
    """`item_idx`, `POPULARITY`: its slice by the share of warm items with fewer ratings; equal counts stay together."""
    counts = train.groupBy(c.ITEM_IDX).agg(f.count(f.lit(1)).alias("ratings"))
    before = Window.orderBy("ratings").rowsBetween(Window.unboundedPreceding, -1)
    everything = Window.partitionBy()
    share = f.coalesce(f.sum("items").over(before), f.lit(0)) / f.sum("items").over(everything)
    # the windows run over the distinct counts only, a few thousand rows
    levels = counts.groupBy("ratings").agg(f.count(f.lit(1)).alias("items")).withColumn("share", share)
    name = f.concat((f.floor(f.col("share") * slices) + 1).cast("string"), f.lit(f" of {slices}"))
    return counts.join(levels, "ratings", "inner").select(c.ITEM_IDX, name.alias(POPULARITY))


def _slice(name: str, value: Column) -> Column:
    return f.struct(f.lit(name).alias("slice"), value.alias("value"))


def _warmth(is_warm: Column) -> Column:
    return f.when(is_warm, f.lit(c.WARM)).otherwise(f.lit(c.COLD))
