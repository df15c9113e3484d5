"""One block of a half step over arrays: ratings and fixed factors in, solved or drawn factors and sums out.

For row i with ratings Ω_i, n_i = |Ω_i|, design rows d = [v, 1] (the 1 only with bias), o = mean + b of the
source row, prior N(m_i, (s_i P)⁻¹) and s_i = (n_i + alpha0·n_src)^exponent:

    (Σ_Ω w d dᵀ + alpha0 Σ_all d dᵀ + s_i P) x_i = Σ_Ω [(w + alpha0) r − w o] d − alpha0 Σ_all o d + s_i P m_i

P is any positive definite matrix over the latent coordinates and the bias; MAP has P = diag(reg, …, bias_reg).
Everything is divided by the noise precision alpha of the ratings, so that a sampler's prior precision Λ is
P = Λ / alpha here, and the row's posterior is N(A⁻¹ b, A⁻¹ / alpha) for the equation A x = b above.

Explicit mode is alpha0 = 0. In implicit mode r is the preference, w the confidence beyond alpha0, and every
unobserved pair has preference 0 and weight alpha0 (Hu, Koren, Volinsky 2008; Rendle et al. 2022). The solution
minimises 1/2 (squared_error + penalty), with

    squared_error = Σ_i { Σ_Ω [(w + alpha0) (r − r̂)² − alpha0 r̂²] + alpha0 Σ_all r̂² }
    penalty       = Σ_i s_i (x_i − m_i)ᵀ P (x_i − m_i)

A row without ratings is its prior, exactly: it is cold, and in implicit mode its unobserved pairs say nothing
about it, though they stay in squared_error as constants. Both sides' half steps see the same squared_error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.errors import TrainingError
from bgmrec.factorize.kernels import rank_updates as kernels
from bgmrec.factorize.kernels.equation import AllPairs, Precision, Rated, Source
from bgmrec.factorize.kernels.layout import RatingBlock, block_idx
from bgmrec.factorize.kernels.noise import normals
from bgmrec.factorize.kernels.rank_updates import Draw
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation, SolvedBlock, Unobserved, evaluated, row_scales
from bgmrec.factorize.kernels.vectors import LANES

_NO_PAIRS = np.zeros(0, np.float32)
_NO_NOISE = np.zeros(0)


@dataclass(frozen=True)
class Noise:
    """What a draw's randomness is a function of, with the entity and the coordinate; and 1 / √alpha."""

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
        source: float32 (n, width), rows of the fixed side.
        positions: int32 (ratings,), each rating's row in `source`.
        prior: float32 (n_rows, width); None is zero.
        num_blocks: of the solved side, to name the entity in an error.

    Raises:
        TrainingError: a row's normal equation is not positive definite, or holds NaN or infinity.
    """
    prior = np.zeros((block.n_rows, shape.width), np.float32) if prior is None else prior
    diagonal = regularisation.diagonal(shape)
    pairs = _all_pairs(unobserved, shape)
    scales = row_scales(block, unobserved, regularisation.exponent)
    draw = Draw(as_contiguous(_NO_NOISE, np.float32), 0.0)
    factors, errors = _run(block, source, positions, prior, np.diag(diagonal), scales, pairs, draw, shape, num_blocks)
    return evaluated(factors, errors, prior, diagonal, scales, shape, unobserved)


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
    """Draws every row of a block from its posterior, those without ratings from their prior (explicit mode).

    A row of scale 0 is its prior mean, exactly: its prior is infinitely wide, and only the mean is known of it.

    Args:
        source: float32 (n, width or more); columns after the bias are not read.
        positions: as solve_block's.
        mean: float32 (n_rows, width), m_i.
        precision: (width, width), P: the prior's precision divided by alpha.
        noise: of this half step.
        scales: float64 (n_rows,), s_i; 0 for rows without ratings alone.
        num_blocks: of the drawn side.

    Returns:
        (float32 (n_rows, width); float64 (n_rows,), each row's Σ w (r − r̂)² of the draw)

    Raises:
        TrainingError: as solve_block's.
    """
    idx = block_idx(block.n_rows * num_blocks, num_blocks, block.block)[: block.n_rows]
    numbers = normals(noise.seed, noise.round, noise.side, idx, shape.width)
    draw = Draw(as_contiguous(numbers.reshape(-1), np.float32), float(noise.std))
    held = np.where(scales > 0, scales, 1.0)
    factors, errors = _run(
        block, source, positions, mean, precision, held, _all_pairs(None, shape), draw, shape, num_blocks
    )
    unknown = scales == 0
    factors[unknown] = mean[unknown]
    return factors, errors


def _run(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, prior: np.ndarray, precision: np.ndarray,
    scales: np.ndarray, pairs: AllPairs, draw: Draw, shape: ModelShape, num_blocks: int,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    out, errors = np.zeros((block.n_rows, shape.width), dtype=np.float32), np.zeros(block.n_rows)
    failed = kernels.solve_rows(
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
    if failed != kernels.SOLVED:
        raise not_solved(block, failed, num_blocks)
    return out, errors


def not_solved(block: RatingBlock, row: int, num_blocks: int) -> TrainingError:
    """The error of a row whose equation has no finite solution, which names the entity."""
    n = block.row_offsets[row + 1] - block.row_offsets[row]
    return TrainingError(
        "a row's normal equation could not be solved",
        where=f"idx {row * num_blocks + block.block} (block {block.block}, local row {row}), {n} ratings",
        expected="finite ratings, weights and factors, and a regularisation above 0",
        found="a matrix that is not positive definite, or a result that is not finite",
        hint="check the ratings of this row for NaN, or raise reg_param",
    )


def score_block(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, factors: np.ndarray, shape: ModelShape
) -> np.ndarray:
    """The model's score of every (dst, src) pair of a block; float32 (pairs,), arguments as solve_block's."""
    out = np.empty(block.ratings.size, dtype=np.float32)
    offsets = as_contiguous(block.row_offsets, np.int64)
    rows = as_contiguous(positions, np.int32)
    kernels.score_rows(_source(source, shape), offsets, rows, as_contiguous(factors, np.float32), out)
    return out


def _source(source: np.ndarray, shape: ModelShape) -> Source:
    return Source(as_contiguous(source, np.float32).reshape(-1), source.shape[1], shape.rank, float(shape.mean))


def rated_of(block: RatingBlock, positions: np.ndarray) -> Rated:
    """The ratings of all rows of a block, for a kernel."""
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
    rank, size, gram = shape.rank, -(-shape.rank // LANES) * LANES, unobserved.weight * unobserved.gram
    latent, bias_column = np.zeros((size, size)), np.zeros((2, size))
    latent[:rank, :rank] = gram[:rank, :rank]
    bias_column[0, :rank], bias_column[1, :rank] = gram[:rank, rank + 1], -gram[:rank, rank]
    return AllPairs(
        float(unobserved.weight),
        as_contiguous(latent.reshape(-1), np.float32),
        as_contiguous(bias_column.reshape(-1), np.float32),
        float(gram[-1, -1]),
        -float(gram[rank, rank + 1]),
    )


def as_contiguous(array: np.ndarray, dtype: np.typing.DTypeLike) -> np.ndarray:
    """Contiguous, aligned and read-only: one numba type, so that a kernel is compiled once and not per flavour."""
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view
