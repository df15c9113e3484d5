"""The MAP objective by term, from the sums that both half steps leave behind."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as f


@dataclass(frozen=True)
class Objective:
    """total = data + user_prior + item_prior; each term carries the 1/2 of the MAP objective (solve.py)."""

    data: float
    user_prior: float
    item_prior: float

    @property
    def total(self) -> float:
        """What a half step never raises, as long as the prior means stay."""
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
        user_half_step, item_half_step: `schemas.HALF_STEP`, written or cached. Collected are two numbers per
            block, summed exactly, so that the result does not depend on the partitioning.
    """
    users, items = (
        half_step.select(f.lit(side).alias("side"), "squared_error", "penalty")
        for side, half_step in (("user", user_half_step), ("item", item_half_step))
    )
    rows = users.union(items).collect()  # one job

    def half(side: str, term: str) -> float:
        return 0.5 * math.fsum(row[term] for row in rows if row["side"] == side)

    return Objective(half("item", "squared_error"), half("user", "penalty"), half("item", "penalty"))
