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

from bgmrec.factorize.kernels.tiles import BORDER, BORDER_STEP, factor_tile, multiply_border, multiply_tile, solve_tile
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
    edge: np.ndarray  # (2, size), flat: alpha0 [Σ v, −Σ (mean + b) v]
    corner: float  # alpha0 · the number of source rows
    right: float  # −alpha0 Σ (mean + b)


class Precision(NamedTuple):
    """P of the rows' prior N(m_i, (s_i P)⁻¹): float32, padded as Room is, 1 on the padded diagonal; bias apart."""

    latent: np.ndarray  # (size, size), flat
    edge: np.ndarray  # (size,): the bias coordinate's row
    corner: float  # and its diagonal element


class Room(NamedTuple):
    """Room to work in, once per block; `size` is the rank rounded up to whole vectors."""

    size: int
    panel: np.ndarray  # (PANEL, size): the source rows of up to PANEL ratings
    weighted: np.ndarray  # the same times their weights; empty where all weights are 1
    border: np.ndarray  # (PANEL, BORDER): weight and right side of each rating
    gram: np.ndarray  # (size, size)
    edge: np.ndarray  # (2, size): the bias coordinate's row of the matrix, and the right side
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
def make_room(rank: int, weighted: bool) -> Room:
    """Zeroed arrays for rows of one rank."""
    size = -(-rank // LANES) * LANES
    return Room(
        size,
        aligned(PANEL * size),
        aligned(PANEL * size if weighted else 0),
        aligned(PANEL * BORDER),
        aligned(size * size),
        aligned(2 * size),
        aligned(size),
        aligned(size),
        aligned(LANES),
    )


@compiled
def _gather(
    source: Source, rated: Rated, first: int, end: int, unobserved: float, room: Room
) -> tuple[float, float, float]:
    """Fills panel, weighted and border with ratings first..end; returns Σ weight, Σ right side and their share of C.

    A rating's right side is w·(r − mean − b). Where unobserved pairs have a weight alpha0, which the Gram matrix
    counts for observed ones as well, it is (w + alpha0)·r − w·(mean + b), and its square (w + alpha0)·r² less
    2 (w + alpha0)·r·(mean + b), plus w·(mean + b)².
    """
    rank, size, stride = source.rank, room.size, source.stride
    vectors = rank // LANES
    sum_weight, sum_right, sum_square = 0.0, 0.0, 0.0
    for p in range(end - first):
        weight = rated.weights[first + p] if rated.weights.size else ONE
        at = rated.rows[first + p] * stride
        row_scale(room.panel, p * size, source.table, at, ONE, vectors)
        for c in range(vectors * LANES, rank):
            room.panel[p * size + c] = source.table[at + c]
        if rated.weights.size:
            row_scale(room.weighted, p * size, room.panel, p * size, weight, size // LANES)
        offset = source.mean + source.table[at + rank] if stride > rank else source.mean
        rating = rated.ratings[first + p]
        error = rating - offset
        right = weight * error + unobserved * rating
        room.border[p * BORDER] = weight
        room.border[p * BORDER + 1] = right
        sum_weight += float(weight)
        sum_right += right
        sum_square += float(weight * error) * error + unobserved * rating * (error - offset)
    for p in range((end - first) * BORDER, -(-(end - first) // BORDER_STEP) * BORDER_STEP * BORDER):
        room.border[p] = 0
    return sum_weight, sum_right, sum_square


@compiled
def add_ratings(source: Source, rated: Rated, unobserved: float, room: Room) -> tuple[float, float, float]:
    """gram += Σ w v vᵀ, edge += [Σ w v, Σ right v]; returns Σ w and Σ right, the bias coordinate's share, and C."""
    size = room.size
    sum_weight, sum_right, sum_square = 0.0, 0.0, 0.0
    for first in range(0, rated.rows.size, PANEL):
        end = min(first + PANEL, rated.rows.size)
        sums = _gather(source, rated, first, end, unobserved, room)
        sum_weight, sum_right, sum_square = sum_weight + sums[0], sum_right + sums[1], sum_square + sums[2]
        left = room.weighted if rated.weights.size else room.panel
        for j in range(0, size, LANES):
            for i in range(j, size, LANES):
                multiply_tile(room.gram, j * size + i, size, left, i, size, room.panel, j, size, end - first, ONE)
            multiply_border(room.edge, j, size, room.panel, j, size, room.border, 0, BORDER, end - first, ONE)
    return sum_weight, sum_right, sum_square


@compiled
def start(precision: Precision, pull: np.ndarray, scale: float, rank: int, room: Room) -> tuple[float, float]:
    """gram := s P, edge := s [P's bias row, P m]; returns the bias coordinate's share of both.

    Args:
        pull: float32 (width,), P m.
        scale: s.
    """
    size, factor = room.size, np.float32(scale)
    row_scale(room.gram, 0, precision.latent, 0, factor, size * size // LANES)
    row_scale(room.edge, 0, precision.edge, 0, factor, size // LANES)
    for c in range(rank):
        room.edge[size + c] = factor * pull[c]
    room.edge[size + rank :] = 0
    return scale * precision.corner, scale * pull[rank] if pull.size > rank else 0.0


@compiled
def add_all_pairs(pairs: AllPairs, room: Room) -> tuple[float, float]:
    """gram += alpha0 Σ v vᵀ, edge += alpha0 [Σ v, −Σ (mean + b) v] over all source rows; the bias's share returned."""
    row_add(room.gram, 0, pairs.latent, 0, ONE, room.gram.size // LANES)
    row_add(room.edge, 0, pairs.edge, 0, ONE, room.edge.size // LANES)
    return pairs.corner, pairs.right


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
def _forward(room: Room, at: int) -> None:
    """edge[at : at + size] := L⁻¹ edge[at : at + size]."""
    for p in range(room.size):
        solved = room.edge[at + p] * room.inverse[p]
        tile = p - p % LANES
        row_add(room.edge, at + tile, room.gram, p * room.size + tile, -solved, (room.size - tile) // LANES)
        room.edge[at + p] = solved


@compiled
def _backward(room: Room) -> None:
    """solution := L⁻ᵀ (right side)."""
    size = room.size
    room.solution[:] = 0
    for p in range(size - 1, -1, -1):
        tile = p - p % LANES
        known = row_dot(room.gram, p * size + tile, room.solution, tile, (size - tile) // LANES)
        room.solution[p] = (room.edge[size + p] - known) * room.inverse[p]


@compiled
def solve(
    corner: float, right: float, biased: bool, noise: np.ndarray, std: float, room: Room
) -> tuple[bool, float, float]:
    """Solves the bordered equation into `solution`, or draws around it.

    Args:
        corner, right: the bias coordinate's diagonal and right side.
        noise: float32 (width,), z; empty: no draw.
        std: 1 / √alpha.

    Returns:
        (whether the matrix was positive definite, the bias, zᵀ z / alpha − yᵀ y).
    """
    size = room.size
    positive = _factor(room.gram, room.inverse, size)
    _forward(room, size)
    bias, latent, level = 0.0, noise.size, -float(row_dot(room.edge, size, room.edge, size, size // LANES))
    if biased:
        _forward(room, 0)
        pivot = corner - row_dot(room.edge, 0, room.edge, 0, size // LANES)
        positive &= pivot > 0
        left = right - row_dot(room.edge, 0, room.edge, size, size // LANES)
        bias = left / pivot
        level -= left * bias
        if noise.size:
            latent -= 1
            step = std * noise[latent]
            bias += step / math.sqrt(pivot)
            level += step * step
        row_add(room.edge, size, room.edge, 0, -bias, size // LANES)
    for c in range(latent):
        step = std * noise[c]
        room.edge[size + c] += step
        level += step * step
    _backward(room)
    return positive, bias, level


@compiled
def apart_from_ratings(
    pairs: AllPairs, precision: Precision, pull: np.ndarray, scale: float, rank: int, bias: float, room: Room
) -> float:
    """xᵀ H x − 2 hᵀ x of what `start` and `add_all_pairs` put into the equation, at the solution; spoils `edge`."""
    size, factor, vectors = room.size, np.float32(scale), room.size // LANES
    row_scale(room.edge, 0, precision.edge, 0, np.float32(2 * scale * bias), vectors)
    for c in range(rank):
        row_add(room.edge, 0, precision.latent, c * size, factor * room.solution[c], vectors)
    right = 0.0
    for c in range(rank):
        right += pull[c] * room.solution[c]
    corner = scale * precision.corner
    if pull.size > rank:
        right += pull[rank] * bias
    right *= scale
    if pairs.weight > 0:
        row_add(room.edge, 0, pairs.edge, 0, np.float32(2 * bias), vectors)
        for c in range(rank):
            row_add(room.edge, 0, pairs.latent, c * size, room.solution[c], vectors)
        right += row_dot(pairs.edge, size, room.solution, 0, vectors) + pairs.right * bias
        corner += pairs.corner
    return row_dot(room.edge, 0, room.solution, 0, vectors) + corner * bias * bias - 2 * right
