"""The link matrix of a side by ridge regression of its rows on their features, instead of a draw.

    B = (Σ s f fᵀ + diag(ridge))⁻¹ Σ s f xᵀ  with f and x centred by their s-weighted means
    prior mean = x̄ + Bᵀ (f − f̄)

Needs only the sums of sums.py, whatever the number of rows.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve

from bgmrec.sampler.conditionals.hyper import LinkMatrix, RowPrior
from bgmrec.sampler.conditionals.sums import SideSums


def ridge_prior(sums: SideSums, link_matrix: LinkMatrix, ridges: np.ndarray) -> RowPrior:
    """The prior means by ridge regression; the precision is 0, because a regression does not give one.

    Args:
        sums: sums over the side's rows.
        link_matrix: sums over the side's features.
        ridges: one per group, in rows, (groups,).
    """
    width = len(sums.total)
    mean = sums.total / max(sums.scale, 1.0)
    crossed = sums.cross - np.outer(link_matrix.mean, sums.total)
    weights = cho_solve(link_matrix.factored(ridges), crossed, check_finite=False)
    return RowPrior(mean - link_matrix.mean @ weights, weights, np.zeros((width, width)))
