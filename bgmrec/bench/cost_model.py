"""A cost model of an iteration, fitted to measured points, checked on larger ones, and extrapolated.

    seconds = once + once_shuffled · [factors are shuffled]
            + (per_block · blocks + per_operation · operations + per_gathered_byte · bytes of source rows gathered
               + per_byte · bytes of ratings read and factors written
               + per_shuffled_byte · bytes of factor rows shuffled) / cores

with 2 · ratings · rank² + (users + items) · rank³ / 3 operations. Network and disks are not in the model.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import functions as f
from scipy.optimize import nnls

from bgmrec.bench.half_steps import like_mllib, timed_rounds
from bgmrec.bench.harness import Bench, Result, Times, rounded, scientific
from bgmrec.bench.scaling import RATINGS_PER_ITEM, RATINGS_PER_USER, prepared
from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.prepare import DataSizes
from bgmrec.factorize.blocks.ratings import num_blocks
from bgmrec.storage.arrays import FLOAT, INT
from bgmrec.synthetic.power_law import PowerLaw
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import Problem

WARM_UP = 10  # iterations before the first point, in which Java compiles
RATING_BYTES = 8  # source position and rating, in the blocks of each side
TERMS = (
    "once", "once_shuffled", "per_block", "per_operation", "per_gathered_byte", "per_byte", "per_shuffled_byte",
)  # fmt: skip
POINTS = {  # ratings: (rank, factors are shuffled) of every point
    2_000_000: ((16, False), (64, False), (128, False), (16, True), (64, True)),
    8_000_000: ((16, False), (64, False), (128, False), (16, True), (64, True)),
    32_000_000: ((64, False), (64, True)),
}
CHECKED = max(POINTS)  # ratings of the points that the model is checked on, not fitted to
EXTRAPOLATED = {"ratings": 1e10, "users": 1e8, "items": 1e6, "rank": 64, "cores": 800}


@dataclass(frozen=True)
class Load:
    """The work of one iteration, that is of both half steps.

    Args:
        ratings: number of ratings.
        users: number of users.
        items: number of items.
        rank: of the factors.
        blocks: of both sides.
        shuffled_rows: factor rows sent to blocks one by one, because their table exceeds a broadcast.
        cores: that share the work.
    """

    ratings: float
    users: float
    items: float
    rank: int
    blocks: float
    shuffled_rows: float
    cores: int

    def terms(self) -> np.ndarray:
        """The factors of `TERMS`, in their order; all but the first two are shared by the cores."""
        row_bytes = self.rank * FLOAT.itemsize
        operations = 2 * self.ratings * self.rank**2 + (self.users + self.items) * self.rank**3 / 3
        gathered = 2 * self.ratings * row_bytes
        moved = 2 * self.ratings * RATING_BYTES + (self.users + self.items) * row_bytes
        shared = (self.blocks, operations, gathered, moved, self.shuffled_rows * row_bytes)
        return np.array([1.0, float(self.shuffled_rows > 0), *(part / self.cores for part in shared)])


@dataclass(frozen=True)
class _Point:
    """A measured iteration."""

    ratings: int
    rank: int
    shuffled: bool
    load: Load
    times: Times


def cost(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Fits the cost model, checks it on more ratings, and predicts a far larger problem.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    points = _measured_points(bench)
    measured = np.array([point.times.median for point in points])
    terms = np.array([point.load.terms() for point in points])
    is_fitted = np.array([point.ratings != CHECKED for point in points])
    # least squares of relative errors
    coefficients, _ = nnls(terms[is_fitted] / measured[is_fitted, None], np.ones(is_fitted.sum()))
    predicted = terms @ coefficients
    errors = predicted / measured - 1
    facts: dict[str, Any] = {
        "seconds_per": dict(zip(TERMS, (float(f"{value:.3g}") for value in coefficients), strict=True)),
        "points": [
            {"ratings": point.ratings, "rank": point.rank, "shuffled": point.shuffled,
             "measured_s": rounded(seconds), "model_s": rounded(model)}
            for point, seconds, model in zip(points, measured, predicted, strict=True)
        ],
        "largest_fitted_error": rounded(float(np.abs(errors)[is_fitted].max())),
        "checked_errors": [rounded(float(error)) for error in errors[~is_fitted]],
        "extrapolated": _extrapolation(bench.settings.factorize, coefficients),
    }  # fmt: skip
    first = int(np.flatnonzero(~is_fitted)[0])
    work = f"one iteration over {scientific(CHECKED)} ratings"
    model = Times([float(predicted[first])])
    return Result("cost", work, "the cost model's prediction", points[first].times, model, facts=facts)


def _measured_points(bench: Bench) -> list[_Point]:
    points: list[_Point] = []
    for n, variants in POINTS.items():
        shape = PowerLaw(n // RATINGS_PER_USER, n // RATINGS_PER_ITEM, n)
        _, sizes, store = prepared(bench, shape, like_mllib(bench.settings.factorize, variants[0][0]), "cost")
        for rank, shuffled in variants:
            bound = {"broadcast_bytes": 0} if shuffled else {}
            settings = like_mllib(bench.settings.factorize, rank).model_copy(update=bound)
            problem = make_problem(store, sizes, settings, None, None)
            what = f"{n} ratings, rank {rank}{', shuffled' if shuffled else ''}"
            if not points:
                timed_rounds(bench, store.below("warm-up"), problem, sizes, settings, WARM_UP, "warm-up")
            scratch = store.below(f"rank-{rank}-{'shuffled' if shuffled else 'broadcast'}")
            times, _ = timed_rounds(bench, scratch, problem, sizes, settings, bench.repeats + 1, what)
            points.append(_Point(n, rank, shuffled, _load(bench, sizes, rank, problem if shuffled else None), times))
    return points


def _load(bench: Bench, sizes: DataSizes, rank: int, shuffled: Problem | None) -> Load:
    rows = 0
    if shuffled is not None:
        for side in (shuffled.user, shuffled.item):
            rows += side.ratings.agg(f.sum(f.length("src_ids"))).collect()[0][0] // INT.itemsize
    cores = bench.spark.sparkContext.defaultParallelism
    return Load(sizes.train, sizes.users, sizes.items, rank, sizes.user_blocks + sizes.item_blocks, rows, cores)


def _extrapolation(settings: FactorizeSettings, coefficients: np.ndarray) -> dict[str, Any]:
    """Predicted seconds of `EXTRAPOLATED`; users' factors exceed a broadcast, so each rating may need its own row."""
    numbers = EXTRAPOLATED
    blocks = sum(num_blocks(int(numbers[side]), int(numbers["ratings"]), settings) for side in ("users", "items"))
    rank, cores = int(numbers["rank"]), int(numbers["cores"])
    load = Load(numbers["ratings"], numbers["users"], numbers["items"], rank, blocks, numbers["ratings"], cores)
    seconds = load.terms() * coefficients
    return {
        **numbers,
        "seconds": rounded(float(seconds.sum())),
        "seconds_by_term": dict(zip(TERMS, (float(rounded(part)) for part in seconds), strict=True)),
        "shuffled_tb": rounded(load.shuffled_rows * load.rank * FLOAT.itemsize / 1e12),
    }
