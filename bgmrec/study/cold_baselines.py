"""Baselines for cold items and cold users: means for ratings, content for lists. Pure functions of DataFrames."""

from __future__ import annotations

import numpy as np
from pyspark.ml.linalg import SparseVector, VectorUDT
from pyspark.ml.regression import LinearRegression
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import Baseline, TableSizes, make_baseline
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT

LIKED, POPULARITY, SIMILARITY = "liked", "popularity", "similarity"
_RIDGE = 0.01  # added to a mean squared error; on MovieLens 1M it weighs as much as 33 films
_NEAREST = "_nearest"


def mean_baseline(train: DataFrame, sizes: TableSizes) -> Baseline:
    """Predicts the user's mean for cold items and the item's mean for cold users.

    The score is u · v with u = [user's mean, user is cold] and v = [item is cold, item's mean].

    Args:
        train: user_idx, item_idx, rating.
        sizes: of the tables.
    """
    users = _means(train, c.USER_IDX, sizes.users).select(c.IDX, _floats([f.col("mean"), f.col("is_cold")]))
    items = _means(train, c.ITEM_IDX, sizes.items).select(c.IDX, _floats([f.col("is_cold"), f.col("mean")]))
    return make_baseline("mean", users, items, sizes, ModelShape(rank=2))


def predicted_popularity(features: DataFrame, train: DataFrame, columns: np.ndarray) -> DataFrame:
    """(item_idx, popularity) of all items: exp of a ridge regression of log(1 + likes). Runs a Spark action.

    Args:
        features: `schemas.ENTITY_FEATURES` of the items.
        train: item_idx, liked (0 or 1); the regression is fitted on its items.
        columns: positions in the feature vectors that the regression reads; empty: all items get the same popularity.
    """
    width = len(columns)
    if not width:
        return features.select(f.col(c.IDX).alias(c.ITEM_IDX), f.lit(1.0).alias(POPULARITY))

    def chosen(cell: bytes) -> SparseVector:
        row = np.frombuffer(cell, FLOAT)[columns]
        return SparseVector(width, np.flatnonzero(row), row[row != 0])

    items = features.select(f.col(c.IDX).alias(c.ITEM_IDX), f.udf(chosen, VectorUDT())(c.FEATURES).alias("side"))
    likes = train.groupBy(c.ITEM_IDX).agg(f.log1p(f.sum(LIKED)).alias("label"))
    regression = LinearRegression(featuresCol="side", regParam=_RIDGE, standardization=False, solver="l-bfgs")
    fitted = regression.fit(items.join(likes, on=c.ITEM_IDX, how="inner"))
    return fitted.transform(items).select(c.ITEM_IDX, f.exp("prediction").alias(POPULARITY))


def neighbours(vectors: DataFrame, cold: DataFrame, warm: DataFrame, k: int) -> DataFrame:
    """(item_idx, neighbour_idx, similarity): the k warm items nearest to each cold item by cosine.

    Args:
        vectors: item_idx, word, rating: vectors of length 1 (`features.text_pairs`).
        cold: item_idx.
        warm: item_idx.
        k: largest number of neighbours.
    """
    cold_vectors, warm_vectors = (
        vectors.join(side.select(c.ITEM_IDX), on=c.ITEM_IDX, how="left_semi") for side in (cold, warm)
    )
    warm_weights = warm_vectors.select(
        f.col(c.ITEM_IDX).alias("neighbour_idx"), "word", f.col(c.RATING).alias("warm_weight")
    )
    cosine = (
        cold_vectors.join(warm_weights, on="word", how="inner")
        .groupBy(c.ITEM_IDX, "neighbour_idx")
        .agg(f.sum(f.col(c.RATING) * f.col("warm_weight")).alias(SIMILARITY))
    )
    nearest = Window.partitionBy(c.ITEM_IDX).orderBy(f.desc(SIMILARITY), "neighbour_idx")
    return cosine.withColumn(_NEAREST, f.row_number().over(nearest)).where(f.col(_NEAREST) <= k).drop(_NEAREST)


def neighbour_scores(near: DataFrame, train: DataFrame, users: DataFrame) -> DataFrame:
    """(user_idx, item_idx, score): Σ similarity over the item's neighbours that the user liked.

    Args:
        near: from `neighbours`.
        train: user_idx, item_idx, liked (0 or 1).
        users: user_idx of the users that get a list.
    """
    liked = train.where(f.col(LIKED) > 0).join(users, on=c.USER_IDX, how="left_semi")
    liked_items = liked.select(c.USER_IDX, f.col(c.ITEM_IDX).alias("neighbour_idx"))
    scored = liked_items.join(near, on="neighbour_idx", how="inner").groupBy(c.USER_IDX, c.ITEM_IDX)
    return scored.agg(f.sum(SIMILARITY).alias(c.SCORE))


def popular_lists(popularity: DataFrame, users: DataFrame, n: int) -> DataFrame:
    """(user_idx, position, item_idx): the n most popular items, the same list for every user.

    Args:
        popularity: item_idx, popularity of the candidates.
        users: user_idx of the users that get a list.
        n: length of a list.
    """
    best = popularity.orderBy(f.desc(POPULARITY), c.ITEM_IDX).limit(n)
    ranked = best.withColumn(c.POSITION, f.row_number().over(Window.orderBy(f.desc(POPULARITY), c.ITEM_IDX)))
    return users.select(c.USER_IDX).crossJoin(f.broadcast(ranked)).select(c.USER_IDX, c.POSITION, c.ITEM_IDX)


def scored_lists(scores: DataFrame, fallback: DataFrame, n: int) -> DataFrame:
    """(user_idx, position, item_idx): the n best scored items; a user without scores gets the fallback list.

    Args:
        scores: user_idx, item_idx, score.
        fallback: user_idx, position, item_idx of all users.
        n: length of a list.
    """
    best = Window.partitionBy(c.USER_IDX).orderBy(f.desc(c.SCORE), c.ITEM_IDX)
    ranked = scores.withColumn(c.POSITION, f.row_number().over(best)).where(f.col(c.POSITION) <= n)
    lists = ranked.select(c.USER_IDX, c.POSITION, c.ITEM_IDX)
    return lists.unionByName(fallback.join(lists, on=c.USER_IDX, how="left_anti"))


def _means(train: DataFrame, side: str, n: int) -> DataFrame:
    """`idx`, `mean` (0 for cold entities) and `is_cold` (0 or 1) of all entities of a side."""
    means = train.groupBy(f.col(side).alias(c.IDX)).agg(f.avg(c.RATING).alias("mean"))
    entities = train.sparkSession.range(n).select(f.col("id").cast("int").alias(c.IDX))
    with_means = entities.join(means, on=c.IDX, how="left")
    is_cold = f.col("mean").isNull().cast("float")
    return with_means.select(c.IDX, f.coalesce("mean", f.lit(0.0)).alias("mean"), is_cold.alias("is_cold"))


def _floats(coordinates: list[Column]) -> Column:
    return f.array(*(coordinate.cast("float") for coordinate in coordinates)).alias(c.FEATURES)
