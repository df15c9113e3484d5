"""The crawl frontier: which ids of the rating log are worth a crawl, the most wanted first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.storage import columns as c

USES = "uses"
FIRST_SEEN = "first_seen"
_DAY = 86_400.0


def lacking(ratings: DataFrame, entities: DataFrame, id_column: str, fields: Sequence[str]) -> DataFrame:
    """Ids of the log without side information, with their uses and the time they were first seen.

    Args:
        ratings: the staged ratings.
        entities: the staged users or items.
        id_column: `user_id` or `item_id`.
        fields: of the entities; where one of them is missing, the row says too little.
    """
    whole = [f.col(name).isNotNull() for name in fields]
    known = entities.where(_all(whole)).select(id_column)
    wanted = ratings.groupBy(id_column).agg(f.count(f.lit(1)).alias(USES), f.min(c.RATED_AT).alias(FIRST_SEEN))
    return wanted.join(known, id_column, "left_anti")


def _all(conditions: Sequence[Column]) -> Column:
    whole = f.lit(True)
    for condition in conditions:
        whole = whole & condition
    return whole


def most_wanted(ids: DataFrame, id_column: str, ds: date, limit: int) -> DataFrame:
    """Rows (id, uses, first_seen), the oldest and most used first: by uses times the days since the first one.

    An id that came today counts as one day old, and so does one whose log has no times.

    Args:
        ids: of `lacking`.
        id_column: `user_id` or `item_id`.
        ds: the logical date.
        limit: the most rows.
    """
    end = f.lit(str(ds)).cast("timestamp") + f.expr("interval 1 day")
    days = (end.cast("double") - f.col(FIRST_SEEN).cast("double")) / f.lit(_DAY)
    weight = f.col(USES) * f.greatest(f.coalesce(days, f.lit(1.0)), f.lit(1.0))
    ranked = ids.withColumn("weight", weight).orderBy(f.desc("weight"), id_column).limit(limit)
    return ranked.select(f.col(id_column).alias("id"), USES, FIRST_SEEN)
