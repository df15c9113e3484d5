"""Benchmarks of half steps and of building blocks, against Spark MLlib."""

from __future__ import annotations

import argparse
import math

import numpy as np
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.bench.harness import Bench, Result, Times
from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.factors import pack_factors, solved_factors
from bgmrec.factorize.blocks.prepare import DataSizes, write_blocks
from bgmrec.runtime.session import BLOCKS_PER_BATCH
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables
from bgmrec.synthetic.power_law import PowerLaw
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import Problem, solve_both_sides
from bgmrec.train.start import write_start
from bgmrec.train.validation import rmse_validator

REG = 0.02  # of bgmrec and MLlib; both multiply it by the number of ratings of the row


def shape_of(arguments: argparse.Namespace) -> PowerLaw:
    """The shape of the generated ratings.

    Args:
        arguments: of the command line.
    """
    return PowerLaw(arguments.users, arguments.items, arguments.ratings)


def like_mllib(settings: FactorizeSettings, rank: int) -> FactorizeSettings:
    """Settings of MLlib's model: no biases, no mean, λ times the number of ratings, initial factors of length 1.

    Args:
        settings: to start from.
        rank: of the factors.
    """
    scale = 1 / math.sqrt(rank)
    like = {"bias": False, "center": False, "user_reg": REG, "item_reg": REG, "reg_exponent": 1.0, "init_scale": scale}
    return settings.model_copy(update={"mode": "explicit", "rank": rank, **like})


def blocks(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Rating rows to blocks of both sides, against one MLlib fit with one iteration.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    shape = shape_of(arguments)
    ratings = bench.ratings(shape)
    sizes = bench.sizes(ratings, shape)
    write_blocks(bench.fresh("warm-up"), ratings.limit(10_000), sizes)
    ours = bench.timed("ours", lambda _: write_blocks(bench.fresh("blocks"), ratings, sizes))
    peer = bench.timed("mllib", lambda _: _mllib(ratings, arguments.rank, 1))
    return Result("blocks", "blocks of both sides", "Spark MLlib, a fit with one iteration", ours, peer)


def als(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One iteration, factors written, against MLlib's: the same λ, the same number of iterations.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    shape, rank, iterations = shape_of(arguments), arguments.rank, arguments.iterations
    ratings = bench.ratings(shape)
    sizes, settings = bench.sizes(ratings, shape), like_mllib(bench.settings.factorize, rank)
    store = bench.fresh("als")
    write_blocks(store, ratings, sizes)
    problem = make_problem(store, sizes, settings, None, None)
    ours, last = timed_rounds(bench, store, problem, sizes, settings, iterations)
    first = bench.timed("mllib, 1 iteration", lambda _: _mllib(ratings, rank, 1))
    models: list[ALSModel] = []
    peer_fit = bench.timed(
        f"mllib, {iterations} iterations", lambda _: models.append(_mllib(ratings, rank, iterations))
    )
    peer = Times([(whole - first.median) / (iterations - 1) for whole in peer_fit.seconds])
    training_rmse = rmse_validator(
        store.read("user_rating_blocks"), problem.shape, item_blocks=sizes.item_blocks,
        broadcast_bytes=settings.broadcast_bytes, clip=None, blocks_per_batch=BLOCKS_PER_BATCH,
    )  # fmt: skip
    peer_factors = _packed(store.below("mllib"), models[-1], sizes, rank)
    return Result(
        f"als rank {rank}",
        "one iteration",
        "Spark MLlib",
        ours,
        peer,
        training_rmse(solved_factors(last, "user"), solved_factors(last, "item")),
        training_rmse(peer_factors["user"], peer_factors["item"]),
        {
            "quality": "training RMSE",
            "iterations": iterations,
            "ratings": sizes.train,
            "peer_first_iteration_s": first.facts(),
        },
    )


def timed_rounds(
    bench: Bench,
    store: Tables,
    problem: Problem,
    sizes: DataSizes,
    settings: FactorizeSettings,
    iterations: int,
    what: str = "ours",
) -> tuple[Times, Tables]:
    """Trains from random factors and times every round after the first; returns the times and the factors' folder.

    Args:
        bench: session and settings.
        store: has the rating blocks, gets the factors.
        problem: both sides.
        sizes: of the ratings.
        settings: of the model.
        iterations: number of the round whose factors are returned; at least `bench.repeats` rounds are timed.
        what: name of the work in the log.
    """
    first = store.below("round-0")
    write_start(first, sizes.items, sizes.item_blocks, problem.shape, seed=1, scale=settings.init_scale, previous=None)
    solve_both_sides(problem, first, store.below("round-1"), store)

    def one(repetition: int) -> None:
        number = repetition + 2
        solve_both_sides(problem, store.below(f"round-{number - 1}"), store.below(f"round-{number}"), store)

    times = bench.timed(what, one, max(iterations - 1, bench.repeats))
    return times, store.below(f"round-{iterations}")


def _mllib(ratings: DataFrame, rank: int, iterations: int) -> ALSModel:
    spark = ratings.sparkSession
    partitions = int(str(spark.conf.get("spark.sql.shuffle.partitions")))
    als_ = ALS(
        rank=rank, maxIter=iterations, regParam=REG, userCol=c.USER_IDX, itemCol=c.ITEM_IDX, ratingCol=c.RATING,
        numUserBlocks=partitions, numItemBlocks=partitions, seed=1, checkpointInterval=-1,
    )  # fmt: skip
    model = als_.fit(ratings)
    for table in (model.userFactors, model.itemFactors):
        table.count()  # MLlib computes factors lazily
    return model


def _packed(store: Tables, model: ALSModel, sizes: DataSizes, rank: int) -> dict[str, DataFrame]:
    """MLlib's factors as blocks; entities without ratings, which MLlib omits, get zeros."""
    sides = (("user", model.userFactors, sizes.users, sizes.user_blocks),
             ("item", model.itemFactors, sizes.items, sizes.item_blocks))  # fmt: skip
    written = {}
    cell = f.udf(lambda values: np.asarray(values or [0.0] * rank, FLOAT).tobytes(), "binary")
    for side, table, n, num_blocks in sides:
        every = table.sparkSession.range(n).select(f.col("id").cast("int").alias(c.IDX))
        rows = every.join(table.select(f.col("id").alias(c.IDX), "features"), c.IDX, "left")
        rows = rows.select(c.IDX, cell("features").alias(c.FEATURES))
        written[side] = store.write(pack_factors(rows, n, num_blocks), f"{side}_factors")
    return written
