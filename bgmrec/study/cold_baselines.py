"""Baselines for cold items and cold users: known means, and lists by what content says of items."""

from __future__ import annotations

import numpy as np
from pyspark.ml.linalg import SparseVector, VectorUDT
from pyspark.ml.regression import LinearRegression
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import Baseline, Sizes, make_baseline
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT

LIKED, POPULARITY, SIMILARITY = "liked", "popularity", "similarity"
_RIDGE = 0.01  # beside a mean squared error: 33 films' worth on MovieLens 1M
_FIRST = "_first"


def mean_baseline(train: DataFrame, sizes: Sizes) -> Baseline:
    """The user's mean for cold items, the item's mean for cold users: u = [own mean, is cold], v = [is cold, own mean].

    Args:
        train: user_idx, item_idx, rating.
        sizes: of the tables.
    """
    users = _means(train, c.USER_IDX, sizes.users).select(c.IDX, _floats([f.col("mean"), f.col("is_cold")]))
    items = _means(train, c.ITEM_IDX, sizes.items).select(c.IDX, _floats([f.col("is_cold"), f.col("mean")]))
    return make_baseline("mean", users, items, sizes, ModelShape(rank=2))


def predicted_popularity(features: DataFrame, train: DataFrame, columns: np.ndarray) -> DataFrame:
    """(item_idx, popularity) of all items: the exponential of a ridge regression of log(1 + likes). An action.

    Args:
        features: `schemas.ENTITY_FEATURES` of the items.
        train: item_idx, liked (0 or 1); the regression is fitted over its items.
        columns: of the vectors, which the regression sees; none: every item is as popular as any.
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
    """(item_idx, neighbour_idx, similarity): each cold item's k nearest warm items by cosine, over shared words.

    Args:
        vectors: item_idx, word, rating: rows of length 1 (`features.text_pairs`).
        cold: item_idx.
        warm: item_idx.
        k: neighbours, at most.
    """
    sides = [vectors.join(side.select(c.ITEM_IDX), on=c.ITEM_IDX, how="left_semi") for side in (cold, warm)]
    one, other = (
        sides[0],
        sides[1].select(f.col(c.ITEM_IDX).alias("neighbour_idx"), "word", f.col(c.RATING).alias("of")),
    )
    cosine = (
        one.join(other, on="word", how="inner")
        .groupBy(c.ITEM_IDX, "neighbour_idx")
        .agg(f.sum(f.col(c.RATING) * f.col("of")).alias(SIMILARITY))
    )
    nearest = Window.partitionBy(c.ITEM_IDX).orderBy(f.desc(SIMILARITY), "neighbour_idx")
    return cosine.withColumn(_FIRST, f.row_number().over(nearest)).where(f.col(_FIRST) <= k).drop(_FIRST)


def neighbour_scores(near: DataFrame, train: DataFrame, users: DataFrame) -> DataFrame:
    """(user_idx, item_idx, score): Σ similarity over an item's neighbours that the user liked.

    Args:
        near: of `neighbours`.
        train: user_idx, item_idx, liked (0 or 1).
        users: user_idx of those who want a list.
    """
    liked = train.where(f.col(LIKED) > 0).join(users, on=c.USER_IDX, how="left_semi")
    taste = liked.select(c.USER_IDX, f.col(c.ITEM_IDX).alias("neighbour_idx"))
    scored = taste.join(near, on="neighbour_idx", how="inner").groupBy(c.USER_IDX, c.ITEM_IDX)
    return scored.agg(f.sum(SIMILARITY).alias(c.SCORE))


def popular_lists(popularity: DataFrame, users: DataFrame, n: int) -> DataFrame:
    """(user_idx, position, item_idx): the n most popular items, for everybody.

    Args:
        popularity: item_idx, popularity of the candidates.
        users: user_idx of those who want a list.
        n: length of a list.
    """
    best = popularity.orderBy(f.desc(POPULARITY), c.ITEM_IDX).limit(n)
    placed = best.withColumn(c.POSITION, f.row_number().over(Window.orderBy(f.desc(POPULARITY), c.ITEM_IDX)))
    return users.select(c.USER_IDX).crossJoin(f.broadcast(placed)).select(c.USER_IDX, c.POSITION, c.ITEM_IDX)


def scored_lists(scores: DataFrame, otherwise: DataFrame, n: int) -> DataFrame:
    """(user_idx, position, item_idx): the best n of what is scored; a user without any gets the other list.

    Args:
        scores: user_idx, item_idx, score.
        otherwise: user_idx, position, item_idx of all users.
        n: length of a list.
    """
    best = Window.partitionBy(c.USER_IDX).orderBy(f.desc(c.SCORE), c.ITEM_IDX)
    placed = scores.withColumn(c.POSITION, f.row_number().over(best)).where(f.col(c.POSITION) <= n)
    own = placed.select(c.USER_IDX, c.POSITION, c.ITEM_IDX)
    return own.unionByName(otherwise.join(own, on=c.USER_IDX, how="left_anti"))


def _means(train: DataFrame, side: str, n: int) -> DataFrame:
    """`idx`, `mean` and `is_cold` of all entities of a side."""
    means = train.groupBy(f.col(side).alias(c.IDX)).agg(f.avg(c.RATING).alias("mean"))
    everybody = train.sparkSession.range(n).select(f.col("id").cast("int").alias(c.IDX))
    known = everybody.join(means, on=c.IDX, how="left")
    is_cold = f.col("mean").isNull().cast("float")
    return known.select(c.IDX, f.coalesce("mean", f.lit(0.0)).alias("mean"), is_cold.alias("is_cold"))


def _floats(coordinates: list[Column]) -> Column:
    return f.array(*(coordinate.cast("float") for coordinate in coordinates)).alias(c.FEATURES)
