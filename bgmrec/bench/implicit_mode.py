"""Benchmark of half steps in implicit mode, against the library implicit."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from scipy import sparse
from threadpoolctl import threadpool_limits

from bgmrec.bench.half_steps import shape_of, timed_rounds
from bgmrec.bench.harness import Bench, Result, Times
from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.factors import collect_table, solved_factors
from bgmrec.factorize.blocks.prepare import write_blocks
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT
from bgmrec.synthetic.power_law import PowerLaw
from bgmrec.train.problem import make_problem

IMPLICIT_REG = 1.0
CG_STEPS = 3  # implicit's default
SAMPLED_USERS = 500  # their loss over all items is the quality of an implicit model


def like_implicit(settings: FactorizeSettings, rank: int, cg_steps: int) -> FactorizeSettings:
    """Settings of implicit's model: weight 1 on every pair, 2 on observed ones, a constant λ.

    Args:
        settings: to start from.
        rank: of the factors.
        cg_steps: conjugate gradient steps per row; 0: exact solutions.
    """
    like = {"bias": False, "user_reg": IMPLICIT_REG, "item_reg": IMPLICIT_REG, "reg_exponent": 0.0, "init_scale": 0.1}
    return settings.model_copy(
        update={"mode": "implicit", "rank": rank, "unobserved_weight": 1.0, "cg_steps": cg_steps, **like}
    )


def als_implicit(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One iteration in implicit mode against implicit on all cores: by conjugate gradients, and exact.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    shape, rank, iterations = shape_of(arguments), arguments.rank, arguments.iterations
    ratings = bench.ratings(shape).withColumn(c.RATING, f.lit(1.0).cast("float"))
    sizes = bench.sizes(ratings, shape)
    store = bench.fresh("als-implicit")
    write_blocks(store, ratings, sizes)
    matrix = rating_matrix(ratings, shape)
    results = []
    for solver, steps in ((f"{CG_STEPS} conjugate gradient steps", CG_STEPS), ("exact", 0)):
        settings = like_implicit(bench.settings.factorize, rank, steps)
        problem = make_problem(store, sizes, settings, None, None)
        scratch = store.below("cg" if steps else "exact")
        ours, last = timed_rounds(bench, scratch, problem, sizes, settings, iterations, f"ours, {solver}")
        users, items = (
            collect_table(solved_factors(last, side), n, blocks, rank)
            for side, n, blocks in (
                ("user", sizes.users, sizes.user_blocks), ("item", sizes.items, sizes.item_blocks),
            )
        )  # fmt: skip
        peer, peer_factors = _implicit(bench, matrix, rank, iterations, steps)
        facts = {
            "quality": f"objective of the first {SAMPLED_USERS} users per user",
            "iterations": iterations,
            "ratings": sizes.train,
            "cg_steps": steps,
        }
        results.append(
            Result(
                f"als implicit rank {rank}, {solver}",
                f"one iteration, {solver}",
                "implicit",
                ours,
                peer,
                implicit_loss(matrix, users, items),
                implicit_loss(matrix, *peer_factors),
                facts,
            )
        )
    return replace(results[0], others=results[1:])


def _implicit(
    bench: Bench, matrix: sparse.csr_matrix, rank: int, iterations: int, cg_steps: int
) -> tuple[Times, tuple[np.ndarray, np.ndarray]]:
    """implicit's times per iteration after the first, and its factors; 0 steps: its Cholesky solver."""
    from implicit.cpu.als import AlternatingLeastSquares

    seconds: list[float] = []
    model = AlternatingLeastSquares(
        factors=rank, regularization=IMPLICIT_REG, iterations=iterations, use_cg=cg_steps > 0, random_state=1
    )
    model.cg_steps = cg_steps
    with threadpool_limits(1, "blas"):  # implicit has its own threads and warns of more in BLAS
        model.fit(matrix * 2.0, show_progress=False, callback=lambda _, elapsed, *rest: seconds.append(elapsed))
    times = Times(seconds[1:])
    bench.progress.done("benchmark", what=f"implicit, {cg_steps or 'no'} steps", **times.facts())
    return times, (model.user_factors, model.item_factors)


def rating_matrix(ratings: DataFrame, shape: PowerLaw) -> sparse.csr_matrix:
    """All pairs in one process for peers outside Spark: (users, items) float32 of ones.

    Args:
        ratings: user_idx, item_idx.
        shape: of the ratings.
    """
    rows: Any = ratings.select(c.USER_IDX, c.ITEM_IDX).toPandas()
    pairs = (rows[c.USER_IDX].to_numpy(), rows[c.ITEM_IDX].to_numpy())
    return sparse.csr_matrix((np.ones(len(rows), FLOAT), pairs), shape=(shape.users, shape.items))


def implicit_loss(matrix: sparse.csr_matrix, users: np.ndarray, items: np.ndarray) -> float:
    """Σ 2 (1 − s)² over observed pairs + Σ s² over the others + λ‖u‖², mean over the first users, in float64.

    Args:
        matrix: (users, items) of ones.
        users: factors (users, rank).
        items: factors (items, rank).
    """
    n = min(SAMPLED_USERS, matrix.shape[0])
    scores = users[:n].astype(np.float64) @ items.astype(np.float64).T
    observed = matrix[:n].toarray().astype(bool)
    loss = (scores**2)[~observed].sum() + 2 * ((1 - scores[observed]) ** 2).sum()
    return float(loss + IMPLICIT_REG * (users[:n].astype(np.float64) ** 2).sum()) / n
