"""The reasons for a score: its exact decomposition into parts by rating and prior mean.

A solved row satisfies A x = Σ_Ω g_j d_j − alpha0 Σ_all o d + s P m with g_j = (w_j + alpha0) r_j − w_j o_j (solve.py).
The right-hand side is a sum, and so is the score of an item with design row e = [v, 1] and offset mean + b:

    mean + b + eᵀx = (mean + b)  +  Σ_j (eᵀA⁻¹d_j) g_j  −  alpha0 eᵀA⁻¹ Σ_all o d  +  s eᵀA⁻¹ P m
                      item alone     one part per rating     unobserved pairs           prior mean

The last part is the contribution of side information. A row without ratings is its prior mean: x = m.

Source: Hu, Koren, Volinsky, Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation, Unobserved, design_sums, row_scales

RATING, OTHERS, PRIOR, ITEM, REST = (
    "rating",
    "other ratings",
    "prior",
    "item",
    "rest",
)  # kinds of parts in schemas.REASONS


@dataclass(frozen=True)
class RowInputs:
    """The inputs that one row was solved from.

    Args:
        source: the fixed side's rows of its ratings, as they were in that half step, (ratings, width).
        ratings: (ratings,).
        weights: (ratings,).
        prior: prior mean m, (width,).
    """

    source: np.ndarray
    ratings: np.ndarray
    weights: np.ndarray
    prior: np.ndarray


@dataclass(frozen=True)
class ScoreParts:
    """Parts of the scores of several items for one row.

    Args:
        item: mean + b, which the item has for every user, float64 (items,).
        ratings: the part of every rating, float64 (items, ratings).
        unobserved: the part of the unobserved pairs, float64 (items,); 0 where all offsets are 0.
        prior: the part of the prior mean, float64 (items,).
    """

    item: np.ndarray
    ratings: np.ndarray
    unobserved: np.ndarray
    prior: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The scores, float64 (items,)."""
        return np.asarray(self.item + self.ratings.sum(axis=1) + self.unobserved + self.prior)


def score_parts(
    row: RowInputs,
    scored: np.ndarray,
    shape: ModelShape,
    regularisation: Regularisation,
    unobserved: Unobserved | None = None,
) -> ScoreParts:
    """The parts of a row's scores.

    Args:
        row: the inputs that the row was solved from.
        scored: the fixed side's rows to score, (items, width); they may be newer than `row.source`.
        shape: shape of the model.
        regularisation: of the solved side.
        unobserved: alpha0 and the Gram matrix of that half step in implicit mode; None in explicit mode.
    """
    design, offsets = _design(row.source, shape)
    scored_design, scored_offsets = _design(scored, shape)
    if not len(design):
        zeros = np.zeros(len(scored))
        prior_part = scored_design @ row.prior.astype(np.float64)
        return ScoreParts(scored_offsets, np.zeros((len(scored), 0)), zeros, prior_part)
    alpha0 = 0.0 if unobserved is None else unobserved.weight
    weights = row.weights.astype(np.float64)
    scale = float(row_scales(np.array([len(design)]), unobserved, regularisation.exponent)[0])
    prior_precision = scale * regularisation.diagonal(shape)
    gram = (design.T * weights) @ design + np.diag(prior_precision)
    all_offsets = np.zeros(shape.width)
    if unobserved is not None:
        sums = design_sums(unobserved.gram, shape)
        all_offsets = sums.offsets
        gram += alpha0 * sums.gram
    influence = np.linalg.solve(gram, scored_design.T).T  # (items, width): eᵀA⁻¹
    rhs = (weights + alpha0) * row.ratings - weights * offsets  # (ratings,): g_j
    return ScoreParts(
        scored_offsets,
        (influence @ design.T) * rhs,
        -alpha0 * (influence @ all_offsets),
        influence @ (prior_precision * row.prior),
    )


def _design(rows: np.ndarray, shape: ModelShape) -> tuple[np.ndarray, np.ndarray]:
    """(design rows [v, 1], offsets mean + b), float64."""
    rows = rows.astype(np.float64)
    if not shape.bias:
        return rows, np.full(len(rows), shape.mean)
    return np.hstack([rows[:, : shape.rank], np.ones((len(rows), 1))]), shape.mean + rows[:, shape.rank]
