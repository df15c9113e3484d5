"""Benchmarks of our own half steps against each other: kernel, sampler, size, skew, and the cost model fitted to them.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from pyspark.sql import functions as f
from scipy.optimize import nnls
from threadpoolctl import threadpool_limits

from bgmrec.bench.half_steps import like_mllib, shape_of, timed_rounds
from bgmrec.bench.parts import Bench, Result, Times, rounded
from bgmrec.config.model import FactorizeSettings
from bgmrec.errors import SettingsError
from bgmrec.factorize.blocks.prepare import Sizes, write_blocks
from bgmrec.factorize.blocks.ratings import num_blocks
from bgmrec.factorize.kernels.layout import RatingBlock, build_block
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import solve_block
from bgmrec.factorize.kernels.terms import Regularisation
from bgmrec.runtime.logs import Progress
from bgmrec.sampler.chain import run_chain
from bgmrec.sampler.feature_blocks import Known
from bgmrec.sampler.sample import open_chain
from bgmrec.storage.arrays import FLOAT, INT
from bgmrec.storage.tables import Tables
from bgmrec.synthetic.power_law import CHUNK, PowerLaw, chunk_ratings, item_shares
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import Problem

GEMM = 2048  # rows and columns of the matrices of sgemm
CHECKED_ROWS = 50  # that a float64 solution judges
HEAVY_USER, HEAVY_ITEM = 0.01, 0.1  # shares of all ratings, in `skew`
RATINGS_PER_USER, RATINGS_PER_ITEM = 100, 1000  # of every size in `scale` and `cost`
WARM_UP = 10  # iterations before the first point of `cost`: Java compiles meanwhile


def kernel(bench: Bench, arguments: argparse.Namespace) -> Result:
    """FLOP rate of the solver on one thread, n·k² + k³/3 per row, against sgemm's in the same process."""
    rank = arguments.rank
    users, items, rating = _generated(PowerLaw(20 * CHUNK, arguments.items, 20 * CHUNK * 100))
    random = np.random.default_rng(1)
    shape, regularisation = ModelShape(rank), Regularisation(0.05, 0.0, 1.0)
    sides = []
    for dst, src in ((users, items), (items, users)):
        block = build_block(0, 1, int(dst.max()) + 1, dst, src, rating, np.ones(len(dst), FLOAT))
        table = random.normal(0, 0.1, (int(src.max()) + 1, rank)).astype(FLOAT)
        sides.append((block, table, block.src_ids[block.src_pos]))
    operations = sum(_operations(block, rank) for block, _, _ in sides)
    left, right = (random.normal(size=(GEMM, GEMM)).astype(FLOAT) for _ in range(2))
    with threadpool_limits(1):
        solved = [solve_block(*side, None, shape, regularisation) for side in sides]  # compiles
        ours = bench.timed("ours", lambda _: [solve_block(*side, None, shape, regularisation) for side in sides])
        left @ right
        gemm = bench.timed("sgemm", lambda _: left @ right)
    rate, peak = operations / ours.median, 2.0 * GEMM**3 / gemm.median
    peer = Times([operations * seconds / (2.0 * GEMM**3) for seconds in gemm.seconds])  # the same work at its rate
    worst = max(_error(*side, one.factors, rank) for side, one in zip(sides, solved, strict=True))
    facts = {"ours_gflops": rounded(rate / 1e9), "sgemm_gflops": rounded(peak / 1e9), "share": rounded(rate / peak)}
    quality = {"quality": "largest difference to a float64 solution, relative to its length"}
    return Result(f"kernel rank {rank}", ours, peer, worst, None, {**facts, **quality})


def _generated(shape: PowerLaw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    popularity = item_shares(shape)
    parts = [chunk_ratings(shape, chunk, popularity) for chunk in range(-(-shape.users // CHUNK))]
    users, items, rating = (np.concatenate(column) for column in zip(*parts, strict=True))
    return users, items, rating


def _operations(block: RatingBlock, rank: int) -> float:
    return float(block.row_offsets[-1]) * rank**2 + block.n_rows * rank**3 / 3


def _error(block: RatingBlock, table: np.ndarray, positions: np.ndarray, solved: np.ndarray, rank: int) -> float:
    worst = 0.0
    for row in np.linspace(0, block.n_rows - 1, CHECKED_ROWS).astype(int):
        own = slice(block.row_offsets[row], block.row_offsets[row + 1])
        design = table[positions[own]].astype(np.float64)
        if not len(design):
            continue
        matrix = design.T @ design + 0.05 * len(design) * np.eye(rank)
        exact = np.linalg.solve(matrix, design.T @ block.ratings[own].astype(np.float64))
        worst = max(worst, float(np.linalg.norm(solved[row] - exact) / np.linalg.norm(exact)))
    return worst


def bayes(bench: Bench, arguments: argparse.Namespace) -> Result:
    """A draw of both sides against a MAP round over the same blocks; without side information."""
    shape = shape_of(arguments)
    ratings = bench.ratings(shape)
    sizes, settings = bench.sizes(ratings, shape), _with_bias(bench.settings.factorize, arguments.rank)
    store = bench.fresh("bayes")
    write_blocks(store, ratings, sizes)
    problem = make_problem(store, sizes, settings, None, None)
    peer, best = timed_rounds(bench, store, problem, sizes, settings, bench.repeats + 1)
    of_chain = bench.settings.bayes.model_copy(
        update={"burn_in": 0, "draws": 1, "noise_strength": 0.0, "user_groups": [], "item_groups": []}
    )
    known = Known(
        store, store, best, sizes, bench.settings.model_copy(update={"factorize": settings, "bayes": of_chain})
    )
    chain, clock = open_chain(store.below("chain"), known), _Clock()
    with bench.watched("draws"):
        run_chain(replace(chain, numbers=replace(chain.numbers, draws=bench.repeats + 1)), clock)
    ours = Times(np.diff(clock.ends).tolist())  # without the first draw, which also reads the state before it
    return Result(f"bayes rank {arguments.rank}", ours, peer, facts={"ratings": sizes.train})


@dataclass
class _Clock(Progress):
    """Remembers when each draw of a chain ended."""

    ends: list[float] = field(default_factory=list)

    def update(self, stage: str, **facts: Any) -> None:
        self.ends.append(time.perf_counter())
        super().update(stage, **facts)


def _with_bias(settings: FactorizeSettings, rank: int) -> FactorizeSettings:
    return settings.model_copy(update={"mode": "explicit", "rank": rank, "bias": True, "center": False})


def scale(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Half steps over more and more ratings: time per rating of the largest against the one before it."""
    measured = {}
    for n in arguments.ratings:
        shape = PowerLaw(n // RATINGS_PER_USER, n // RATINGS_PER_ITEM, n)
        settings = like_mllib(bench.settings.factorize, arguments.rank)
        with bench.watched(f"{n} ratings, blocks"):
            problem, sizes, store = prepared(bench, shape, settings, "scale")
        times, _ = timed_rounds(bench, store, problem, sizes, settings, bench.repeats + 1, f"{n} ratings")
        measured[sizes.train] = times
    (few, before), (many, last) = list(measured.items())[-2:]
    points = {str(n): {**times.facts(), "microseconds_per_rating": rounded(times.median / n * 1e6)}
              for n, times in measured.items()}  # fmt: skip
    facts = {
        "points": points,
        "unit": f"one iteration over {many} ratings; the peer is that over {few}, times {many / few:.3g}",
    }
    return Result(f"scale rank {arguments.rank}", last, Times([s * many / few for s in before.seconds]), facts=facts)


def prepared(bench: Bench, shape: PowerLaw, settings: FactorizeSettings, name: str) -> tuple[Problem, Sizes, Tables]:
    """Generated ratings as blocks of both sides, in a fresh folder."""
    store = bench.fresh(name)
    ratings = bench.ratings(shape, f"{name}/generated")
    sizes = bench.sizes(ratings, shape)
    write_blocks(store, ratings, sizes)
    return make_problem(store, sizes, settings, None, None), sizes, store


def skew(bench: Bench, arguments: argparse.Namespace) -> Result:
    """The same number of ratings, one user with 1 % and one item with 10 % of them, against none such."""
    even, settings, times = shape_of(arguments), like_mllib(bench.settings.factorize, arguments.rank), {}
    if even.ratings * HEAVY_USER > even.items or even.ratings * HEAVY_ITEM > even.users:
        raise SettingsError(
            "so skewed ratings do not exist",
            where="benchmark skew",
            expected="items at least 1 % and users at least 10 % of the ratings: each pair is rated once",
            found=f"{even.users} users, {even.items} items, {even.ratings} ratings",
        )
    for name, user, item in (("even", 0.0, 0.0), ("skewed", HEAVY_USER, HEAVY_ITEM)):
        shape = replace(even, heavy_user=user, heavy_item=item)
        problem, sizes, store = prepared(bench, shape, settings, f"skew-{name}")
        times[name], _ = timed_rounds(bench, store, problem, sizes, settings, bench.repeats + 1, name)
        times[name] = times[name].per(sizes.train / shape.ratings)
    return Result(f"skew rank {arguments.rank}", times["skewed"], times["even"])


@dataclass(frozen=True)
class Load:
    """What one iteration, both half steps, has to do.

    Args:
        ratings, users, items, rank: of the problem.
        blocks: of both sides.
        routed_rows: factor rows that travel to blocks one by one, because their table exceeds a broadcast.
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
        """What `TERMS` names, in its order: all but the first two are shared by the cores."""
        row_bytes = self.rank * FLOAT.itemsize
        operations = 2 * self.ratings * self.rank**2 + (self.users + self.items) * self.rank**3 / 3
        gathered = 2 * self.ratings * row_bytes
        moved = 2 * self.ratings * RATING_BYTES + (self.users + self.items) * row_bytes
        shared = (self.blocks, operations, gathered, moved, self.shuffled_rows * row_bytes)
        return np.array([1.0, float(self.shuffled_rows > 0), *(part / self.cores for part in shared)])


RATING_BYTES = 8  # source position and rating, in each side's blocks
TERMS = (  # the last four: n·k² + k³/3; source rows gathered; ratings read and factors written; factor rows routed
    "once", "once_routed", "per_block", "per_operation", "per_gathered_byte", "per_byte", "per_routed_byte",
)  # fmt: skip
POINTS = {  # ratings: (rank, routed) of every point
    2_000_000: ((16, False), (64, False), (128, False), (16, True), (64, True)),
    8_000_000: ((16, False), (64, False), (128, False), (16, True), (64, True)),
    32_000_000: ((64, False), (64, True)),
}
UNSEEN = max(POINTS)  # ratings of the points that are predicted and not fitted
FAR = {"ratings": 1e10, "users": 1e8, "items": 1e6, "rank": 64, "cores": 800}


def cost(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Fits seconds of an iteration to what it has to do, checks it on more ratings, predicts far more of them."""
    points: list[tuple[int, int, bool]] = []
    loads: list[Load] = []
    seconds: list[Times] = []
    for n, ways in POINTS.items():
        shape = PowerLaw(n // RATINGS_PER_USER, n // RATINGS_PER_ITEM, n)
        _, sizes, store = prepared(bench, shape, like_mllib(bench.settings.factorize, ways[0][0]), "cost")
        for rank, shuffled in ways:
            bound = {"broadcast_bytes": 0} if shuffled else {}
            settings = like_mllib(bench.settings.factorize, rank).model_copy(update=bound)
            problem = make_problem(store, sizes, settings, None, None)
            what = f"{n} ratings, rank {rank}{', shuffled' if shuffled else ''}"
            if not points:
                timed_rounds(bench, store.below("warm-up"), problem, sizes, settings, WARM_UP, "warm-up")
            own = store.below(f"rank-{rank}-{'routed' if shuffled else 'broadcast'}")
            times, _ = timed_rounds(bench, own, problem, sizes, settings, bench.repeats + 1, what)
            points.append((n, rank, shuffled))
            loads.append(_load(bench, sizes, rank, problem if shuffled else None))
            seconds.append(times)
    measured = np.array([times.median for times in seconds])
    terms = np.array([load.terms() for load in loads])
    seen = np.array([n != UNSEEN for n, _, _ in points])
    fitted, _ = nnls(terms[seen] / measured[seen, None], np.ones(seen.sum()))  # least relative error
    predicted = terms @ fitted
    far = _far(bench.settings.factorize)
    parts = dict(zip(TERMS, (float(rounded(part)) for part in far.terms() * fitted), strict=True))
    facts: dict[str, Any] = {
        "seconds_per": dict(zip(TERMS, (float(f"{one:.3g}") for one in fitted), strict=True)),
        "points": [
            {"ratings": n, "rank": rank, "routed": shuffled, "measured_s": rounded(m), "model_s": rounded(p)}
            for (n, rank, shuffled), m, p in zip(points, measured, predicted, strict=True)
        ],
        "largest_fitted_error": rounded(float(np.abs(predicted / measured - 1)[seen].max())),
        "unseen_errors": [rounded(float(error)) for error in (predicted / measured - 1)[~seen]],
        "far": {**FAR, "seconds": rounded(float(far.terms() @ fitted)), "seconds_by_term": parts,
                "routed_tb": rounded(far.shuffled_rows * far.rank * FLOAT.itemsize / 1e12)},
    }  # fmt: skip
    unseen = int(np.flatnonzero(~seen)[0])
    return Result("cost model, unseen point", seconds[unseen], Times([float(predicted[unseen])]), facts=facts)


def _load(bench: Bench, sizes: Sizes, rank: int, shuffled: Problem | None) -> Load:
    rows = 0
    if shuffled is not None:
        for side in (shuffled.user, shuffled.item):
            rows += side.ratings.agg(f.sum(f.length("src_ids"))).collect()[0][0] // INT.itemsize
    cores = bench.spark.sparkContext.defaultParallelism
    return Load(sizes.train, sizes.users, sizes.items, rank, sizes.user_blocks + sizes.item_blocks, rows, cores)


def _far(settings: FactorizeSettings) -> Load:
    """Users' factors exceed a broadcast there, so that items' blocks get theirs row by row: one per rating at most."""
    blocks = sum(num_blocks(int(FAR[side]), int(FAR["ratings"]), settings) for side in ("users", "items"))
    return Load(FAR["ratings"], FAR["users"], FAR["items"], int(FAR["rank"]), blocks, FAR["ratings"], int(FAR["cores"]))
