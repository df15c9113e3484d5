"""How certain a metric is: bootstrap intervals over users, paired differences, and p values of many comparisons.

A metric is g(Σ numerators / Σ denominators) over users, where g is the square root for RMSE and the identity for all
others (`metrics.list_metrics`). One draw takes as many users as there are, with replacement, so that all ratings of a
user are drawn together; all models and metrics use the same draws.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

LEVEL = 0.95
# Holm multiplies the smallest of about 25 p values by 25: 1,000 draws, which show none below .002, would call nothing
# significant
DRAWS = 10_000
_CELLS = 2_000_000  # of the count matrix at a time: 16 MB

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class UserSums:
    """A metric of one model, by user.

    Args:
        numerator: float64 (users,).
        denominator: float64 (users,).
        root: whether the metric is the square root of the quotient.
    """

    numerator: np.ndarray
    denominator: np.ndarray
    root: bool = False

    def value(self) -> float:
        """The metric over all users."""
        return float(self.quotient(np.array([self.numerator.sum()]), np.array([self.denominator.sum()]))[0])

    def quotient(self, numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        """The metric from sums over users; NaN where the denominator is 0.

        Args:
            numerator: float64 (n,).
            denominator: float64 (n,).
        """
        mean = np.divide(numerator, denominator, out=np.full_like(denominator, np.nan), where=denominator > 0)
        return np.sqrt(mean) if self.root else mean


@dataclass(frozen=True)
class Estimate:
    """A value with its interval.

    Args:
        value: the value over all users.
        low: lower end of the interval.
        high: upper end of the interval.
        p: of a difference, the p value of the hypothesis that there is none; None: not a difference.
    """

    value: float
    low: float
    high: float
    p: float | None = None


def bootstrap(sums: Mapping[Key, UserSums], *, draws: int, seed: int) -> dict[Key, np.ndarray]:
    """float64 (draws,) values of every metric, all on the same draws of users.

    Args:
        sums: by model, metric or both; all over the same users in the same order.
        draws: number of draws.
        seed: seed of the draws.
    """
    users = len(next(iter(sums.values())).numerator)
    columns = np.column_stack([part for metric in sums.values() for part in (metric.numerator, metric.denominator)])
    totals = np.empty((draws, columns.shape[1]))
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // max(users, 1))
    for first in range(0, draws, step):
        n = min(step, draws - first)
        chosen = random.integers(0, users, (n, users)) + np.arange(n)[:, None] * users
        counts = np.bincount(chosen.ravel(), minlength=n * users).reshape(n, users).astype(np.float64)
        totals[first : first + n] = counts @ columns
    return {
        key: metric.quotient(totals[:, 2 * at], totals[:, 2 * at + 1]) for at, (key, metric) in enumerate(sums.items())
    }


def estimate(value: float, drawn: np.ndarray) -> Estimate:
    """A value with its percentile interval (Efron, Tibshirani 1993, chapter 13).

    Args:
        value: over all users.
        drawn: float64 (draws,), values of `bootstrap`; NaN is ignored.
    """
    finite = drawn[np.isfinite(drawn)]
    if not finite.size:
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def difference(value: float, model: np.ndarray, baseline: np.ndarray) -> Estimate:
    """A difference with its percentile interval and its two-sided p value.

    p is twice the share of draws whose difference has the other sign, and at least `least_p`. A draw of exactly zero
    counts for both signs.

    Args:
        value: the difference over all users.
        model: float64 (draws,), values of the model.
        baseline: float64 (draws,), values of the baseline on the same draws.
    """
    drawn = model - baseline
    interval = estimate(value, drawn)
    tail = min(float((drawn <= 0).mean()), float((drawn >= 0).mean()))
    return Estimate(interval.value, interval.low, interval.high, min(1.0, max(2 * tail, least_p(len(drawn)))))


def least_p(draws: int) -> float:
    """The smallest p value that so many draws can show: 2 / (draws + 1).

    Args:
        draws: number of draws.
    """
    return 2 / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for the number of comparisons, in the given order (Holm 1979).

    With p values in rising order, p'_i = min(1, max_{j ≤ i} (n − j + 1) p_j): the chance that one or more of n
    comparisons without a difference has an adjusted p value below .05 is at most .05.

    Args:
        p_values: p values of all comparisons that are read together.
    """
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(n, 0, -1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(p_values, float)[order]), 1.0)
    return [float(p) for p in adjusted]
