"""The scale of a row's prior precision, by the row's number of ratings.

    x_i ~ N(m_i, (s_i Λ)⁻¹),  s_i = (n_i / n̄)^p

With p = 0 all rows have the same prior precision, and the link matrix that gives the prior means is fitted to rows.
With p = 1 it is fitted to ratings: where few items have most of the ratings, new items profit from what side
information says about those. For p > 0 a row without ratings has scale 0: it is exactly its prior mean, and the fit of
the link matrix ignores it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowScale:
    """s_i of the rows of a side.

    Args:
        exponent: p.
        mean_ratings: n̄, the mean number of ratings per row of the side.
    """

    exponent: float = 0.0
    mean_ratings: float = 1.0

    def scales(self, counts: np.ndarray) -> np.ndarray:
        """s_i, float64 (n_rows,), of rows with these numbers of ratings."""
        return (np.asarray(counts, np.float64) / self.mean_ratings) ** self.exponent
