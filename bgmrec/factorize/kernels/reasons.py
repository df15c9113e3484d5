"""What carries a score: its exact parts by the user's ratings and prior mean (Hu, Koren, Volinsky 2008, section 5).

A solved row obeys A x = Σ_Ω g_j d_j − alpha0 Σ_all o d + s P m with g_j = (w_j + alpha0) r_j − w_j o_j (solve.py).
Everything in it but A is a sum, and so is the score of an item with design row e = [v, 1] and offset mean + b:

    mean + b + eᵀx = (mean + b)  +  Σ_j (eᵀA⁻¹d_j) g_j  −  alpha0 eᵀA⁻¹ Σ_all o d  +  s eᵀA⁻¹ P m
                      item alone     one part per rating     unobserved pairs           prior mean

The last part is what side information brings. A row without ratings is its prior mean: x = m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation, Unobserved

RATING, OTHERS, PRIOR, ITEM, REST = "rating", "other ratings", "prior", "item", "rest"  # kinds of parts in a table


@dataclass(frozen=True)
class SolvedFrom:
    """What one row was solved from.

    Args:
        source: (ratings, width), the fixed side's rows of its ratings, as they were in that half step.
        ratings, weights: (ratings,).
        prior: (width,), m.
    """

    source: np.ndarray
    ratings: np.ndarray
    weights: np.ndarray
    prior: np.ndarray


@dataclass(frozen=True)
class ScoreParts:
    """Parts of the scores of several items for one row.

    Args:
        item: float64 (items,), mean + b: what the item has for everybody.
        ratings: float64 (items, ratings), of every rating.
        unobserved: float64 (items,), of the pairs that were not observed; 0 without offsets.
        prior: float64 (items,), of the prior mean.
    """

    item: np.ndarray
    ratings: np.ndarray
    unobserved: np.ndarray
    prior: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """float64 (items,): the scores."""
        return np.asarray(self.item + self.ratings.sum(axis=1) + self.unobserved + self.prior)


def score_parts(
    row: SolvedFrom,
    scored: np.ndarray,
    shape: ModelShape,
    regularisation: Regularisation,
    unobserved: Unobserved | None = None,
) -> ScoreParts:
    """The parts of a row's scores.

    Args:
        row: what it was solved from.
        scored: (items, width), the fixed side's rows that are scored; they may be newer than `row.source`.
        shape: of the model.
        regularisation: of the solved side.
        unobserved: implicit mode: as in that half step.
    """
    design, offsets = _design(row.source, shape)
    wanted, own = _design(scored, shape)
    if not len(design):
        nothing = np.zeros(len(scored))
        return ScoreParts(own, np.zeros((len(scored), 0)), nothing, wanted @ row.prior.astype(np.float64))
    weight = 0.0 if unobserved is None else unobserved.weight
    weights = row.weights.astype(np.float64)
    pull = _scale(len(design), unobserved, regularisation.exponent) * regularisation.diagonal(shape)
    gram = (design.T * weights) @ design + np.diag(pull)
    common = np.zeros(shape.width)
    if unobserved is not None:
        whole, common = _all_pairs(unobserved.gram, shape)
        gram += weight * whole
    reach = np.linalg.solve(gram, wanted.T).T  # (items, width): eᵀA⁻¹
    given = (weights + weight) * row.ratings - weights * offsets
    return ScoreParts(own, (reach @ design.T) * given, -weight * (reach @ common), reach @ (pull * row.prior))


def _design(rows: np.ndarray, shape: ModelShape) -> tuple[np.ndarray, np.ndarray]:
    """(design rows [v, 1], offsets mean + b), float64."""
    rows = rows.astype(np.float64)
    if not shape.bias:
        return rows, np.full(len(rows), shape.mean)
    return np.hstack([rows[:, : shape.rank], np.ones((len(rows), 1))]), shape.mean + rows[:, shape.rank]


def _scale(ratings: int, unobserved: Unobserved | None, exponent: float) -> float:
    everywhere = unobserved.weight * unobserved.gram[-1, -1] if unobserved else 0.0
    return float((ratings + everywhere) ** exponent)


def _all_pairs(gram: np.ndarray, shape: ModelShape) -> tuple[np.ndarray, np.ndarray]:
    """(Σ d dᵀ, Σ o d) over all source rows, out of terms.source_gram."""
    kept = [*range(shape.rank), *([shape.rank + 1] if shape.bias else [])]
    return gram[np.ix_(kept, kept)], gram[kept, shape.rank]
