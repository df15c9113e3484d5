"""The feed tables as DataFrames: what the encoders see of each entity, the factors they are fitted to, the layout."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec import columns as c
from bgmrec.arrays import FLOAT, INT

_ROWS_PER_BATCH = 1024  # binary cells of one Arrow batch share 32-bit offsets


def centred_ratings(ratings: DataFrame, *, mean: float, damping: float = 10.0) -> DataFrame:
    """Ratings less the mean and less the item's own, damped mean: what a user's taste leaves to explain.

    value = rating - mean - Σ_item (rating - mean) / (n_item + damping)

    Args:
        ratings: training ratings (user_idx, item_idx, rating).
        mean: of the training ratings.
        damping: in ratings; draws items with few ratings to the mean.

    Returns:
        (user_idx, item_idx, rating)
    """
    deviation = f.col(c.RATING) - f.lit(mean)
    of_item = f.sum(deviation) / (f.count(deviation) + f.lit(damping))
    offsets = ratings.groupBy(c.ITEM_IDX).agg(of_item.alias("offset"))
    value = (deviation - f.col("offset")).cast("float").alias(c.RATING)
    return ratings.join(offsets, on=c.ITEM_IDX, how="left").select(c.USER_IDX, c.ITEM_IDX, value)


def user_inputs(features: DataFrame, ratings: DataFrame, *, weight_exponent: float) -> DataFrame:
    """What the user encoder sees: side information and the user's training ratings, one row per user.

    Args:
        features: (idx, features), one row per user.
        ratings: training ratings and nothing else (user_idx, item_idx, rating), centred where they are explicit.
        weight_exponent: p in weight = n^p for n ratings; users without ratings weigh nothing.

    Returns:
        (idx, features, rated_idx, rated_values, weight)
    """
    # sorted by item: sums do not depend on the order that a shuffle delivers
    pairs = f.sort_array(f.collect_list(f.struct(c.ITEM_IDX, c.RATING)))
    rated = ratings.groupBy(f.col(c.USER_IDX).alias(c.IDX)).agg(pairs.alias("pairs"), _weight(weight_exponent))
    joined = features.join(rated, on=c.IDX, how="left").select(
        c.IDX,
        c.FEATURES,
        f.coalesce(f.col(f"pairs.{c.ITEM_IDX}"), f.array().cast("array<int>")).alias(c.RATED_IDX),
        f.coalesce(f.col(f"pairs.{c.RATING}"), f.array().cast("array<float>")).alias(c.RATED_VALUES),
        f.coalesce(c.WEIGHT, f.lit(0.0)).cast("float").alias(c.WEIGHT),
    )
    packed = [t.StructField(n, t.BinaryType()) if n in _LISTS else joined.schema[n] for n in joined.columns]
    return joined.mapInArrow(_pack_lists, t.StructType(packed))


def item_inputs(features: DataFrame, tokens: DataFrame, ratings: DataFrame, *, weight_exponent: float) -> DataFrame:
    """What the item encoder sees: features and the document's tokens, one row per item.

    Args:
        features: (idx, features), one row per item.
        tokens: (idx, tokens); an item that is missing here has no document.
        ratings: training ratings (user_idx, item_idx, rating), for the weights alone.
        weight_exponent: p in weight = n^p for n ratings; items without ratings weigh nothing.

    Returns:
        (idx, features, tokens, weight)
    """
    weights = ratings.groupBy(f.col(c.ITEM_IDX).alias(c.IDX)).agg(_weight(weight_exponent))
    documents = features.join(tokens, on=c.IDX, how="left").join(weights, on=c.IDX, how="left")
    return documents.select(
        c.IDX,
        c.FEATURES,
        f.coalesce(c.TOKENS, f.lit(b"")).alias(c.TOKENS),
        f.coalesce(c.WEIGHT, f.lit(0.0)).cast("float").alias(c.WEIGHT),
    )


def with_targets(inputs: DataFrame, targets: DataFrame) -> DataFrame:
    """An encoder's inputs beside the factors that it is fitted to.

    Args:
        inputs: from `user_inputs` or `item_inputs`.
        targets: (idx, target), a factor row per entity.

    Returns:
        the inputs with `target`; running it fails where an entity has no factors
    """
    missing = f.raise_error(f.concat(f.lit("the factor table has no row for idx "), f.col(c.IDX).cast("string")))
    joined = inputs.join(targets.select(c.IDX, c.TARGET), on=c.IDX, how="left")
    return joined.withColumn(c.TARGET, f.coalesce(f.col(c.TARGET), missing.cast("binary")))


def lay_out(feed: DataFrame, *, n_rows: int, processes: int, row_group_rows: int) -> DataFrame:
    """The feed in as many files as petastorm needs to share it out: it deals row groups, not rows, to processes.

    Files are by a hash of idx and sorted, so that they do not depend on how the input was partitioned.

    Args:
        feed: from `with_targets`.
        n_rows: rows of the feed.
        processes: that will read it; each gets about four files, or one in the driver.
        row_group_rows: about so many rows go into a file, which is one row group.
    """
    files = max(math.ceil(n_rows / row_group_rows), 4 * processes, 1)
    return feed.repartition(files, c.IDX).sortWithinPartitions(c.IDX)


_LISTS = {c.RATED_IDX: INT, c.RATED_VALUES: FLOAT}


def _weight(exponent: float) -> f.Column:
    return f.pow(f.count(f.lit(1)), f.lit(exponent)).alias(c.WEIGHT)


def _pack_lists(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for begin in range(0, batch.num_rows, _ROWS_PER_BATCH):
            part = batch.slice(begin, _ROWS_PER_BATCH)
            columns = {name: part.column(name) for name in part.schema.names}
            packed = {name: _cells(columns[name], kind) for name, kind in _LISTS.items()}
            yield pa.RecordBatch.from_pydict({**columns, **packed})


def _cells(lists: pa.ListArray, kind: np.dtype) -> pa.BinaryArray:
    """Lists of numbers as binary cells: the same buffers under another type."""
    offsets = lists.offsets.to_numpy()
    begins = ((offsets - offsets[0]) * kind.itemsize).astype(np.int32)
    values = np.ascontiguousarray(lists.flatten().to_numpy(zero_copy_only=False), dtype=kind)
    return pa.BinaryArray.from_buffers(pa.binary(), len(lists), [None, pa.py_buffer(begins), pa.py_buffer(values)])
