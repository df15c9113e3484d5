"""The linear link of a side as one ridge regression of its rows on their features; what a sampler draws, solved.

    B = (Σ s f fᵀ + diag(ridge))⁻¹ Σ s f xᵀ,  f and x less their means by s,  prior mean = x̄ + Bᵀ (f − f̄)

From the sums of sums.py alone, whatever the number of rows.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve

from bgmrec.sampler.conditionals.hyper import LinkMatrix, RowPrior
from bgmrec.sampler.conditionals.sums import SideSums


def ridge_prior(sums: SideSums, link_matrix: LinkMatrix, ridges: np.ndarray) -> RowPrior:
    """The prior means that a side's rows give; their precision is 0, it is none of a regression's results.

    Args:
        sums: over the side's rows.
        link: of its features.
        ridges: (groups,), in rows.
    """
    width = len(sums.total)
    mean = sums.total / max(sums.scale, 1.0)
    crossed = sums.cross - np.outer(link_matrix.mean, sums.total)
    weights = cho_solve(link_matrix.factored(ridges), crossed, check_finite=False)
    return RowPrior(mean - link_matrix.mean @ weights, weights, np.zeros((width, width)))
