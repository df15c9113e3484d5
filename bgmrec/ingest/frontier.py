"""The crawl frontier: ids of the rating log that lack side information, by priority."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce
from operator import and_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.storage import columns as c

USES = "uses"
FIRST_SEEN = "first_seen"
_DAY = 86_400.0


def ids_without_side_info(ratings: DataFrame, entities: DataFrame, id_column: str, fields: Sequence[str]) -> DataFrame:
    """Ids of the log without side information, with the number of their ratings and the time of the first.

    Args:
        ratings: the staged ratings.
        entities: the staged users or items.
        id_column: `user_id` or `item_id`.
        fields: of the entities; an entity that lacks one of them counts as without side information.

    Returns:
        (id_column, uses, first_seen)
    """
    complete = entities.where(_all([f.col(name).isNotNull() for name in fields])).select(id_column)
    used = ratings.groupBy(id_column).agg(f.count(f.lit(1)).alias(USES), f.min(c.RATED_AT).alias(FIRST_SEEN))
    return used.join(complete, id_column, "left_anti")


def _all(conditions: Sequence[Column]) -> Column:
    return reduce(and_, conditions, f.lit(True))


def by_priority(ids: DataFrame, id_column: str, ds: date, limit: int) -> DataFrame:
    """Rows (id, uses, first_seen) by falling uses × days since the first use.

    An id that is new today counts as one day old, and so does one without times.

    Args:
        ids: from `ids_without_side_info`.
        id_column: `user_id` or `item_id`.
        ds: the logical date.
        limit: largest number of rows.
    """
    end = f.lit(str(ds)).cast("timestamp") + f.expr("interval 1 day")
    days = (end.cast("double") - f.col(FIRST_SEEN).cast("double")) / f.lit(_DAY)
    weight = f.col(USES) * f.greatest(f.coalesce(days, f.lit(1.0)), f.lit(1.0))
    ranked = ids.withColumn("weight", weight).orderBy(f.desc("weight"), id_column).limit(limit)
    return ranked.select(f.col(id_column).alias("id"), USES, FIRST_SEEN)
