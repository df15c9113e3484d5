"""Ranking metrics over arrays: what one list is worth, and how evenly lists show a catalogue."""

from __future__ import annotations

import numpy as np

RANKING = ("ndcg", "recall", "pooled_recall", "precision", "map", "mrr", "hit_rate")


def discounts(n: int) -> np.ndarray:
    """1 / log2(position + 1) for positions 1..n."""
    return 1.0 / np.log2(np.arange(2, n + 2))


def list_metrics(
    offsets: np.ndarray, positions: np.ndarray, targets: np.ndarray, k: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Numerator and denominator per user of every metric of `RANKING`; a metric is Σ numerators / Σ denominators.

    With H the hits among the first k, h(p) the hits up to position p, T targets and t = min(T, k):

        ndcg = Σ_H 1/log2(p + 1) / Σ_{i ≤ t} 1/log2(i + 1)      precision = |H| / k        hit_rate = [H not empty]
        map = Σ_H h(p)/p / t       mrr = 1 / first p of H       recall = |H| / T

    All are means over users but pooled_recall, all hits / all targets. Published recall is mostly the mean.

    Args:
        offsets: int (users + 1,), where each user's hits begin in `positions`.
        positions: places of the hits from 1, rising within a user.
        targets: int (users,), how many targets each user has, at least 1.
        k: cut-off.
    """
    users = len(targets)
    user = np.repeat(np.arange(users), np.diff(offsets))
    number = np.arange(len(positions)) - np.repeat(offsets[:-1], np.diff(offsets)) + 1  # h(p)
    shown = positions <= k
    user, number, folder = user[shown], number[shown], positions[shown].astype(np.float64)
    hits = np.bincount(user, minlength=users).astype(np.float64)
    reachable = np.minimum(targets, k)
    ideal = np.cumsum(discounts(k))[reachable - 1]
    gained = np.bincount(user, 1.0 / np.log2(folder + 1), users)
    first = np.bincount(user, np.where(number == 1, 1.0 / folder, 0.0), users)
    one = np.ones(users)
    return {
        "ndcg": (gained / ideal, one),
        "recall": (hits / targets, one),
        "pooled_recall": (hits, targets.astype(np.float64)),
        "precision": (hits / k, one),
        "map": (np.bincount(user, number / folder, users) / reachable, one),
        "mrr": (first, one),
        "hit_rate": ((hits > 0).astype(np.float64), one),
    }


def gini(exposures: np.ndarray, items: np.ndarray) -> float:
    """How unevenly items are shown, 0 (all alike) to nearly 1 (one alone); 0 where nothing is shown.

    G = Σ_i (2i - n - 1) x_i / (n Σ x), over the n items' exposures x rising.

    Args:
        exposures: distinct exposure counts.
        items: how many items have each.
    """
    order = np.argsort(exposures)
    x, count = exposures[order].astype(np.float64), items[order].astype(np.float64)
    n, total = count.sum(), (x * count).sum()
    if total == 0:
        return 0.0
    after = np.cumsum(count)
    rank_sums = (after + (after - count) + 1) * count / 2  # of the ranks that share one exposure
    return float(((2 * rank_sums - (n + 1) * count) * x).sum() / (n * total))
