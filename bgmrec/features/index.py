"""External ids → dense indices that stay the same from run to run."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f

# new ids are numbered bucket by bucket, so that no partition sorts all ids
_BUCKETS = 1024


def extend_index(ids: DataFrame, previous: DataFrame | None, id_column: str, idx_column: str) -> DataFrame:
    """Keeps the index of every previous id and appends the new ones: `(id, idx)`, idx = 0 … n-1.

    New ids are numbered in the order of (hash bucket of the id, id), which depends on the ids alone and not on
    their partitions. An id that no longer occurs keeps its number: factors and tables of other runs refer to it.

    Args:
        ids: has `id_column`; ids may repeat.
        previous: the index of an earlier run, dense from 0; None: there is none.
        id_column: column of the external id.
        idx_column: column of the dense index.
    """
    new = ids.select(id_column).where(f.col(id_column).isNotNull()).distinct()
    if previous is None:
        return _numbered(new, id_column).select(id_column, f.col("_number").cast("int").alias(idx_column))
    new = new.join(previous.select(id_column), on=id_column, how="left_anti")
    start = previous.agg((f.coalesce(f.max(idx_column), f.lit(-1)) + 1).alias("_start"))
    appended = (
        _numbered(new, id_column)
        .crossJoin(f.broadcast(start))  # one row
        .select(id_column, (f.col("_start") + f.col("_number")).cast("int").alias(idx_column))
    )
    return previous.select(id_column, idx_column).unionByName(appended)


def all_ids(tables: list[DataFrame], id_column: str) -> DataFrame:
    """The distinct ids of several tables.

    Args:
        tables: each with `id_column`.
        id_column: column of the external id.
    """
    return reduce(DataFrame.union, [table.select(id_column) for table in tables]).distinct()


def _numbered(ids: DataFrame, id_column: str) -> DataFrame:
    """Adds `_number` from 0 to distinct ids."""
    bucketed = ids.withColumn("_bucket", f.pmod(f.xxhash64(id_column), f.lit(_BUCKETS)))
    before = Window.orderBy("_bucket").rowsBetween(Window.unboundedPreceding, -1)  # over at most _BUCKETS rows
    offsets = (
        bucketed.groupBy("_bucket")
        .agg(f.count(f.lit(1)).alias("_size"))
        .select("_bucket", f.coalesce(f.sum("_size").over(before), f.lit(0)).alias("_offset"))
    )
    within = Window.partitionBy("_bucket").orderBy(id_column)
    return (
        bucketed.withColumn("_rank", f.row_number().over(within))
        .join(f.broadcast(offsets), on="_bucket", how="inner")
        .withColumn("_number", f.col("_offset") + f.col("_rank") - 1)
    )
