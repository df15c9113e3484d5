"""The terms of a half step's equation that rows share, and a block's share of the objective.

The half step minimises 1/2 (squared_error + penalty); symbols as in solve.py:

    squared_error = Σ_i { Σ_Ω [(w + alpha0) (r − r̂)² − alpha0 r̂²] + alpha0 Σ_all r̂² }
    penalty       = Σ_i s_i (x_i − m_i)ᵀ P (x_i − m_i)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bgmrec.factorize.kernels.shape import ModelShape

_GRAM_ROWS = 65_536  # converted to float64 at a time


@dataclass(frozen=True)
class Regularisation:
    """λ of the solved side; a row with n ratings is regularised by λ · n^exponent.

    Args:
        reg: λ of the latent coordinates.
        bias_reg: λ of the bias.
        exponent: p of s_i; 0 is PMF, 1 is ALS-WR.
    """

    reg: float
    bias_reg: float = 0.0
    exponent: float = 0.0

    def diagonal(self, shape: ModelShape) -> np.ndarray:
        """The diagonal of P = diag(reg, …, reg, bias_reg), float64 (width,)."""
        return np.array([self.reg] * shape.rank + [self.bias_reg] * shape.bias)


@dataclass(frozen=True)
class Unobserved:
    """Unobserved pairs in implicit mode.

    Args:
        weight: alpha0.
        gram: `source_gram` of the whole fixed side.
    """

    weight: float
    gram: np.ndarray


@dataclass(frozen=True)
class SolvedBlock:
    """Factors of a block and its share of the objective.

    Args:
        factors: float32 (n_rows, width).
        squared_error: the block's part of the module's first sum.
        penalty: the block's part of the module's second sum.
    """

    factors: np.ndarray
    squared_error: float
    penalty: float


def source_gram(source: np.ndarray, shape: ModelShape) -> np.ndarray:
    """Σ e eᵀ over source rows, e = [v, mean + b, 1]; float64 (rank + 2, rank + 2).

    Args:
        source: float32 (n, width).
        shape: shape of the model.
    """
    gram = np.zeros((shape.rank + 2, shape.rank + 2))
    for first in range(0, len(source), _GRAM_ROWS):
        rows = source[first : first + _GRAM_ROWS].astype(np.float64)
        offset = rows[:, shape.rank :] if shape.bias else np.zeros((len(rows), 1))
        extended = np.hstack([rows[:, : shape.rank], offset + shape.mean, np.ones((len(rows), 1))])
        gram += extended.T @ extended
    return gram


class DesignSums(NamedTuple):
    """Sums over all source rows with design rows d = [v, 1] and offsets o = mean + b; the 1 only with bias.

    gram: Σ d dᵀ, (width, width); offsets: Σ o d, (width,).
    """

    gram: np.ndarray
    offsets: np.ndarray


def design_sums(gram: np.ndarray, shape: ModelShape) -> DesignSums:
    """Picks the sums over design rows out of a Gram matrix of extended rows [v, mean + b, 1].

    Args:
        gram: `source_gram`, or a multiple of it, (rank + 2, rank + 2).
        shape: shape of the model.
    """
    coordinates = [*range(shape.rank), *([shape.rank + 1] if shape.bias else [])]
    return DesignSums(gram[np.ix_(coordinates, coordinates)], gram[coordinates, shape.rank])


def row_scales(counts: np.ndarray, unobserved: Unobserved | None, exponent: float) -> np.ndarray:
    """s_i = (n_i + alpha0·n_src)^exponent, float64 (n_rows,); 1 for a row without ratings, which is not solved.

    Args:
        counts: n_i, the number of ratings of each row, (n_rows,).
        unobserved: alpha0 and the Gram matrix in implicit mode; None in explicit mode.
        exponent: p.
    """
    unobserved_weight = unobserved.weight * unobserved.gram[-1, -1] if unobserved else 0.0
    return np.where(counts > 0, counts + unobserved_weight, 1.0) ** exponent


def solved_block(
    factors: np.ndarray, errors: np.ndarray, prior: np.ndarray, diagonal: np.ndarray, scales: np.ndarray,
    shape: ModelShape, unobserved: Unobserved | None,
) -> SolvedBlock:  # fmt: skip
    """The factors of a block with the block's share of the objective.

    Args:
        factors: the solved rows x_i, float32 (n_rows, width).
        errors: Σ (w + alpha0)·(r − r̂)² − alpha0·r̂² over the ratings of each row, float64 (n_rows,).
        prior: prior means m_i, float32 (n_rows, width).
        diagonal: the diagonal of P, float64 (width,).
        scales: s_i, float64 (n_rows,).
        shape: shape of the model.
        unobserved: alpha0 and the Gram matrix in implicit mode; None in explicit mode.
    """
    penalty = float(scales @ np.square(factors - prior, dtype=np.float64) @ diagonal)
    squared_error = float(errors.sum())
    if unobserved is not None:
        squared_error += unobserved.weight * _all_pairs_error(unobserved.gram, factors, shape)
    return SolvedBlock(factors, squared_error, penalty)


def _all_pairs_error(gram: np.ndarray, factors: np.ndarray, shape: ModelShape) -> float:
    """Σ r̂² over all pairs of the rows with all source rows: Σ xᵀ G x with x = [u, 1, a]."""
    x = np.ones((len(factors), shape.rank + 2))
    x[:, : shape.rank] = factors[:, : shape.rank]
    x[:, -1] = factors[:, shape.rank] if shape.bias else 0.0
    return float(((x @ gram) * x).sum())
