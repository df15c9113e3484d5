"""Permuted side information: a control, because a model's gain from it is no gain of the information."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

_POSITION = "_position"


def permuted(entities: DataFrame, id_column: str, seed: int) -> DataFrame:
    """Gives every entity the fields of a random one; each set of fields is used once.

    Both orders are numbered in one partition, which is enough for the sizes of a study.

    Args:
        entities: `users` or `items`, one row per entity.
        id_column: `user_id` or `item_id`.
        seed: of the permutation, which does not depend on the partitioning.
    """
    random_order = f.xxhash64(f.lit(seed), f.col(id_column))
    ids = _numbered(entities.select(id_column), f.col(id_column))
    fields = _numbered(entities, random_order, f.col(id_column)).drop(id_column)
    return ids.join(fields, _POSITION, "inner").drop(_POSITION)


def _numbered(rows: DataFrame, *order: Column) -> DataFrame:
    return rows.withColumn(_POSITION, f.row_number().over(Window.orderBy(*order)))
