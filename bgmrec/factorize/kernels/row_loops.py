"""Compiled loops over the rows of a block: solve or draw every row, or score every pair."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bgmrec.factorize.kernels.dots import rows_dot
from bgmrec.factorize.kernels.equation import (
    AllPairs,
    Precision,
    Rated,
    SourceRows,
    Workspace,
    add_all_pairs,
    add_ratings,
    apart_from_ratings,
    compiled,
    inlined,
    make_workspace,
    solve_bordered,
    start,
)
from bgmrec.factorize.kernels.vectors import LANES, row_dot

SOLVED = -1  # returned by solve_rows when it could solve every row


@inlined
def source_dots(
    source: SourceRows, rows: np.ndarray, first: int, count: int, vector: np.ndarray, out: np.ndarray
) -> None:
    """out[first + l] := v_l·vector for the `count` ≤ LANES source rows that begin at `first`.

    Args:
        source: rows of the fixed side.
        rows: their positions in `source`, int32.
        first: the first of them.
        count: their number.
        vector: float32 (size,).
        out: float32; at least LANES elements from `first` on.
    """
    rank, vectors = source.rank, source.rank // LANES
    rows_dot(out, first, source.table, 0, source.stride, rows, first, count, vector, 0, vectors)
    for p in range(first, first + count):
        for c in range(vectors * LANES, rank):
            out[p] += source.table[rows[p] * source.stride + c] * vector[c]


@compiled
def _score(source: SourceRows, rows: np.ndarray, offset: float, workspace: Workspace) -> None:
    """scores[p] := offset + v·solution + b for up to LANES source rows."""
    rank, stride = source.rank, source.stride
    source_dots(source, rows, 0, rows.size, workspace.solution, workspace.scores)
    for p in range(rows.size):
        score = workspace.scores[p] + offset
        workspace.scores[p] = score + source.table[rows[p] * stride + rank] if stride > rank else score


class Draw(NamedTuple):
    """Standard normal z of every row, float32 (n_rows · width), flat, and 1 / √alpha. Empty z: rows are solved."""

    noise: np.ndarray
    std: float


@compiled
def _solve_row(
    source: SourceRows, rated: Rated, pairs: AllPairs, precision: Precision, pull: np.ndarray, scale: float,
    noise: np.ndarray, std: float, workspace: Workspace, out: np.ndarray,
) -> tuple[bool, float]:  # fmt: skip
    """Solves or draws one row; returns (whether it could be solved, squared error)."""
    rank, biased = source.rank, source.stride > source.rank
    bias_diagonal, rhs = start(precision, pull, scale, rank, workspace)
    if pairs.weight > 0:
        weight, of_pairs = add_all_pairs(pairs, workspace)
        bias_diagonal, rhs = bias_diagonal + weight, rhs + of_pairs
    weight, of_ratings, square = add_ratings(source, rated, pairs.weight, workspace)
    positive, bias, level = solve_bordered(bias_diagonal + weight, rhs + of_ratings, biased, noise, std, workspace)
    error = square + level - apart_from_ratings(pairs, precision, pull, scale, rank, bias, workspace)
    if pairs.weight == 0 and error < 0:  # a sum of squares, negative only by rounding
        error = 0.0
    out[:rank] = workspace.solution[:rank]
    if biased:
        out[rank] = bias
    length = row_dot(workspace.solution, 0, workspace.solution, 0, workspace.size // LANES)
    return positive and math.isfinite(error + length + bias * bias), error


@compiled
def solve_rows(
    source: SourceRows,
    offsets: np.ndarray,
    rated: Rated,
    pairs: AllPairs,
    precision: Precision,
    prior: np.ndarray,
    pull: np.ndarray,
    scales: np.ndarray,
    draw: Draw,
    out: np.ndarray,
    errors: np.ndarray,
) -> int:
    """Solves or draws every row of a block; a row without ratings gets its prior mean or a draw from its prior.

    Args:
        source: rows of the fixed side.
        offsets: first rating of each row in `rated`, int64 (n_rows + 1,).
        rated: the ratings of all rows.
        pairs: alpha0 and the sums over all source rows.
        precision: P.
        prior: prior means m_i, float32 (n_rows, width).
        pull: P m_i, float32 (n_rows, width).
        scales: s_i, float64 (n_rows,).
        draw: the noise of a draw, or none.
        out: float32 (n_rows, width); out: the factors.
        errors: float64 (n_rows,); out: Σ (w + alpha0)·(r − r̂)² − alpha0·r̂² over each row's ratings.

    Returns:
        The first row that could not be solved, or SOLVED.
    """
    workspace = make_workspace(source.rank, rated.weights.size > 0)
    width = out.shape[1]
    for row in range(offsets.size - 1):
        first, end = offsets[row], offsets[row + 1]
        noise = draw.noise[row * width : (row + 1) * width]
        if first == end and noise.size == 0:
            out[row] = prior[row]
        else:
            weights = rated.weights[first:end] if rated.weights.size else rated.weights
            of_row = Rated(rated.rows[first:end], rated.ratings[first:end], weights)
            solved, error = _solve_row(
                source, of_row, pairs, precision, pull[row], scales[row], noise, draw.std, workspace, out[row]
            )
            if not solved:
                return row
            errors[row] = error if end > first else 0.0
    return SOLVED


@compiled
def score_rows(source: SourceRows, offsets: np.ndarray, rows: np.ndarray, factors: np.ndarray, out: np.ndarray) -> None:
    """out[p] := mean + u·v + a + b for every pair of a block.

    Args:
        source: rows of the fixed side.
        offsets: first pair of each row, int64 (n_rows + 1,).
        rows: each pair's row in `source`, int32 (pairs,).
        factors: float32 (n_rows, width).
        out: float32 (pairs,).
    """
    workspace = make_workspace(source.rank, False)
    for row in range(offsets.size - 1):
        workspace.solution[: source.rank] = factors[row, : source.rank]
        offset = source.mean + (factors[row, source.rank] if source.stride > source.rank else 0.0)
        for first in range(offsets[row], offsets[row + 1], LANES):
            end = min(first + LANES, offsets[row + 1])
            _score(source, rows[first:end], offset, workspace)
            out[first:end] = workspace.scores[: end - first]
