"""One block of a half step over arrays: ratings and fixed factors in, solved factors and sums out.

For row i with ratings Ω_i, n_i = |Ω_i|, design rows d = [v, 1] (the 1 only with bias), o = mean + b of the
source row, prior m_i, Λ = diag(reg, …, reg, bias_reg) and s_i = (n_i + alpha0·n_src)^exponent:

    (Σ_Ω w d dᵀ + alpha0 Σ_all d dᵀ + s_i Λ) x_i = Σ_Ω [(w + alpha0) r − w o] d − alpha0 Σ_all o d + s_i Λ m_i

Explicit mode is alpha0 = 0. In implicit mode r is the preference, w the confidence beyond alpha0, and every
unobserved pair has preference 0 and weight alpha0 (Hu, Koren, Volinsky 2008; Rendle et al. 2022). The solution
minimises 1/2 (squared_error + penalty), with

    squared_error = Σ_i { Σ_Ω [(w + alpha0) (r − r̂)² − alpha0 r̂²] + alpha0 Σ_all r̂² }
    penalty       = Σ_i s_i { reg ‖u_i − m_i‖² + bias_reg (a_i − m_i)² }

A row without ratings is its prior, exactly: it is cold, and in implicit mode its unobserved pairs say nothing
about it, though they stay in squared_error as constants. Both sides' half steps see the same squared_error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.errors import TrainingError
from bgmrec.factorize import kernels
from bgmrec.factorize.equation import AllPairs, Rated, Source
from bgmrec.factorize.layout import RatingBlock
from bgmrec.factorize.shape import ModelShape

_GRAM_ROWS = 65_536  # converted to float64 at a time
_NO_GRAM = np.zeros(0)


@dataclass(frozen=True)
class Regularisation:
    """λ of the solved side: `reg` for latent coordinates, `bias_reg` for the bias, times n^exponent."""

    reg: float
    bias_reg: float = 0.0
    exponent: float = 0.0


@dataclass(frozen=True)
class Unobserved:
    """Implicit mode: the weight alpha0 of unobserved pairs, and source_gram of the fixed side."""

    weight: float
    gram: np.ndarray


@dataclass(frozen=True)
class SolvedBlock:
    """Factors float32 (n_rows, width) and the block's share of the objective, see the module."""

    factors: np.ndarray
    squared_error: float
    penalty: float


def source_gram(source: np.ndarray, shape: ModelShape) -> np.ndarray:
    """Σ e eᵀ over source rows, e = [v, mean + b, 1]; float64 (rank + 2, rank + 2)."""
    gram = np.zeros((shape.rank + 2, shape.rank + 2))
    for first in range(0, len(source), _GRAM_ROWS):
        rows = source[first : first + _GRAM_ROWS].astype(np.float64)
        offset = rows[:, shape.rank :] if shape.bias else np.zeros((len(rows), 1))
        extended = np.hstack([rows[:, : shape.rank], offset + shape.mean, np.ones((len(rows), 1))])
        gram += extended.T @ extended
    return gram


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
    out = np.zeros((block.n_rows, shape.width), dtype=np.float32)
    failed, squared_error, penalty = kernels.solve_rows(
        _source(source, shape),
        _plain(block.row_offsets, np.int64),
        _rated(block, positions),
        _all_pairs(unobserved),
        _plain(np.zeros_like(out) if prior is None else prior, np.float32),
        np.array([regularisation.reg, regularisation.bias_reg]),
        float(regularisation.exponent),
        out,
    )
    if failed != kernels.SOLVED:
        n = block.row_offsets[failed + 1] - block.row_offsets[failed]
        raise TrainingError(
            "a row's normal equation could not be solved",
            where=f"idx {failed * num_blocks + block.block} (block {block.block}, local row {failed}), {n} ratings",
            expected="finite ratings, weights and factors, and a regularisation above 0",
            found="a matrix that is not positive definite, or a result that is not finite",
            cure="check the ratings of this row for NaN, or raise reg_param",
        )
    return SolvedBlock(out, squared_error, penalty)


def score_block(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, factors: np.ndarray, shape: ModelShape
) -> np.ndarray:
    """The model's score of every (dst, src) pair of a block; float32 (pairs,), arguments as solve_block's."""
    out = np.empty(block.ratings.size, dtype=np.float32)
    offsets = _plain(block.row_offsets, np.int64)
    rows = _plain(positions, np.int32)
    kernels.score_rows(_source(source, shape), offsets, rows, _plain(factors, np.float32), out)
    return out


def _source(source: np.ndarray, shape: ModelShape) -> Source:
    return Source(_plain(source, np.float32).reshape(-1), shape.width, shape.rank, float(shape.mean))


def _rated(block: RatingBlock, positions: np.ndarray) -> Rated:
    return Rated(_plain(positions, np.int32), _plain(block.ratings, np.float32), _plain(block.weights, np.float32))


def _all_pairs(unobserved: Unobserved | None) -> AllPairs:
    if unobserved is None:
        return AllPairs(0.0, _plain(_NO_GRAM, np.float64), 0.0)
    gram = _plain(unobserved.gram.reshape(-1), np.float64)
    return AllPairs(float(unobserved.weight), gram, float(gram[-1]))


def _plain(array: np.ndarray, dtype: type) -> np.ndarray:
    """Contiguous, aligned and read-only: one numba type, so that a kernel is compiled once and not per flavour."""
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view
