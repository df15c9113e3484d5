"""Compiled normal equation of one row: gather its ratings, sum them, factor the matrix, solve or draw.

The matrix of the latent coordinates is kept in tiles (tiles.py). The bias coordinate would cost a whole row of tiles
and is therefore bordered: with A = L Lᵀ for the latent part, one more forward substitution gives the bias row of L.
Ratings are gathered PANEL at a time, so that the panel stays in the first-level cache. Sums over the ratings of a row
are float32, sums over rows float64.

The equation A x = b of a row, divided by the noise precision alpha, also gives the posterior N(A⁻¹ b, A⁻¹ / alpha) of
the row. A draw from it costs one addition: with y = L⁻¹ b and standard normal z, x = L⁻ᵀ (y + z / √alpha).

A row minimises 1/2 (xᵀ A x − 2 bᵀ x + C), where C depends on its ratings only; at x this is
1/2 (C − yᵀ y + zᵀ z / alpha). Subtracting the terms of the prior and of the unobserved pairs, xᵀ H x − 2 hᵀ x, leaves
the squared error of the row's ratings without reading them a second time.
"""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np

from bgmrec.factorize.kernels.kernel_cache import njit
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

_njit = partial(njit, error_model="numpy", fastmath={"contract"})
compiled = _njit()
# for functions called for every LANES ratings: numba counts references of arrays and passes tuples field by field,
# which costs more than such a function itself
inlined = _njit(inline="always")


class SourceRows(NamedTuple):
    """Rows of the fixed side, float32 (n, stride), flat; the bias comes last where stride is rank + 1; and the mean."""

    table: np.ndarray
    stride: int
    rank: int
    mean: float


class Rated(NamedTuple):
    """Ratings of one row: int32 rows of the source, float32 ratings, float32 weights (empty: all weights are 1)."""

    rows: np.ndarray
    ratings: np.ndarray
    weights: np.ndarray


class AllPairs(NamedTuple):
    """alpha0, and what all source rows add to every equation; float32, padded to `Workspace.size`."""

    weight: float
    latent: np.ndarray  # (size, size), flat: alpha0 Σ v vᵀ
    bias_column: np.ndarray  # (2, size), flat: alpha0 [Σ v, −Σ (mean + b) v]
    bias_diagonal: float  # alpha0 · the number of source rows
    rhs: float  # −alpha0 Σ (mean + b)


class Precision(NamedTuple):
    """P of the rows' prior N(m_i, (s_i P)⁻¹); float32, padded to `Workspace.size` with a diagonal of 1."""

    latent: np.ndarray  # (size, size), flat
    bias_column: np.ndarray  # (size,): the bias coordinate's row of P
    bias_diagonal: float  # the bias coordinate's diagonal element of P


class Workspace(NamedTuple):
    """Working arrays, allocated once per block; `size` is the rank rounded up to LANES."""

    size: int
    panel: np.ndarray  # (PANEL, size): the source rows of up to PANEL ratings
    weighted: np.ndarray  # (PANEL, size): the panel times the weights; empty where all weights are 1
    weight_rhs: np.ndarray  # (PANEL, WEIGHT_RHS): weight and right-hand side of each rating
    gram: np.ndarray  # (size, size)
    bias_column: np.ndarray  # (2, size): the bias coordinate's row of the matrix, and the right-hand side
    inverse: np.ndarray  # (size,): 1 / the diagonal of L
    solution: np.ndarray  # (size,)
    scores: np.ndarray  # (LANES,)


@compiled
def aligned_zeros(n: int) -> np.ndarray:
    """Zeros, float32 (n,), that begin at a cache line."""
    # a vector that crosses two cache lines costs twice
    raw = np.zeros(n + 16, dtype=np.float32)
    skip = (-(raw.ctypes.data // 4)) % 16
    return raw[skip : skip + n]


@compiled
def make_workspace(rank: int, weighted: bool) -> Workspace:
    """Zeroed working arrays.

    Args:
        rank: latent dimension.
        weighted: whether ratings have weights.
    """
    size = -(-rank // LANES) * LANES
    return Workspace(
        size,
        aligned_zeros(PANEL * size),
        aligned_zeros(PANEL * size if weighted else 0),
        aligned_zeros(PANEL * WEIGHT_RHS),
        aligned_zeros(size * size),
        aligned_zeros(2 * size),
        aligned_zeros(size),
        aligned_zeros(size),
        aligned_zeros(LANES),
    )


@compiled
def _gather(
    source: SourceRows, rated: Rated, first: int, end: int, unobserved: float, workspace: Workspace
) -> tuple[float, float, float]:
    """Fills panel, weighted and weight_rhs with ratings first … end; returns Σ weight, Σ rhs and their part of C.

    The right-hand side of a rating is w·(r − mean − b). With unobserved pairs of weight alpha0, which the Gram matrix
    of all source rows also counts for observed pairs, it is (w + alpha0)·r − w·(mean + b), and the rating's part of C
    is (w + alpha0)·r² − 2 (w + alpha0)·r·(mean + b) + w·(mean + b)².
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
def add_ratings(
    source: SourceRows, rated: Rated, unobserved: float, workspace: Workspace
) -> tuple[float, float, float]:
    """gram += Σ w v vᵀ, bias_column += [Σ w v, Σ rhs v]; returns (Σ w, Σ rhs, C): the bias's share, and C.

    Args:
        source: rows of the fixed side.
        rated: ratings of the row.
        unobserved: alpha0.
        workspace: working arrays of the block.
    """
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
    """gram := s P, bias_column := s [P's bias row, P m]; returns the bias coordinate's (diagonal, rhs).

    Args:
        precision: P.
        pull: P m, float32 (width,).
        scale: s.
        rank: latent dimension.
        workspace: working arrays of the block.
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
    """gram += alpha0 Σ v vᵀ, bias_column += alpha0 [Σ v, −Σ (mean + b) v] over all source rows.

    Args:
        pairs: the sums over all source rows.
        workspace: working arrays of the block.

    Returns:
        The bias coordinate's (diagonal, rhs).
    """
    row_add(workspace.gram, 0, pairs.latent, 0, ONE, workspace.gram.size // LANES)
    row_add(workspace.bias_column, 0, pairs.bias_column, 0, ONE, workspace.bias_column.size // LANES)
    return pairs.bias_diagonal, pairs.rhs


@compiled
def _factor(gram: np.ndarray, inverse: np.ndarray, size: int) -> bool:
    """Replaces gram by its factor L of gram = L Lᵀ; returns whether gram was positive definite."""
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
    """bias_column[at : at + size] := L⁻¹ bias_column[at : at + size]."""
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
    """solution := L⁻ᵀ rhs."""
    size = workspace.size
    workspace.solution[:] = 0
    for p in range(size - 1, -1, -1):
        tile = p - p % LANES
        solved = row_dot(workspace.gram, p * size + tile, workspace.solution, tile, (size - tile) // LANES)
        workspace.solution[p] = (workspace.bias_column[size + p] - solved) * workspace.inverse[p]


@compiled
def solve_bordered(
    bias_diagonal: float, rhs: float, biased: bool, noise: np.ndarray, std: float, workspace: Workspace
) -> tuple[bool, float, float]:
    """Writes the solution of the bordered equation, or a draw around it, to `workspace.solution`.

    Args:
        bias_diagonal: the bias coordinate's diagonal element.
        rhs: the bias coordinate's right-hand side.
        biased: whether the model has a bias.
        noise: z, float32 (width,); empty: solve, no draw.
        std: 1 / √alpha.
        workspace: working arrays of the block.

    Returns:
        (whether the matrix was positive definite, the bias, zᵀ z / alpha − yᵀ y)
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
        remainder = rhs - row_dot(workspace.bias_column, 0, workspace.bias_column, size, size // LANES)
        bias = remainder / pivot
        level -= remainder * bias
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
    """xᵀ H x − 2 hᵀ x at the solution, for what `start` and `add_all_pairs` added; overwrites bias_column.

    Args:
        pairs: sums over all source rows.
        precision: P.
        pull: P m, float32 (width,).
        scale: s.
        rank: latent dimension.
        bias: the solution's bias.
        workspace: working arrays of the block.
    """
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
