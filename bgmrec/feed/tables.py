"""The feed tables as DataFrames: inputs of the encoders, the factors that they are fitted to, and the file layout."""

from __future__ import annotations

import math

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.storage import columns as c

ROW_GROUP_ROWS = 4096  # row groups are what is shuffled and decoded at once: some thousand rows are some megabytes


def centred_ratings(ratings: DataFrame, *, mean: float, damping: float = 10.0) -> DataFrame:
    """Ratings minus the mean and the damped mean of the item.

    value = rating - mean - Σ_item (rating - mean) / (n_item + damping)

    Args:
        ratings: training ratings (user_idx, item_idx, rating).
        mean: of the training ratings.
        damping: in ratings; shrinks the mean of items with few ratings.

    Returns:
        (user_idx, item_idx, rating)
    """
    deviation = f.col(c.RATING) - f.lit(mean)
    of_item = f.sum(deviation) / (f.count(deviation) + f.lit(damping))
    offsets = ratings.groupBy(c.ITEM_IDX).agg(of_item.alias("offset"))
    value = (deviation - f.col("offset")).cast("float").alias(c.RATING)
    return ratings.join(offsets, on=c.ITEM_IDX, how="left").select(c.USER_IDX, c.ITEM_IDX, value)


def user_inputs(features: DataFrame, rated: DataFrame, *, weight_exponent: float) -> DataFrame:
    """Inputs of the user encoder: side information and training ratings, one row per user.

    Args:
        features: (idx, features), one row per user.
        rated: (idx, n, rated_idx, rated_values), a row per user from `factorize.blocks.unpack_ratings`: training
            ratings and nothing else, centred where they are explicit.
        weight_exponent: p in weight = n^p for n ratings; users without ratings have weight 0.

    Returns:
        (idx, features, rated_idx, rated_values, weight)
    """
    n = f.coalesce("n", f.lit(0))
    weight = f.when(n > 0, f.pow(n, f.lit(weight_exponent))).otherwise(0.0)
    cells = [f.coalesce(name, f.lit(b"")).alias(name) for name in (c.RATED_IDX, c.RATED_VALUES)]
    # a sort-merge join, which can spill: compressed ratings look small enough for a broadcast or hash join
    joined = features.join(rated.hint("merge"), on=c.IDX, how="left")
    return joined.select(c.IDX, c.FEATURES, *cells, weight.cast("float").alias(c.WEIGHT))


def item_inputs(features: DataFrame, tokens: DataFrame, ratings: DataFrame, *, weight_exponent: float) -> DataFrame:
    """Inputs of the item encoder: features and tokens of the document, one row per item.

    Args:
        features: (idx, features), one row per item.
        tokens: (idx, tokens); an item without a row has no document.
        ratings: training ratings (user_idx, item_idx, rating), for the weights alone.
        weight_exponent: p in weight = n^p for n ratings; items without ratings have weight 0.

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
    """Inputs of an encoder with the factors that it is fitted to.

    Args:
        inputs: from `user_inputs` or `item_inputs`.
        targets: (idx, target), the factors of every entity.

    Returns:
        the inputs with `target`; a job over it fails where an entity has no factors
    """
    missing = f.raise_error(f.concat(f.lit("the factor table has no row for idx "), f.col(c.IDX).cast("string")))
    joined = inputs.join(targets.select(c.IDX, c.TARGET), on=c.IDX, how="left")
    return joined.withColumn(c.TARGET, f.coalesce(f.col(c.TARGET), missing.cast("binary")))


def lay_out(feed: DataFrame, *, n_rows: int, processes: int, row_group_rows: int = ROW_GROUP_ROWS) -> DataFrame:
    """Repartitions the feed into files for petastorm, which assigns row groups, not rows, to processes.

    Files are formed by a hash of idx and sorted, so that they do not depend on the partitions of the input.

    Args:
        feed: from `with_targets`.
        n_rows: rows of the feed.
        processes: number of processes that read it; each gets about four files.
        row_group_rows: approximate rows of a file, which is one row group.
    """
    files = max(math.ceil(n_rows / row_group_rows), 4 * processes, 1)
    return feed.repartition(files, c.IDX).sortWithinPartitions(c.IDX)


def _weight(exponent: float) -> f.Column:
    return f.pow(f.count(f.lit(1)), f.lit(exponent)).alias(c.WEIGHT)
