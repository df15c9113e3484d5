"""Baselines as factor tables: they go through the same top-N, the same scores and the same metrics as the model."""

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
class Sizes:
    """Entities and blocks per side; a baseline's tables are blocked as the model's are."""

    users: int
    items: int
    user_blocks: int
    item_blocks: int


@dataclass(frozen=True)
class Baseline:
    """A baseline: `schemas.FACTOR_BLOCKS` per side, and the shape that makes a score of them.

    Write the tables before lists are made of them: their rows are packed one entity each, and a plan that runs inside
    `session.arrow_batch(spark, 1)` for the sake of blocks would send those to Python one by one.
    """

    name: str
    user_factors: DataFrame
    item_factors: DataFrame
    shape: ModelShape


def popularity_baseline(scores: DataFrame, sizes: Sizes) -> Baseline:
    """Everybody gets the most popular items that they have not heard: u = [1], v = [popularity]. For lists only.

    Args:
        scores: item_idx, score.
        sizes: of the tables.
    """
    everybody = scores.sparkSession.range(sizes.users).select(f.col("id").alias(c.IDX), _vector(f.lit(1.0)))
    items = scores.select(f.col(c.ITEM_IDX).alias(c.IDX), _vector(f.col(c.SCORE)))
    return make_baseline("popularity", everybody, items, sizes, ModelShape(rank=1))


def bias_baseline(
    train: DataFrame, sizes: Sizes, *, user_reg: float = 7.0, item_reg: float = 2.0, rounds: int = 2
) -> Baseline:
    """User and item bias, regularised, by turns: score = mean + a + b. An action (the mean).

    b_j = Σ_i w (r - mean - a_i) / (Σ_i w + item_reg), and a_i likewise. The numbers are the best on valid of
    Protocol A, seed 0 at 80 % (test RMSE .9067); a third turn gains .00005 there.

    Args:
        train: user_idx, item_idx, rating, weight.
        sizes: of the tables.
        user_reg, item_reg: in ratings of weight 1.
        rounds: turns.
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
    sizes: Sizes,
    *,
    rank: int,
    reg: float,
    iterations: int,
    seed: int,
    implicit: bool = False,
    alpha: float = 1.0,
) -> Baseline:
    """Spark MLlib's ALS. An action (the fit).

    MLlib knows only what it was trained on, so that two more coordinates answer for the rest:
    u' = [u, is cold, own mean], v' = [v, own mean, is cold]. A cold user gets the item's mean (in implicit mode its
    share of all weight), a cold item the user's mean, and both together the mean of all.

    Args:
        train: user_idx, item_idx, rating, weight.
        sizes: of the tables.
        rank, reg, iterations, alpha: MLlib's rank, regParam, maxIter and alpha.
        seed: of the start.
        implicit: weight · preference is MLlib's strength of a pair; else rating is its rating.
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
    session, known = train.sparkSession, f.col("features").isNotNull()
    factors = f.coalesce(f.col("features"), f.array_repeat(f.lit(0.0).cast("float"), rank))
    is_cold = f.when(known, 0.0).otherwise(1.0)
    users = _beside_all(session.range(sizes.users), model.userFactors, user_means, c.USER_IDX).select(
        c.IDX, _vector(is_cold, f.when(known, f.col("mean")).otherwise(0.0), before=factors)
    )
    items = _beside_all(session.range(sizes.items), model.itemFactors, item_means, c.ITEM_IDX).select(
        c.IDX, _vector(f.when(known, f.col("mean")).otherwise(mean), is_cold, before=factors)
    )
    return make_baseline("als", users, items, sizes, ModelShape(rank=rank + 2))


def _mean(train: DataFrame) -> float:
    weight = f.col(c.WEIGHT).cast("double")
    return float(train.agg(f.sum(weight * f.col(c.RATING)) / f.sum(weight)).collect()[0][0])


def _offsets(rows: DataFrame, other: DataFrame | None, src: str, dst: str, reg: float) -> DataFrame:
    """`idx` of the solved side and its `offset`, given the other side's."""
    left = f.col("residual")
    if other is not None:
        rows = rows.join(other.select(f.col(c.IDX).alias(src), "offset"), src, "inner")
        left = left - f.col("offset")
    solved = rows.groupBy(dst).agg((f.sum(f.col(c.WEIGHT) * left) / (f.sum(c.WEIGHT) + reg)).alias("offset"))
    return solved.select(f.col(dst).alias(c.IDX), "offset")


def _bias_vectors(side: DataFrame) -> DataFrame:
    return side.select(c.IDX, _vector(f.lit(0.0), f.col("offset")))


def _beside_all(everybody: DataFrame, factors: DataFrame, means: DataFrame, side: str) -> DataFrame:
    named = everybody.select(f.col("id").cast("int").alias(c.IDX))
    means = means.withColumnRenamed(side, c.IDX)
    return named.join(factors.withColumnRenamed("id", c.IDX), c.IDX, "left").join(means, c.IDX, "left")


def _vector(*coordinates: Column, before: Column | None = None) -> Column:
    own = f.array(*(coordinate.cast("float") for coordinate in coordinates))
    return (own if before is None else f.concat(before, own)).alias(c.FEATURES)


def make_baseline(name: str, users: DataFrame, items: DataFrame, sizes: Sizes, shape: ModelShape) -> Baseline:
    """Vectors of either side, `idx` and an array of floats `features`, as factor tables; zeros where there is none."""
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
    """One row per entity; zeros where nothing is known."""
    everybody = rows.sparkSession.range(n).select(f.col("id").cast("int").alias(c.IDX))
    zeros = f.array_repeat(f.lit(0.0).cast("float"), width)
    return everybody.join(rows, c.IDX, "left").select(c.IDX, f.coalesce(c.FEATURES, zeros).alias(c.FEATURES))


def _packed(rows: DataFrame) -> DataFrame:
    """Arrays of floats → binary cells, as `schemas.ENTITY_FEATURES` has them."""

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            vectors = batch.column(c.FEATURES)
            data = np.ascontiguousarray(vectors.flatten().to_numpy(), np.float32)
            cells = split_binary(data, np.diff(vectors.offsets.to_numpy()) * data.itemsize)
            yield pa.RecordBatch.from_arrays([batch.column(c.IDX), cells], [c.IDX, c.FEATURES])

    return rows.mapInArrow(pack, f"{c.IDX} int, {c.FEATURES} binary")
