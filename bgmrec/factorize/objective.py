"""The MAP objective by term, from the sums of both half steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as f


@dataclass(frozen=True)
class Objective:
    """total = data + user_prior + item_prior.

    Args:
        data: 1/2 squared_error (solve.py).
        user_prior: 1/2 penalty of the user side.
        item_prior: 1/2 penalty of the item side.
    """

    data: float
    user_prior: float
    item_prior: float

    @property
    def total(self) -> float:
        """The MAP objective; a half step never raises it while the prior means stay the same."""
        return self.data + self.user_prior + self.item_prior

    def as_dict(self) -> dict[str, float]:
        """The terms and their sum, for logs."""
        return {
            "data": self.data,
            "user_prior": self.user_prior,
            "item_prior": self.item_prior,
            "total": self.total,
        }


def objective(user_half_step: DataFrame, item_half_step: DataFrame) -> Objective:
    """The objective after a user half step and the item half step that followed it.

    Args:
        user_half_step: `schemas.HALF_STEP` of the users, written or cached.
        item_half_step: `schemas.HALF_STEP` of the items, written or cached.

    An action: collects two numbers per block and sums them exactly, so that partitioning does not change the result.
    """
    users, items = (
        half_step.select(f.lit(side).alias("side"), "squared_error", "penalty")
        for side, half_step in (("user", user_half_step), ("item", item_half_step))
    )
    rows = users.union(items).collect()  # one job

    def half(side: str, term: str) -> float:
        return 0.5 * math.fsum(row[term] for row in rows if row["side"] == side)

    return Objective(half("item", "squared_error"), half("user", "penalty"), half("item", "penalty"))
