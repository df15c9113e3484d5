"""Benchmarks of the factorization: half steps against MLlib and implicit, blocks, the sampler, and how all that scales.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import argparse
import math
from typing import Any

import numpy as np
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from scipy import sparse
from threadpoolctl import threadpool_limits

from bgmrec.bench.parts import Bench, Result, Times, rounded
from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.factors import collect_table, pack_factors, solved_factors
from bgmrec.factorize.blocks.prepare import Sizes, write_blocks
from bgmrec.runtime.session import BLOCKS_PER_BATCH
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables
from bgmrec.synthetic.power_law import PowerLaw
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import Problem, solve
from bgmrec.train.start import write_start
from bgmrec.train.validation import rmse_validator

REG = 0.02  # of both, times the number of ratings of the row, as MLlib scales it
IMPLICIT_REG = 1.0
CG_STEPS = 3  # implicit's default
SAMPLED_USERS = 500  # whose loss over all items says how good an implicit model is


def shape_of(arguments: argparse.Namespace) -> PowerLaw:
    """The ratings that the command line asks for."""
    return PowerLaw(arguments.users, arguments.items, arguments.ratings)


def like_mllib(settings: FactorizeSettings, rank: int) -> FactorizeSettings:
    """MLlib's model: no biases, no mean, λ times the number of ratings, first factors of length 1."""
    scale = 1 / math.sqrt(rank)
    own = {"bias": False, "center": False, "user_reg": REG, "item_reg": REG, "reg_exponent": 1.0, "init_scale": scale}
    return settings.model_copy(update={"mode": "explicit", "rank": rank, **own})


def like_implicit(settings: FactorizeSettings, rank: int, cg_steps: int) -> FactorizeSettings:
    """implicit's model: weight 1 on every pair, one more on those observed, a constant λ."""
    own = {"bias": False, "user_reg": IMPLICIT_REG, "item_reg": IMPLICIT_REG, "reg_exponent": 0.0, "init_scale": 0.1}
    return settings.model_copy(
        update={"mode": "implicit", "rank": rank, "unobserved_weight": 1.0, "cg_steps": cg_steps, **own}
    )


def blocks(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Rating rows → blocks of both sides, against one MLlib fit with one iteration."""
    shape = shape_of(arguments)
    ratings = bench.ratings(shape)
    sizes = bench.sizes(ratings, shape)
    write_blocks(bench.fresh("warm-up"), ratings.limit(10_000), sizes)
    ours = bench.timed("ours", lambda _: write_blocks(bench.fresh("blocks"), ratings, sizes))
    peer = bench.timed("mllib", lambda _: _mllib(ratings, arguments.rank, 1))
    return Result("blocks", ours, peer)


def als(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One iteration, factors written, against MLlib's: the same λ, the same number of iterations."""
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
    evaluate_models = rmse_validator(
        store.read("user_rating_blocks"), problem.shape, item_blocks=sizes.item_blocks,
        broadcast_bytes=settings.broadcast_bytes, clip=None, blocks_per_batch=BLOCKS_PER_BATCH,
    )  # fmt: skip
    of_peer = _packed(store.below("mllib"), models[-1], sizes, rank)
    return Result(
        f"als rank {rank}",
        ours,
        peer,
        evaluate_models(solved_factors(last, "user"), solved_factors(last, "item")),
        evaluate_models(of_peer["user"], of_peer["item"]),
        {"iterations": iterations, "ratings": sizes.train, "peer_first_iteration_s": first.facts()},
    )


def timed_rounds(
    bench: Bench,
    store: Tables,
    problem: Problem,
    sizes: Sizes,
    settings: FactorizeSettings,
    iterations: int,
    what: str = "ours",
) -> tuple[Times, Tables]:
    """Rounds from random factors: the seconds of each after the first, `bench.repeats` at least; the last one's folder.

    The last one is that of `iterations`, also where more are timed.
    """
    first = store.below("round-0")
    write_start(first, sizes.items, sizes.item_blocks, problem.shape, seed=1, scale=settings.init_scale, previous=None)
    solve(problem, first, store.below("round-1"), store)

    def one(repetition: int) -> None:
        number = repetition + 2
        solve(problem, store.below(f"round-{number - 1}"), store.below(f"round-{number}"), store)

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
        table.count()  # factors are computed when they are asked for
    return model


def _packed(store: Tables, model: ALSModel, sizes: Sizes, rank: int) -> dict[str, DataFrame]:
    """MLlib's factors as blocks; entities without ratings, which it leaves out, get zeros."""
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


def als_implicit(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One iteration in implicit mode against implicit's CPU code on all cores: by conjugate gradients, and exact."""
    shape, rank, iterations = shape_of(arguments), arguments.rank, arguments.iterations
    ratings = bench.ratings(shape).withColumn(c.RATING, f.lit(1.0).cast("float"))
    sizes = bench.sizes(ratings, shape)
    store = bench.fresh("als-implicit")
    write_blocks(store, ratings, sizes)
    matrix = rating_matrix(ratings, shape)
    results: dict[str, tuple[Times, Times, float, float]] = {}
    for solver, steps in (("cg", CG_STEPS), ("exact", 0)):
        settings = like_implicit(bench.settings.factorize, rank, steps)
        problem = make_problem(store, sizes, settings, None, None)
        ours, last = timed_rounds(bench, store.below(solver), problem, sizes, settings, iterations, f"ours, {solver}")
        found = (
            collect_table(solved_factors(last, side), n, blocks, rank)
            for side, n, blocks in (
                ("user", sizes.users, sizes.user_blocks), ("item", sizes.items, sizes.item_blocks),
            )
        )  # fmt: skip
        peer, theirs = _implicit(bench, matrix, rank, iterations, steps)
        results[solver] = ours, peer, implicit_loss(matrix, *found), implicit_loss(matrix, *theirs)
    exact_ours, exact_peer, *losses = results["exact"]
    return Result(
        f"als implicit rank {rank}",
        *results["cg"],
        {
            "iterations": iterations,
            "ratings": sizes.train,
            "cg_steps": CG_STEPS,
            "quality": f"objective of the first {SAMPLED_USERS} users per user: lower is better",
            "exact_ours": {**exact_ours.facts(), "quality": rounded(losses[0], 6)},
            "exact_peer": {**exact_peer.facts(), "quality": rounded(losses[1], 6)},
        },
    )


def _implicit(
    bench: Bench, matrix: sparse.csr_matrix, rank: int, iterations: int, cg_steps: int
) -> tuple[Times, tuple[np.ndarray, np.ndarray]]:
    """implicit's seconds per iteration after the first one, and its factors; no steps: its Cholesky solver."""
    from implicit.cpu.als import AlternatingLeastSquares

    seconds: list[float] = []
    model = AlternatingLeastSquares(
        factors=rank, regularization=IMPLICIT_REG, iterations=iterations, use_cg=cg_steps > 0, random_state=1
    )
    model.cg_steps = cg_steps
    with threadpool_limits(1, "blas"):  # it has threads of its own, as its warning says
        model.fit(matrix * 2.0, show_progress=False, callback=lambda _, elapsed, *rest: seconds.append(elapsed))
    times = Times(seconds[1:])
    bench.progress.done("benchmark", what=f"implicit, {cg_steps or 'no'} steps", **times.facts())
    return times, (model.user_factors, model.item_factors)


def rating_matrix(ratings: DataFrame, shape: PowerLaw) -> sparse.csr_matrix:
    """What peers outside Spark read: all pairs in one process, (users, items) float32 of ones."""
    rows: Any = ratings.select(c.USER_IDX, c.ITEM_IDX).toPandas()
    pairs = (rows[c.USER_IDX].to_numpy(), rows[c.ITEM_IDX].to_numpy())
    return sparse.csr_matrix((np.ones(len(rows), FLOAT), pairs), shape=(shape.users, shape.items))


def implicit_loss(matrix: sparse.csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """Σ 2 (1 − s)² over observed pairs + Σ s² over the others + λ‖u‖², mean over the first users; float64."""
    n = min(SAMPLED_USERS, matrix.shape[0])
    scores = users[:n].astype(np.float64) @ items.astype(np.float64).T
    observed = matrix[:n].toarray().astype(bool)
    loss = (scores**2)[~observed].sum() + 2 * ((1 - scores[observed]) ** 2).sum()
    return float(loss + IMPLICIT_REG * (users[:n].astype(np.float64) ** 2).sum()) / n
