"""One block of a half step over arrays: from ratings and the fixed side's factors to solved or drawn factors.

Row i has ratings Ω_i, n_i = |Ω_i|, and the prior N(m_i, (s_i P)⁻¹) with s_i = (n_i + alpha0·n_src)^exponent. A source
row gives the design row d = [v, 1] (the 1 only with bias) and the offset o = mean + b. The normal equation is

    (Σ_Ω w d dᵀ + alpha0 Σ_all d dᵀ + s_i P) x_i = Σ_Ω [(w + alpha0) r − w o] d − alpha0 Σ_all o d + s_i P m_i

P is any positive definite matrix over the latent coordinates and the bias; MAP has P = diag(reg, …, bias_reg).
Everything is divided by the noise precision alpha of the ratings, so that a sampler's prior precision Λ is
P = Λ / alpha here, and the row's posterior is N(A⁻¹ b, A⁻¹ / alpha) for the equation A x = b above.

Explicit mode is alpha0 = 0. In implicit mode r is the preference, w the confidence beyond alpha0, and every
unobserved pair has preference 0 and weight alpha0. The solution minimises 1/2 (squared_error + penalty), with

    squared_error = Σ_i { Σ_Ω [(w + alpha0) (r − r̂)² − alpha0 r̂²] + alpha0 Σ_all r̂² }
    penalty       = Σ_i s_i (x_i − m_i)ᵀ P (x_i − m_i)

A row without ratings is cold: it gets exactly its prior mean. In implicit mode its unobserved pairs do not change it;
they stay in squared_error as constants. The half steps of both sides have the same squared_error.

Source: Hu, Koren, Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008; Rendle et al.,
Revisiting the Performance of iALS on Item Recommendation Benchmarks, RecSys 2022.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.errors import TrainingError
from bgmrec.factorize.kernels.equation import AllPairs, Precision, Rated, SourceRows
from bgmrec.factorize.kernels.layout import RatingBlock, block_idx
from bgmrec.factorize.kernels.noise import normal_numbers
from bgmrec.factorize.kernels.row_loops import SOLVED, Draw, score_rows, solve_rows
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import (
    Regularisation,
    SolvedBlock,
    Unobserved,
    design_sums,
    row_scales,
    solved_block,
)
from bgmrec.factorize.kernels.vectors import LANES

_NO_PAIRS = np.zeros(0, np.float32)
_NO_NOISE = np.zeros(0)


@dataclass(frozen=True)
class Noise:
    """The noise of a draw: a function of these numbers, the entity and the coordinate.

    Args:
        seed: seed of the run.
        round: number of the draw.
        side: USER_SIDE or ITEM_SIDE.
        std: 1 / √alpha.
    """

    seed: int
    round: int
    side: int
    std: float


def solve_block(
    block: RatingBlock,
    source: np.ndarray,
    positions: np.ndarray,
    prior: np.ndarray | None,
    shape: ModelShape,
    regularisation: Regularisation,
    unobserved: Unobserved | None = None,
    *,
    num_blocks: int = 1,
) -> SolvedBlock:
    """Solves every row of a block.

    Args:
        block: the ratings of the solved side's block.
        source: rows of the fixed side, float32 (n, width).
        positions: each rating's row in `source`, int32 (ratings,).
        prior: prior means m_i, float32 (n_rows, width); None: zero.
        shape: shape of the model.
        regularisation: of the solved side.
        unobserved: alpha0 and the Gram matrix in implicit mode; None in explicit mode.
        num_blocks: blocks of the solved side; an error needs it to name the entity.

    Raises:
        TrainingError: a row's normal equation is not positive definite, or holds NaN or infinity.
    """
    prior = np.zeros((block.n_rows, shape.width), np.float32) if prior is None else prior
    diagonal = regularisation.diagonal(shape)
    pairs = _all_pairs(unobserved, shape)
    scales = row_scales(np.diff(block.row_offsets), unobserved, regularisation.exponent)
    draw = Draw(as_contiguous(_NO_NOISE, np.float32), 0.0)
    factors, errors = _run(block, source, positions, prior, np.diag(diagonal), scales, pairs, draw, shape, num_blocks)
    return solved_block(factors, errors, prior, diagonal, scales, shape, unobserved)


def draw_block(
    block: RatingBlock,
    source: np.ndarray,
    positions: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    shape: ModelShape,
    noise: Noise,
    *,
    scales: np.ndarray,
    num_blocks: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws every row of a block from its posterior, a row without ratings from its prior. Explicit mode only.

    A row of scale 0 has an infinitely wide prior; it gets exactly its prior mean.

    Args:
        block: the ratings of the drawn side's block.
        source: rows of the fixed side, float32 (n, width or more); columns after the bias are not read.
        positions: each rating's row in `source`, int32 (ratings,).
        mean: prior means m_i, float32 (n_rows, width).
        precision: P = Λ / alpha, (width, width).
        shape: shape of the model.
        noise: noise of this draw.
        scales: s_i, float64 (n_rows,); 0 only for rows without ratings.
        num_blocks: blocks of the drawn side.

    Returns:
        (the draw, float32 (n_rows, width); each row's Σ w (r − r̂)² of the draw, float64 (n_rows,))

    Raises:
        TrainingError: a row's normal equation is not positive definite, or holds NaN or infinity.
    """
    idx = block_idx(block.n_rows * num_blocks, num_blocks, block.block)[: block.n_rows]
    numbers = normal_numbers(noise.seed, noise.round, noise.side, idx, shape.width)
    draw = Draw(as_contiguous(numbers.reshape(-1), np.float32), float(noise.std))
    proper = np.where(scales > 0, scales, 1.0)
    factors, errors = _run(
        block, source, positions, mean, precision, proper, _all_pairs(None, shape), draw, shape, num_blocks
    )
    improper = scales == 0
    factors[improper] = mean[improper]
    return factors, errors


def _run(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, prior: np.ndarray, precision: np.ndarray,
    scales: np.ndarray, pairs: AllPairs, draw: Draw, shape: ModelShape, num_blocks: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    out, errors = np.zeros((block.n_rows, shape.width), dtype=np.float32), np.zeros(block.n_rows)
    failed = solve_rows(
        _source(source, shape),
        as_contiguous(block.row_offsets, np.int64),
        rated_of(block, positions),
        pairs,
        _padded(precision, shape),
        as_contiguous(prior, np.float32),
        as_contiguous(prior @ precision.astype(np.float32), np.float32),
        as_contiguous(scales, np.float64),
        draw,
        out,
        errors,
    )
    if failed != SOLVED:
        raise unsolved_row(block, failed, num_blocks)
    return out, errors


def unsolved_row(block: RatingBlock, row: int, num_blocks: int) -> TrainingError:
    """The error for a row whose normal equation has no finite solution; it names the entity.

    Args:
        block: the block of the row.
        row: local row.
        num_blocks: blocks of the side.
    """
    n = block.row_offsets[row + 1] - block.row_offsets[row]
    return TrainingError(
        "the normal equation of a row has no finite solution",
        where=f"idx {row * num_blocks + block.block} (block {block.block}, local row {row}), {n} ratings",
        expected="finite ratings, weights and factors, and a regularisation above 0",
        found="a matrix that is not positive definite, or a result that is not finite",
        hint=(
            "look for NaN or very large values in the ratings of this user or item; if there are none, "
            "raise factorize.user_reg and factorize.item_reg"
        ),
    )


def score_block(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, factors: np.ndarray, shape: ModelShape
) -> np.ndarray:
    """The model's score of every (dst, src) pair of a block, float32 (pairs,).

    Args:
        block: the pairs.
        source: rows of the fixed side, float32 (n, width).
        positions: each pair's row in `source`, int32 (pairs,).
        factors: rows of the block, float32 (n_rows, width).
        shape: shape of the model.
    """
    out = np.empty(block.ratings.size, dtype=np.float32)
    offsets = as_contiguous(block.row_offsets, np.int64)
    rows = as_contiguous(positions, np.int32)
    score_rows(_source(source, shape), offsets, rows, as_contiguous(factors, np.float32), out)
    return out


def _source(source: np.ndarray, shape: ModelShape) -> SourceRows:
    return SourceRows(as_contiguous(source, np.float32).reshape(-1), source.shape[1], shape.rank, float(shape.mean))


def rated_of(block: RatingBlock, positions: np.ndarray) -> Rated:
    """The ratings of all rows of a block in the form that kernels take."""
    return Rated(
        as_contiguous(positions, np.int32),
        as_contiguous(block.ratings, np.float32),
        as_contiguous(block.weights, np.float32),
    )


def _padded(precision: np.ndarray, shape: ModelShape) -> Precision:
    rank = shape.rank
    size = -(-rank // LANES) * LANES
    latent, bias_column = np.eye(size, dtype=np.float32), np.zeros(size, np.float32)
    latent[:rank, :rank] = precision[:rank, :rank]
    bias_diagonal = 0.0
    if shape.bias:
        bias_column[:rank], bias_diagonal = precision[rank, :rank], float(precision[rank, rank])
    return Precision(
        as_contiguous(latent.reshape(-1), np.float32), as_contiguous(bias_column, np.float32), bias_diagonal
    )


def _all_pairs(unobserved: Unobserved | None, shape: ModelShape) -> AllPairs:
    if unobserved is None:
        return AllPairs(0.0, as_contiguous(_NO_PAIRS, np.float32), as_contiguous(_NO_PAIRS, np.float32), 0.0, 0.0)
    rank, size = shape.rank, -(-shape.rank // LANES) * LANES
    sums = design_sums(unobserved.weight * unobserved.gram, shape)
    latent, bias_column = np.zeros((size, size)), np.zeros((2, size))
    latent[:rank, :rank], bias_column[1, :rank] = sums.gram[:rank, :rank], -sums.offsets[:rank]
    bias_diagonal, rhs = 0.0, 0.0
    if shape.bias:
        bias_column[0, :rank] = sums.gram[:rank, rank]
        bias_diagonal, rhs = float(sums.gram[rank, rank]), -float(sums.offsets[rank])
    return AllPairs(
        float(unobserved.weight),
        as_contiguous(latent.reshape(-1), np.float32),
        as_contiguous(bias_column.reshape(-1), np.float32),
        bias_diagonal,
        rhs,
    )


def as_contiguous(array: np.ndarray, dtype: np.typing.DTypeLike) -> np.ndarray:
    """A contiguous, aligned, read-only view: one numba type, so that a kernel is compiled once per dtype.

    Args:
        array: any array.
        dtype: of the view; an array of another type is copied.
    """
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view
