"""How strongly a row's prior holds, by its number of ratings.

    x_i ~ N(m_i, (s_i Λ)⁻¹),  s_i = (n_i / n̄)^p

With p = 0 every row is as far from its prior mean as any other, and the link that gives prior means is fitted to
rows. With p = 1 it is fitted to ratings: where few items have most of the ratings, it is their relation to side
information that an item to come needs. A row without ratings then has no scale: it is its prior mean exactly, and
counts for nothing in what the link is fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RowScale:
    """s_i of a side.

    Args:
        exponent: p.
        mean_ratings: n̄, ratings per row of the side.
    """

    exponent: float = 0.0
    mean_ratings: float = 1.0

    def of(self, ratings: np.ndarray) -> np.ndarray:
        """float64 (n_rows,), s of rows with so many ratings."""
        return (np.asarray(ratings, np.float64) / self.mean_ratings) ** self.exponent
