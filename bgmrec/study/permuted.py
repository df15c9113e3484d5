"""Side information that says nothing of its entity: what an encoder gains from it is no gain of the information."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

_POSITION = "_place"


def permuted(entities: DataFrame, id_column: str, seed: int) -> DataFrame:
    """Every entity with the fields of one drawn by chance, each set of fields given once.

    Both orders are numbered in one partition: for studies, whose entities are few.

    Args:
        entities: `users` or `items`, one row per entity.
        id_column: `user_id` or `item_id`.
        seed: of the permutation, which does not depend on the partitioning.
    """
    by_chance = f.xxhash64(f.lit(seed), f.col(id_column))
    ids = _numbered(entities.select(id_column), f.col(id_column))
    fields = _numbered(entities, by_chance, f.col(id_column)).drop(id_column)
    return ids.join(fields, _POSITION, "inner").drop(_POSITION)


def _numbered(rows: DataFrame, *order: Column) -> DataFrame:
    return rows.withColumn(_POSITION, f.row_number().over(Window.orderBy(*order)))
