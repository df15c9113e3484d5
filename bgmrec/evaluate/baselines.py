"""Baselines as factor tables, so that the same code makes their lists, scores and metrics as those of the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.cells import split_binary
from bgmrec.factorize.blocks.factors import pack_factors
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import columns as c


@dataclass(frozen=True)
class TableSizes:
    """Entities and blocks per side; a baseline's tables have the same blocks as the model's.

    Args:
        users: users of the index.
        items: items of the index.
        user_blocks: blocks of the user side.
        item_blocks: blocks of the item side.
    """

    users: int
    items: int
    user_blocks: int
    item_blocks: int


@dataclass(frozen=True)
class Baseline:
    """A baseline: `schemas.FACTOR_BLOCKS` per side, and the shape that turns them into scores.

    Write the tables before lists are made of them. Their plans process one row per entity, and inside
    `session.arrow_batch(spark, 1)` Spark would send those rows to Python one by one.

    Args:
        name: name of the baseline.
        user_factors: `schemas.FACTOR_BLOCKS`.
        item_factors: `schemas.FACTOR_BLOCKS`.
        shape: rank, bias and mean.
    """

    name: str
    user_factors: DataFrame
    item_factors: DataFrame
    shape: ModelShape


def popularity_baseline(scores: DataFrame, sizes: TableSizes) -> Baseline:
    """The most popular items that a user has not seen: u = [1], v = [popularity]. For lists only.

    Args:
        scores: item_idx, score.
        sizes: entities and blocks of the tables.
    """
    all_users = scores.sparkSession.range(sizes.users).select(f.col("id").alias(c.IDX), _vector(f.lit(1.0)))
    items = scores.select(f.col(c.ITEM_IDX).alias(c.IDX), _vector(f.col(c.SCORE)))
    return make_baseline("popularity", all_users, items, sizes, ModelShape(rank=1))


def bias_baseline(
    train: DataFrame, sizes: TableSizes, *, user_reg: float = 7.0, item_reg: float = 2.0, rounds: int = 2
) -> Baseline:
    """User and item biases, regularised and solved alternately: score = mean + a + b. An action (the mean).

    b_j = Σ_i w (r - mean - a_i) / (Σ_i w + item_reg), and a_i likewise (Koren, Bell, Volinsky 2009). The defaults are
    the best on the valid part of `ml-1m-random`, seed 0, 80 % (test RMSE .9067); a third round gains .00005 there.

    Args:
        train: user_idx, item_idx, rating, weight.
        sizes: entities and blocks of the tables.
        user_reg: regularisation of user biases, in ratings of weight 1.
        item_reg: regularisation of item biases, in ratings of weight 1.
        rounds: number of times that both sides are solved.
    """
    mean = _mean(train)
    rows = train.select(
        c.USER_IDX, c.ITEM_IDX, f.col(c.WEIGHT).cast("double"), (f.col(c.RATING) - mean).alias("residual")
    )
    items = _offsets(rows, None, c.USER_IDX, c.ITEM_IDX, item_reg)
    users = _offsets(rows, items, c.ITEM_IDX, c.USER_IDX, user_reg)
    for _ in range(1, rounds):
        items = _offsets(rows, users, c.USER_IDX, c.ITEM_IDX, item_reg)
        users = _offsets(rows, items, c.ITEM_IDX, c.USER_IDX, user_reg)
    shape = ModelShape(rank=1, bias=True, mean=mean)
    return make_baseline("bias", _bias_vectors(users), _bias_vectors(items), sizes, shape)


def als_baseline(
    train: DataFrame,
    sizes: TableSizes,
    *,
    rank: int,
    reg: float,
    iterations: int,
    seed: int,
    implicit: bool = False,
    alpha: float = 1.0,
) -> Baseline:
    """Spark MLlib's ALS (Hu, Koren, Volinsky 2008; Zhou et al. 2008). An action (the fit).

    MLlib has no factors for cold users and items, so two more coordinates give them a score:
    u' = [u, is cold, mean of the user], v' = [v, mean of the item, is cold]. A cold user gets the item's mean (in
    implicit mode its share of all weight), a cold item the user's mean, and a cold pair the mean of all ratings.

    Args:
        train: user_idx, item_idx, rating, weight.
        sizes: entities and blocks of the tables.
        rank: MLlib's rank.
        reg: MLlib's regParam.
        iterations: MLlib's maxIter.
        seed: seed of the initial factors.
        implicit: implicit mode, in which MLlib's rating is weight · rating; otherwise it is the rating alone.
        alpha: MLlib's alpha, in implicit mode.
    """
    rating = f.col(c.WEIGHT) * f.col(c.RATING) if implicit else f.col(c.RATING)
    rows = train.select(c.USER_IDX, c.ITEM_IDX, rating.cast("float").alias(c.RATING))
    als = ALS(rank=rank, regParam=reg, maxIter=iterations, seed=seed, implicitPrefs=implicit, alpha=alpha)
    model = als.setUserCol(c.USER_IDX).setItemCol(c.ITEM_IDX).setRatingCol(c.RATING).fit(rows)
    mean = 0.0 if implicit else _mean(train)
    if implicit:
        total = rows.agg(f.sum(c.RATING)).collect()[0][0] or 1.0
        item_means = rows.groupBy(c.ITEM_IDX).agg((f.sum(c.RATING) / total).alias("mean"))
        user_means = rows.select(c.USER_IDX).distinct().withColumn("mean", f.lit(0.0))
    else:
        item_means, user_means = (
            rows.groupBy(side).agg(f.avg(c.RATING).alias("mean")) for side in (c.ITEM_IDX, c.USER_IDX)
        )
    session, is_warm = train.sparkSession, f.col("features").isNotNull()
    factors = f.coalesce(f.col("features"), f.array_repeat(f.lit(0.0).cast("float"), rank))
    is_cold = f.when(is_warm, 0.0).otherwise(1.0)
    users = _with_all(session.range(sizes.users), model.userFactors, user_means, c.USER_IDX).select(
        c.IDX, _vector(is_cold, f.when(is_warm, f.col("mean")).otherwise(0.0), before=factors)
    )
    items = _with_all(session.range(sizes.items), model.itemFactors, item_means, c.ITEM_IDX).select(
        c.IDX, _vector(f.when(is_warm, f.col("mean")).otherwise(mean), is_cold, before=factors)
    )
    return make_baseline("als", users, items, sizes, ModelShape(rank=rank + 2))


def _mean(train: DataFrame) -> float:
    weight = f.col(c.WEIGHT).cast("double")
    return float(train.agg(f.sum(weight * f.col(c.RATING)) / f.sum(weight)).collect()[0][0])


def _offsets(rows: DataFrame, other: DataFrame | None, src: str, dst: str, reg: float) -> DataFrame:
    """`idx` of the solved side and its `offset`, for fixed offsets of the other side."""
    residual = f.col("residual")
    if other is not None:
        rows = rows.join(other.select(f.col(c.IDX).alias(src), "offset"), src, "inner")
        residual = residual - f.col("offset")
    solved = rows.groupBy(dst).agg((f.sum(f.col(c.WEIGHT) * residual) / (f.sum(c.WEIGHT) + reg)).alias("offset"))
    return solved.select(f.col(dst).alias(c.IDX), "offset")


def _bias_vectors(side: DataFrame) -> DataFrame:
    return side.select(c.IDX, _vector(f.lit(0.0), f.col("offset")))


def _with_all(entities: DataFrame, factors: DataFrame, means: DataFrame, side: str) -> DataFrame:
    named = entities.select(f.col("id").cast("int").alias(c.IDX))
    means = means.withColumnRenamed(side, c.IDX)
    return named.join(factors.withColumnRenamed("id", c.IDX), c.IDX, "left").join(means, c.IDX, "left")


def _vector(*coordinates: Column, before: Column | None = None) -> Column:
    vector = f.array(*(coordinate.cast("float") for coordinate in coordinates))
    return (vector if before is None else f.concat(before, vector)).alias(c.FEATURES)


def make_baseline(name: str, users: DataFrame, items: DataFrame, sizes: TableSizes, shape: ModelShape) -> Baseline:
    """A baseline of the vectors of both sides; an entity without a vector gets zeros.

    Args:
        name: name of the baseline.
        users: `idx` and `features`, an array of floats.
        items: the same of the items.
        sizes: entities and blocks of the tables.
        shape: rank, bias and mean.
    """
    user_rows, item_rows = (
        _packed(_filled(side, n, shape.width)) for side, n in ((users, sizes.users), (items, sizes.items))
    )
    return Baseline(
        name,
        pack_factors(user_rows, sizes.users, sizes.user_blocks),
        pack_factors(item_rows, sizes.items, sizes.item_blocks),
        shape,
    )


def _filled(rows: DataFrame, n: int, width: int) -> DataFrame:
    """One row per entity; zeros where it has no vector."""
    entities = rows.sparkSession.range(n).select(f.col("id").cast("int").alias(c.IDX))
    zeros = f.array_repeat(f.lit(0.0).cast("float"), width)
    return entities.join(rows, c.IDX, "left").select(c.IDX, f.coalesce(c.FEATURES, zeros).alias(c.FEATURES))


def _packed(rows: DataFrame) -> DataFrame:
    """Arrays of floats as the binary cells of `schemas.ENTITY_FEATURES`."""

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            vectors = batch.column(c.FEATURES)
            data = np.ascontiguousarray(vectors.flatten().to_numpy(), np.float32)
            cells = split_binary(data, np.diff(vectors.offsets.to_numpy()) * data.itemsize)
            yield pa.RecordBatch.from_arrays([batch.column(c.IDX), cells], [c.IDX, c.FEATURES])

    return rows.mapInArrow(pack, f"{c.IDX} int, {c.FEATURES} binary")
