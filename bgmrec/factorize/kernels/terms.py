"""What the rows of a block minimise: its numbers, and the block's share of the objective.

A row x with prior N(m, (s P)⁻¹) is judged by 1/2 (squared_error + penalty), see solve.py:

    squared_error = Σ_i { Σ_Ω [(w + alpha0) (r − r̂)² − alpha0 r̂²] + alpha0 Σ_all r̂² }
    penalty       = Σ_i s_i (x_i − m_i)ᵀ P (x_i − m_i)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.shape import ModelShape

_GRAM_ROWS = 65_536  # converted to float64 at a time


@dataclass(frozen=True)
class Regularisation:
    """λ of the solved side: `reg` for latent coordinates, `bias_reg` for the bias, times n^exponent."""

    reg: float
    bias_reg: float = 0.0
    exponent: float = 0.0

    def diagonal(self, shape: ModelShape) -> np.ndarray:
        """Of P, which is diagonal here, before it is scaled by s_i; float64 (width,)."""
        return np.array([self.reg] * shape.rank + [self.bias_reg] * shape.bias)


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


def row_scales(block: RatingBlock, unobserved: Unobserved | None, exponent: float) -> np.ndarray:
    """s_i, float64 (n_rows,); 1 for a row without ratings, which is not solved."""
    n = np.diff(block.row_offsets)
    everywhere = unobserved.weight * unobserved.gram[-1, -1] if unobserved else 0.0
    return np.where(n > 0, n + everywhere, 1.0) ** exponent


def evaluated(
    factors: np.ndarray, errors: np.ndarray, prior: np.ndarray, diagonal: np.ndarray, scales: np.ndarray,
    shape: ModelShape, unobserved: Unobserved | None,
) -> SolvedBlock:  # fmt: skip
    """The rows of a block with their share of the objective.

    Args:
        errors: float64 (n_rows,), Σ (w + alpha0)·(r − r̂)² − alpha0·r̂² over the ratings of each row.
        diagonal: float64 (width,), of P.
        scales: float64 (n_rows,), s_i.
    """
    penalty = float(scales @ np.square(factors - prior, dtype=np.float64) @ diagonal)
    squared_error = float(errors.sum())
    if unobserved is not None:
        squared_error += unobserved.weight * _all_pairs_error(unobserved.gram, factors, shape)
    return SolvedBlock(factors, squared_error, penalty)


def _all_pairs_error(gram: np.ndarray, factors: np.ndarray, shape: ModelShape) -> float:
    """Σ r̂² of the rows over all source rows: xᵀ G x with x = [u, 1, a]."""
    x = np.ones((len(factors), shape.rank + 2))
    x[:, : shape.rank] = factors[:, : shape.rank]
    x[:, -1] = factors[:, shape.rank] if shape.bias else 0.0
    return float(((x @ gram) * x).sum())
