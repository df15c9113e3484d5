"""The normal equation of one row: gather its ratings, sum them, factor, solve. Compiled.

The equation of the latent coordinates is kept in tiles (tiles.py). The bias coordinate would cost a whole row
of tiles; it is bordered instead: with A = L Lᵀ for the latent part, one more forward substitution gives its
row of L. Ratings are gathered PANEL at a time, so that the panel stays in the first-level cache.
Sums are float32; those that several rows share are float64 (kernels.py).

The equation A x = b, divided by the noise precision alpha, is also the posterior N(A⁻¹ b, A⁻¹ / alpha) of the row.
A draw from it costs one addition: with y = L⁻¹ b and standard normal z, x = L⁻ᵀ (y + z / √alpha).

What a row minimises, 1/2 (xᵀ A x − 2 bᵀ x + C) with C from its ratings alone, is 1/2 (C − yᵀ y + zᵀ z / alpha) at x.
Without the prior's and the unobserved pairs' own terms, xᵀ H x − 2 hᵀ x, that is the squared error of the row's
ratings: they need not be read a second time for it.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numba
import numpy as np

from bgmrec.factorize.kernels.tiles import (
    WEIGHT_RHS,
    WEIGHT_RHS_STEP,
    factor_tile,
    multiply_tile,
    multiply_weight_rhs,
    solve_tile,
)
from bgmrec.factorize.kernels.vectors import LANES, row_add, row_dot, row_scale

PANEL = 64
ONE = np.float32(1)

_njit = partial(numba.njit, cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
compiled = _njit()
# where a call for every LANES ratings costs more than what it does: arrays are counted, and passed field by field
inlined = _njit(inline="always")


class Source(NamedTuple):
    """The fixed side: float32 (n, stride), flat, the bias last where stride is rank + 1; and the mean."""

    table: np.ndarray
    stride: int
    rank: int
    mean: float


class Rated(NamedTuple):
    """Ratings of one row: int32 rows of the source, float32 ratings and weights (empty: all 1)."""

    rows: np.ndarray
    ratings: np.ndarray
    weights: np.ndarray


class AllPairs(NamedTuple):
    """alpha0 of every unobserved pair, and what all source rows add to every equation: float32, padded as Room is."""

    weight: float
    latent: np.ndarray  # (size, size), flat: alpha0 Σ v vᵀ
    bias_column: np.ndarray  # (2, size), flat: alpha0 [Σ v, −Σ (mean + b) v]
    bias_diagonal: float  # alpha0 · the number of source rows
    rhs: float  # −alpha0 Σ (mean + b)


class Precision(NamedTuple):
    """P of the rows' prior N(m_i, (s_i P)⁻¹): float32, padded as Room is, 1 on the padded diagonal; bias apart."""

    latent: np.ndarray  # (size, size), flat
    bias_column: np.ndarray  # (size,): the bias coordinate's row
    bias_diagonal: float  # and its diagonal element


class Workspace(NamedTuple):
    """Room to work in, once per block; `size` is the rank rounded up to whole vectors."""

    size: int
    panel: np.ndarray  # (PANEL, size): the source rows of up to PANEL ratings
    weighted: np.ndarray  # the same times their weights; empty where all weights are 1
    weight_rhs: np.ndarray  # (PANEL, BORDER): weight and right side of each rating
    gram: np.ndarray  # (size, size)
    bias_column: np.ndarray  # (2, size): the bias coordinate's row of the matrix, and the right side
    inverse: np.ndarray  # (size,): 1 / the diagonal of L
    solution: np.ndarray  # (size,)
    scores: np.ndarray  # (LANES,)


@compiled
def aligned(n: int) -> np.ndarray:
    """Zeros, float32 (n,)."""
    # on a cache line's border: a vector that crosses two lines costs twice
    raw = np.zeros(n + 16, dtype=np.float32)
    skip = (-(raw.ctypes.data // 4)) % 16
    return raw[skip : skip + n]


@compiled
def make_workspace(rank: int, weighted: bool) -> Workspace:
    """Zeroed arrays for rows of one rank."""
    size = -(-rank // LANES) * LANES
    return Workspace(
        size,
        aligned(PANEL * size),
        aligned(PANEL * size if weighted else 0),
        aligned(PANEL * WEIGHT_RHS),
        aligned(size * size),
        aligned(2 * size),
        aligned(size),
        aligned(size),
        aligned(LANES),
    )


@compiled
def _gather(
    source: Source, rated: Rated, first: int, end: int, unobserved: float, workspace: Workspace
) -> tuple[float, float, float]:
    """Fills panel, weighted and border with ratings first..end; returns Σ weight, Σ right side and their share of C.

    A rating's right side is w·(r − mean − b). Where unobserved pairs have a weight alpha0, which the Gram matrix
    counts for observed ones as well, it is (w + alpha0)·r − w·(mean + b), and its square (w + alpha0)·r² less
    2 (w + alpha0)·r·(mean + b), plus w·(mean + b)².
    """
    rank, size, stride = source.rank, workspace.size, source.stride
    vectors = rank // LANES
    sum_weight, sum_rhs, sum_square = 0.0, 0.0, 0.0
    for p in range(end - first):
        weight = rated.weights[first + p] if rated.weights.size else ONE
        at = rated.rows[first + p] * stride
        row_scale(workspace.panel, p * size, source.table, at, ONE, vectors)
        for c in range(vectors * LANES, rank):
            workspace.panel[p * size + c] = source.table[at + c]
        if rated.weights.size:
            row_scale(workspace.weighted, p * size, workspace.panel, p * size, weight, size // LANES)
        offset = source.mean + source.table[at + rank] if stride > rank else source.mean
        rating = rated.ratings[first + p]
        error = rating - offset
        rhs = weight * error + unobserved * rating
        workspace.weight_rhs[p * WEIGHT_RHS] = weight
        workspace.weight_rhs[p * WEIGHT_RHS + 1] = rhs
        sum_weight += float(weight)
        sum_rhs += rhs
        sum_square += float(weight * error) * error + unobserved * rating * (error - offset)
    for p in range((end - first) * WEIGHT_RHS, -(-(end - first) // WEIGHT_RHS_STEP) * WEIGHT_RHS_STEP * WEIGHT_RHS):
        workspace.weight_rhs[p] = 0
    return sum_weight, sum_rhs, sum_square


@compiled
def add_ratings(source: Source, rated: Rated, unobserved: float, workspace: Workspace) -> tuple[float, float, float]:
    """gram += Σ w v vᵀ, edge += [Σ w v, Σ right v]; returns Σ w and Σ right, the bias coordinate's share, and C."""
    size = workspace.size
    sum_weight, sum_rhs, sum_square = 0.0, 0.0, 0.0
    for first in range(0, rated.rows.size, PANEL):
        end = min(first + PANEL, rated.rows.size)
        sums = _gather(source, rated, first, end, unobserved, workspace)
        sum_weight, sum_rhs, sum_square = sum_weight + sums[0], sum_rhs + sums[1], sum_square + sums[2]
        left = workspace.weighted if rated.weights.size else workspace.panel
        for j in range(0, size, LANES):
            for i in range(j, size, LANES):
                multiply_tile(
                    workspace.gram, j * size + i, size, left, i, size, workspace.panel, j, size, end - first, ONE
                )
            multiply_weight_rhs(
                workspace.bias_column,
                j,
                size,
                workspace.panel,
                j,
                size,
                workspace.weight_rhs,
                0,
                WEIGHT_RHS,
                end - first,
                ONE,
            )
    return sum_weight, sum_rhs, sum_square


@compiled
def start(precision: Precision, pull: np.ndarray, scale: float, rank: int, workspace: Workspace) -> tuple[float, float]:
    """gram := s P, edge := s [P's bias row, P m]; returns the bias coordinate's share of both.

    Args:
        pull: float32 (width,), P m.
        scale: s.
    """
    size, factor = workspace.size, np.float32(scale)
    row_scale(workspace.gram, 0, precision.latent, 0, factor, size * size // LANES)
    row_scale(workspace.bias_column, 0, precision.bias_column, 0, factor, size // LANES)
    for c in range(rank):
        workspace.bias_column[size + c] = factor * pull[c]
    workspace.bias_column[size + rank :] = 0
    return scale * precision.bias_diagonal, scale * pull[rank] if pull.size > rank else 0.0


@compiled
def add_all_pairs(pairs: AllPairs, workspace: Workspace) -> tuple[float, float]:
    """gram += alpha0 Σ v vᵀ, edge += alpha0 [Σ v, −Σ (mean + b) v] over all source rows; the bias's share returned."""
    row_add(workspace.gram, 0, pairs.latent, 0, ONE, workspace.gram.size // LANES)
    row_add(workspace.bias_column, 0, pairs.bias_column, 0, ONE, workspace.bias_column.size // LANES)
    return pairs.bias_diagonal, pairs.rhs


@compiled
def _factor(gram: np.ndarray, inverse: np.ndarray, size: int) -> bool:
    """gram = L Lᵀ in place; returns whether it was positive definite."""
    positive = True
    for j in range(0, size, LANES):
        for i in range(j, size, LANES):
            multiply_tile(gram, j * size + i, size, gram, i, size, gram, j, size, j, -ONE)
        positive &= factor_tile(gram, j * size + j, size, inverse, j)
        for i in range(j + LANES, size, LANES):
            solve_tile(gram, j * size + i, j * size + j, size, inverse, j)
    return positive


@compiled
def _forward(workspace: Workspace, at: int) -> None:
    """edge[at : at + size] := L⁻¹ edge[at : at + size]."""
    for p in range(workspace.size):
        solved = workspace.bias_column[at + p] * workspace.inverse[p]
        tile = p - p % LANES
        row_add(
            workspace.bias_column,
            at + tile,
            workspace.gram,
            p * workspace.size + tile,
            -solved,
            (workspace.size - tile) // LANES,
        )
        workspace.bias_column[at + p] = solved


@compiled
def _backward(workspace: Workspace) -> None:
    """solution := L⁻ᵀ (right side)."""
    size = workspace.size
    workspace.solution[:] = 0
    for p in range(size - 1, -1, -1):
        tile = p - p % LANES
        known = row_dot(workspace.gram, p * size + tile, workspace.solution, tile, (size - tile) // LANES)
        workspace.solution[p] = (workspace.bias_column[size + p] - known) * workspace.inverse[p]


@compiled
def solve(
    bias_diagonal: float, rhs: float, biased: bool, noise: np.ndarray, std: float, workspace: Workspace
) -> tuple[bool, float, float]:
    """Solves the bordered equation into `solution`, or draws around it.

    Args:
        corner, right: the bias coordinate's diagonal and right side.
        noise: float32 (width,), z; empty: no draw.
        std: 1 / √alpha.

    Returns:
        (whether the matrix was positive definite, the bias, zᵀ z / alpha − yᵀ y).
    """
    size = workspace.size
    positive = _factor(workspace.gram, workspace.inverse, size)
    _forward(workspace, size)
    bias, latent, level = (
        0.0,
        noise.size,
        -float(row_dot(workspace.bias_column, size, workspace.bias_column, size, size // LANES)),
    )
    if biased:
        _forward(workspace, 0)
        pivot = bias_diagonal - row_dot(workspace.bias_column, 0, workspace.bias_column, 0, size // LANES)
        positive &= pivot > 0
        left = rhs - row_dot(workspace.bias_column, 0, workspace.bias_column, size, size // LANES)
        bias = left / pivot
        level -= left * bias
        if noise.size:
            latent -= 1
            step = std * noise[latent]
            bias += step / math.sqrt(pivot)
            level += step * step
        row_add(workspace.bias_column, size, workspace.bias_column, 0, -bias, size // LANES)
    for c in range(latent):
        step = std * noise[c]
        workspace.bias_column[size + c] += step
        level += step * step
    _backward(workspace)
    return positive, bias, level


@compiled
def apart_from_ratings(
    pairs: AllPairs, precision: Precision, pull: np.ndarray, scale: float, rank: int, bias: float, workspace: Workspace
) -> float:
    """xᵀ H x − 2 hᵀ x of what `start` and `add_all_pairs` put into the equation, at the solution; spoils `edge`."""
    size, factor, vectors = workspace.size, np.float32(scale), workspace.size // LANES
    row_scale(workspace.bias_column, 0, precision.bias_column, 0, np.float32(2 * scale * bias), vectors)
    for c in range(rank):
        row_add(workspace.bias_column, 0, precision.latent, c * size, factor * workspace.solution[c], vectors)
    rhs = 0.0
    for c in range(rank):
        rhs += pull[c] * workspace.solution[c]
    bias_diagonal = scale * precision.bias_diagonal
    if pull.size > rank:
        rhs += pull[rank] * bias
    rhs *= scale
    if pairs.weight > 0:
        row_add(workspace.bias_column, 0, pairs.bias_column, 0, np.float32(2 * bias), vectors)
        for c in range(rank):
            row_add(workspace.bias_column, 0, pairs.latent, c * size, workspace.solution[c], vectors)
        rhs += row_dot(pairs.bias_column, size, workspace.solution, 0, vectors) + pairs.rhs * bias
        bias_diagonal += pairs.bias_diagonal
    return row_dot(workspace.bias_column, 0, workspace.solution, 0, vectors) + bias_diagonal * bias * bias - 2 * rhs
