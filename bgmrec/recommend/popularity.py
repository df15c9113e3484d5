"""Popularity: the list of users without ratings and without side information."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.storage import columns as c


class PopularItems(NamedTuple):
    """The popularity list, the most popular item first.

    Args:
        idx: int32 (n,), item_idx.
        scores: float32 (n,), popularity.
    """

    idx: np.ndarray
    scores: np.ndarray


def popularity(ratings: DataFrame, *, implicit: bool, since: datetime | None = None) -> DataFrame:
    """Popularity per item: `item_idx`, `score`, the sum of weights, in implicit mode of weight · rating.

    Args:
        ratings: item_idx, rating, weight, rated_at.
        implicit: ratings are preferences from 0 to 1, so that a skipped track adds little.
        since: count only ratings from this time on (session time zone), and none without a time; None: count all.
    """
    counted = ratings if since is None else ratings.where(f.col(c.RATED_AT) >= f.lit(str(since)).cast("timestamp"))
    weight = f.col(c.WEIGHT) * f.col(c.RATING) if implicit else f.col(c.WEIGHT)
    summed = counted.groupBy(c.ITEM_IDX).agg(f.sum(weight.cast("double")).alias("total"))
    return summed.where("total > 0").select(c.ITEM_IDX, f.col("total").cast("float").alias(c.SCORE))


def popular_items(scores: DataFrame, candidates: DataFrame, n: int, per_group: int = 0) -> DataFrame:
    """The n most popular candidates: `item_idx`, `score`, the most popular first.

    With a limit per group the greedy rule keeps the best `per_group` items of every group (see `kernel.merge_lists`).

    Args:
        scores: of `popularity`.
        candidates: item_idx, group_idx.
        n: length of the list.
        per_group: most items of one group; 0: no limit.
    """
    best_first = (f.col(c.SCORE).desc(), f.col(c.ITEM_IDX).asc())
    ranked = scores.join(candidates, c.ITEM_IDX, "inner")
    if per_group > 0:
        position = f.row_number().over(Window.partitionBy("group_idx").orderBy(*best_first))
        ranked = ranked.withColumn("_position", position).where(f.col("_position") <= per_group)
    return ranked.select(c.ITEM_IDX, c.SCORE).orderBy(*best_first).limit(n)


def collect_popular(popular: DataFrame) -> PopularItems:
    """The popularity list on the driver. An action on n rows.

    Args:
        popular: of `popular_items`.
    """
    rows = popular.collect()
    idx = np.array([row[c.ITEM_IDX] for row in rows], np.int32)
    return PopularItems(idx, np.array([row[c.SCORE] for row in rows], np.float32))
