"""Benchmark of the compiled solver on one thread, against matrix multiplication in the same process."""

from __future__ import annotations

import argparse

import numpy as np
from threadpoolctl import threadpool_limits

from bgmrec.bench.harness import Bench, Result, Times, rounded
from bgmrec.factorize.kernels.layout import RatingBlock, build_block
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import solve_block
from bgmrec.factorize.kernels.terms import Regularisation
from bgmrec.storage.arrays import FLOAT
from bgmrec.synthetic.power_law import CHUNK, PowerLaw, chunk_ratings, item_shares

GEMM = 2048  # rows and columns of the matrices of sgemm
CHECKED_ROWS = 50  # compared with a solution in float64
REG = 0.05  # times the number of ratings of the row


def kernel(bench: Bench, arguments: argparse.Namespace) -> Result:
    """FLOP rate of the solver on one thread, n·k² + k³/3 per row, against sgemm's in the same process.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    rank = arguments.rank
    users, items, ratings = _generated(PowerLaw(20 * CHUNK, arguments.items, 20 * CHUNK * 100))
    random = np.random.default_rng(1)
    shape, regularisation = ModelShape(rank), Regularisation(REG, 0.0, 1.0)
    sides = []
    for dst, src in ((users, items), (items, users)):
        block = build_block(0, 1, int(dst.max()) + 1, dst, src, ratings, np.ones(len(dst), FLOAT))
        table = random.normal(0, 0.1, (int(src.max()) + 1, rank)).astype(FLOAT)
        sides.append((block, table, block.src_ids[block.src_pos]))
    operations = sum(_operations(block, rank) for block, _, _ in sides)
    left, right = (random.normal(size=(GEMM, GEMM)).astype(FLOAT) for _ in range(2))
    with threadpool_limits(1):
        solved = [solve_block(*side, None, shape, regularisation) for side in sides]  # compiles
        ours = bench.timed("ours", lambda _: [solve_block(*side, None, shape, regularisation) for side in sides])
        left @ right  # fills caches
        gemm = bench.timed("sgemm", lambda _: left @ right)
    rate, peak = operations / ours.median, 2.0 * GEMM**3 / gemm.median
    peer = Times([operations * seconds / (2.0 * GEMM**3) for seconds in gemm.seconds])  # the same work at sgemm's rate
    error = max(_error(*side, solution.factors, rank) for side, solution in zip(sides, solved, strict=True))
    facts = {
        "rate": {"unit": "GFLOP/s on one thread", "ours": rounded(rate / 1e9), "peer": rounded(peak / 1e9)},
        "quality": "largest relative difference to a float64 solution",
    }
    return Result(f"kernel rank {rank}", "solving both sides", "sgemm", ours, peer, error, None, facts)


def _generated(shape: PowerLaw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    popularity = item_shares(shape)
    parts = [chunk_ratings(shape, chunk, popularity) for chunk in range(-(-shape.users // CHUNK))]
    users, items, ratings = (np.concatenate(column) for column in zip(*parts, strict=True))
    return users, items, ratings


def _operations(block: RatingBlock, rank: int) -> float:
    return float(block.row_offsets[-1]) * rank**2 + block.n_rows * rank**3 / 3


def _error(block: RatingBlock, table: np.ndarray, positions: np.ndarray, solved: np.ndarray, rank: int) -> float:
    """The largest ‖x − x*‖ / ‖x*‖ of some rows, with x* solved in float64."""
    largest = 0.0
    for row in np.linspace(0, block.n_rows - 1, CHECKED_ROWS).astype(int):
        ratings = slice(block.row_offsets[row], block.row_offsets[row + 1])
        design = table[positions[ratings]].astype(np.float64)
        if not len(design):
            continue
        matrix = design.T @ design + REG * len(design) * np.eye(rank)
        exact = np.linalg.solve(matrix, design.T @ block.ratings[ratings].astype(np.float64))
        largest = max(largest, float(np.linalg.norm(solved[row] - exact) / np.linalg.norm(exact)))
    return largest
