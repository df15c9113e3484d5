"""How sure a metric is: its bootstrap over users, and of two models on the same users the difference.

A metric is g(Σ numerators / Σ denominators) over users, with g the square root for RMSE and nothing else for all
others (`metrics.list_metrics`). One draw takes as many users as there are, with replacement, so that whatever a user
contributes comes or stays away together; all models and metrics are judged on the same draws.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

LEVEL = 0.95
_CELLS = 2_000_000  # of the count matrix at a time: 16 MB

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class UserSums:
    """A metric of one model as float64 (users,) numerators and denominators; `root` where it is their root mean."""

    numerator: np.ndarray
    denominator: np.ndarray
    root: bool = False

    def value(self) -> float:
        return float(self._finished(np.array([self.numerator.sum()]), np.array([self.denominator.sum()]))[0])

    def drawn(self, counts: np.ndarray) -> np.ndarray:
        """(draws,) values, for float64 (draws, users) counts."""
        return self._finished(counts @ self.numerator, counts @ self.denominator)

    def _finished(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        mean = np.divide(numerator, denominator, out=np.full_like(denominator, np.nan), where=denominator > 0)
        return np.sqrt(mean) if self.root else mean


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; of a difference also the p value of there being none."""

    value: float
    low: float
    high: float
    p: float | None = None


def bootstrap(sums: Mapping[Key, UserSums], *, draws: int, seed: int) -> dict[Key, np.ndarray]:
    """float64 (draws,) values of every metric, all on the same draws of users.

    Args:
        sums: by model, metric or both; all over the same users in the same order.
        draws: of the bootstrap.
        seed: of the draws.
    """
    users = len(next(iter(sums.values())).numerator)
    values = {key: np.empty(draws) for key in sums}
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // max(users, 1))
    for first in range(0, draws, step):
        n = min(step, draws - first)
        chosen = random.integers(0, users, (n, users)) + np.arange(n)[:, None] * users
        counts = np.bincount(chosen.ravel(), minlength=n * users).reshape(n, users).astype(np.float64)
        for key, own in sums.items():
            values[key][first : first + n] = own.drawn(counts)
    return values


def estimate(value: float, drawn: np.ndarray) -> Estimate:
    """The percentile interval of a value."""
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def difference(value: float, one: np.ndarray, other: np.ndarray) -> Estimate:
    """The interval of a difference, and its two-sided p value.

    p is twice the share of draws whose difference has the other sign, and at least 2 / (draws + 1): a draw of exactly
    zero counts for both sides.
    """
    drawn = one - other
    found = estimate(value, drawn)
    tail = min(float((drawn <= 0).mean()), float((drawn >= 0).mean()))
    return Estimate(found.value, found.low, found.high, min(1.0, max(2 * tail, 2 / (len(drawn) + 1))))
