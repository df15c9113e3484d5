"""Popularity: what users get of whom nothing is known."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.storage import columns as c


class PopularItems(NamedTuple):
    """The list that all unknown users share: `idx` int32 (n,) and `scores` float32 (n,), the best first."""

    idx: np.ndarray
    scores: np.ndarray


def popularity(ratings: DataFrame, *, implicit: bool, since: datetime | None = None) -> DataFrame:
    """Sum of weights per item: `item_idx`, `score`. In implicit mode a weight counts by its preference.

    Args:
        ratings: training ratings in `schemas.RATINGS_SPLIT`'s columns.
        implicit: ratings are preferences 0..1, so that a skipped track does not count as heard.
        since: only ratings from then on (session time zone); ratings without a time do not count then.
    """
    counted = ratings if since is None else ratings.where(f.col(c.RATED_AT) >= f.lit(str(since)).cast("timestamp"))
    weight = f.col(c.WEIGHT) * f.col(c.RATING) if implicit else f.col(c.WEIGHT)
    summed = counted.groupBy(c.ITEM_IDX).agg(f.sum(weight.cast("double")).alias("total"))
    return summed.where("total > 0").select(c.ITEM_IDX, f.col("total").cast("float").alias(c.SCORE))


def popular_items(scores: DataFrame, candidates: DataFrame, n: int, per_group: int = 0) -> DataFrame:
    """The n most popular candidates, at most `per_group` of one group: `item_idx`, `score`, the best first.

    Greedy by score with a cap accepts the best `per_group` of every group (see `kernel.merge_lists`).
    """
    best_first = (f.col(c.SCORE).desc(), f.col(c.ITEM_IDX).asc())
    ranked = scores.join(candidates, c.ITEM_IDX, "inner")
    if per_group > 0:
        position = f.row_number().over(Window.partitionBy("group_idx").orderBy(*best_first))
        ranked = ranked.withColumn("place", position).where(f.col("place") <= per_group)
    return ranked.select(c.ITEM_IDX, c.SCORE).orderBy(*best_first).limit(n)


def collect_popular(popular: DataFrame) -> PopularItems:
    """One list, on the driver. An action on n rows."""
    rows = popular.collect()
    idx = np.array([row[c.ITEM_IDX] for row in rows], np.int32)
    return PopularItems(idx, np.array([row[c.SCORE] for row in rows], np.float32))
