"""Compiled conjugate gradients over the rows of a block, in the basis of conjugate.py.

For row i with design rows d, ratings Ω and diagonal D = s_i + shared, the equation is

    (D + Σ_Ω w d dᵀ) y = rhs + s_i m + Σ_Ω [(w + alpha0) r − w o] d

and D is the preconditioner. A step costs one pass over the row's ratings: the dot product of each design row with
the direction, and its share of the sum while the row is in the first-level cache. The scores are updated with each
step, so that the squared error of the result needs no further pass. Vectors and sums are float32, the squared error
is float64.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bgmrec.factorize.kernels.dots import rows_add
from bgmrec.factorize.kernels.equation import ONE, Rated, SourceRows, aligned_zeros, compiled, inlined
from bgmrec.factorize.kernels.row_loops import SOLVED, source_dots
from bgmrec.factorize.kernels.vectors import LANES, row_add, row_dot, row_multiply, row_scale

_CONVERGED = 1e-20  # rᵀ D⁻¹ r below this is rounding error


class Shared(NamedTuple):
    """The part of the equation that all rows share, float32 (size,); `size` is the width rounded up to LANES."""

    diagonal: np.ndarray
    rhs: np.ndarray


class Vectors(NamedTuple):
    """Working arrays, allocated once per block: float32 (size,) except where another shape is given."""

    solution: np.ndarray
    residual: np.ndarray
    direction: np.ndarray
    product: np.ndarray  # of the matrix and the direction
    diagonal: np.ndarray
    inverse: np.ndarray  # 1 / diagonal
    preconditioned: np.ndarray  # inverse · residual
    scores: np.ndarray  # (ratings of the longest row, rounded up to LANES): d·solution
    steps: np.ndarray  # same shape: d·direction
    scales: np.ndarray  # (LANES,)


@compiled
def _make_vectors(size: int, longest: int) -> Vectors:
    ratings = -(-longest // LANES) * LANES
    return Vectors(
        aligned_zeros(size), aligned_zeros(size), aligned_zeros(size), aligned_zeros(size), aligned_zeros(size),
        aligned_zeros(size), aligned_zeros(size),
        aligned_zeros(ratings), aligned_zeros(ratings), aligned_zeros(LANES),
    )  # fmt: skip


@inlined
def _add(source: SourceRows, rows: np.ndarray, first: int, count: int, scales: np.ndarray, target: np.ndarray) -> None:
    """target += Σ_l scales[l] · d_l over the ratings first … first + count."""
    rank, vectors = source.rank, source.rank // LANES
    rows_add(target, 0, source.table, 0, source.stride, rows, first, count, scales, 0, vectors)
    for p in range(count):
        for c in range(vectors * LANES, rank):
            target[c] += source.table[rows[first + p] * source.stride + c] * scales[p]


@inlined
def _offset(source: SourceRows, row: int) -> float:
    return source.mean + source.table[row * source.stride + source.rank] if source.stride > source.rank else source.mean


@compiled
def _add_residual(source: SourceRows, rated: Rated, unobserved: float, workspace: Vectors) -> None:
    """residual += Σ [(w + alpha0) r − w (o + d·solution)] d; scores := d·solution."""
    for first in range(0, rated.rows.size, LANES):
        count = min(LANES, rated.rows.size - first)
        source_dots(source, rated.rows, first, count, workspace.solution, workspace.scores)
        for p in range(count):
            weight = rated.weights[first + p] if rated.weights.size else ONE
            rating, score = (
                rated.ratings[first + p],
                _offset(source, rated.rows[first + p]) + workspace.scores[first + p],
            )
            workspace.scales[p] = weight * (rating - score) + unobserved * rating
        _add(source, rated.rows, first, count, workspace.scales, workspace.residual)


@compiled
def _multiply(source: SourceRows, rated: Rated, workspace: Vectors) -> None:
    """product := (D + Σ w d dᵀ) direction; steps := d·direction."""
    row_multiply(workspace.product, 0, workspace.diagonal, 0, workspace.direction, 0, workspace.product.size // LANES)
    for first in range(0, rated.rows.size, LANES):
        count = min(LANES, rated.rows.size - first)
        source_dots(source, rated.rows, first, count, workspace.direction, workspace.steps)
        for p in range(count):
            workspace.scales[p] = workspace.steps[first + p] * (rated.weights[first + p] if rated.weights.size else ONE)
        _add(source, rated.rows, first, count, workspace.scales, workspace.product)


@compiled
def _precondition(workspace: Vectors) -> float:
    """preconditioned := D⁻¹ r for the residual r; returns rᵀ D⁻¹ r."""
    vectors = workspace.residual.size // LANES
    row_multiply(workspace.preconditioned, 0, workspace.inverse, 0, workspace.residual, 0, vectors)
    return row_dot(workspace.preconditioned, 0, workspace.residual, 0, vectors)


@compiled
def _pair_error(rating: float, score: float, weight: float | np.float32, unobserved: float) -> float:
    """(w + alpha0)·(r − r̂)² − alpha0·r̂²."""
    error = rating - score
    return float((weight + unobserved) * error * error - unobserved * score * score)


@compiled
def _error(source: SourceRows, rated: Rated, unobserved: float, scores: np.ndarray) -> float:
    """Σ (w + alpha0)·(r − r̂)² − alpha0·r̂² over the ratings of one row."""
    total = 0.0
    for p in range(rated.rows.size):
        weight = rated.weights[p] if rated.weights.size else ONE
        total += _pair_error(rated.ratings[p], scores[p] + _offset(source, rated.rows[p]), weight, unobserved)
    return total


@compiled
def _descend(
    source: SourceRows, rated: Rated, unobserved: float, rhs: np.ndarray, mean: np.ndarray, scale: float, steps: int,
    workspace: Vectors,
) -> float:  # fmt: skip
    """Takes at most `steps` steps from `solution`; returns the squared error of the result."""
    vectors = workspace.solution.size // LANES
    row_multiply(workspace.residual, 0, workspace.diagonal, 0, workspace.solution, 0, vectors)
    row_scale(workspace.residual, 0, workspace.residual, 0, -ONE, vectors)
    row_add(workspace.residual, 0, rhs, 0, ONE, vectors)
    for c in range(mean.size):
        workspace.residual[c] += scale * mean[c]
    _add_residual(source, rated, unobserved, workspace)
    residual_norm, ratio = _precondition(workspace), 0.0
    row_scale(workspace.direction, 0, workspace.direction, 0, np.float32(0), vectors)
    for _ in range(steps):
        if residual_norm < _CONVERGED:
            break
        row_scale(workspace.direction, 0, workspace.direction, 0, np.float32(ratio), vectors)
        row_add(workspace.direction, 0, workspace.preconditioned, 0, ONE, vectors)
        _multiply(source, rated, workspace)
        length = np.float32(residual_norm / row_dot(workspace.direction, 0, workspace.product, 0, vectors))
        row_add(workspace.solution, 0, workspace.direction, 0, length, vectors)
        row_add(workspace.residual, 0, workspace.product, 0, -length, vectors)
        row_add(workspace.scores, 0, workspace.steps, 0, length, -(-rated.rows.size // LANES))
        before, residual_norm = residual_norm, _precondition(workspace)
        ratio = residual_norm / before
    return _error(source, rated, unobserved, workspace.scores)


@compiled
def descend_rows(
    source: SourceRows,
    offsets: np.ndarray,
    rated: Rated,
    unobserved: float,
    shared: Shared,
    means: np.ndarray,
    scales: np.ndarray,
    steps: int,
    out: np.ndarray,
    errors: np.ndarray,
) -> int:
    """Takes conjugate gradient steps for every row that has ratings.

    Args:
        source: design rows d, each followed by the bias b of o = mean + b where the model has one.
        offsets: first rating of each row in `rated`, int64 (n_rows + 1,).
        rated: the ratings of all rows.
        unobserved: alpha0.
        shared: the part of the equation that all rows share.
        means: prior means m_i, float32 (n_rows, width).
        scales: s_i, float64 (n_rows,).
        steps: the largest number of steps.
        out: float32 (n_rows, width); in: where each row starts, out: its result.
        errors: float64 (n_rows,); out: Σ (w + alpha0)·(r − r̂)² − alpha0·r̂² over each row's ratings.

    Returns:
        The first row whose result is not finite, or SOLVED.
    """
    width, size = out.shape[1], shared.diagonal.size
    workspace = _make_vectors(size, np.max(offsets[1:] - offsets[:-1]) if offsets.size > 1 else 0)
    for row in range(offsets.size - 1):
        first, end = offsets[row], offsets[row + 1]
        if first == end:
            continue
        weights = rated.weights[first:end] if rated.weights.size else rated.weights
        of_row = Rated(rated.rows[first:end], rated.ratings[first:end], weights)
        for c in range(size):
            workspace.diagonal[c] = shared.diagonal[c] + scales[row]
            workspace.inverse[c] = ONE / workspace.diagonal[c]
        workspace.solution[:width] = out[row]
        error = _descend(source, of_row, unobserved, shared.rhs, means[row], scales[row], steps, workspace)
        length = row_dot(workspace.solution, 0, workspace.solution, 0, size // LANES)
        if not math.isfinite(error + length):
            return row
        out[row], errors[row] = workspace.solution[:width], error
    return SOLVED
