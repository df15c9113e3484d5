"""Metrics over arrays: what one list is worth, how evenly lists show a catalogue, and the names of all metrics."""

from __future__ import annotations

import numpy as np

from bgmrec.config.metrics import LOWER_IS_BETTER, metric_key
from bgmrec.config.metrics import RANKING as RANKING  # the metrics of `list_metrics`, in its order

MAIN = ("rmse", "mae", "ndcg", "recall", "hit_rate", "coverage", "gini")  # what a terminal shows, in this order
NAMES = {
    "ndcg": "NDCG",
    "recall": "Recall",
    "hit_rate": "Hit rate",
    "mrr": "MRR",
    "map": "MAP",
    "precision": "Precision",
    "pooled_recall": "Pooled recall",
    "rmse": "RMSE",
    "mae": "MAE",
    "coverage": "Coverage",
    "gini": "Gini of exposure",
}


def metric_name(metric: str, k: int | None) -> str:
    """The name of a metric for people: RMSE, NDCG@10.

    Args:
        metric: a key of `NAMES`.
        k: cut-off; ignored for metrics without one.
    """
    return metric_key(NAMES.get(metric, metric), None if metric in LOWER_IS_BETTER else k)


def ndcg_gains(positions: np.ndarray, targets: np.ndarray, k: int) -> np.ndarray:
    """What each hit adds to its user's NDCG@k: 1/log2(p + 1) / Σ_{i ≤ min(T, k)} 1/log2(i + 1).

    Source: Järvelin, Kekäläinen 2002, with binary relevance.

    Args:
        positions: int (hits,), positions p in the list, from 1 to k.
        targets: int (hits,), number T of targets of the hit's user, at least 1.
        k: cut-off.

    Returns:
        float64 (hits,); a user's NDCG is the sum over their hits.
    """
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))
    return np.asarray(1.0 / np.log2(positions + 1.0) / ideal[np.minimum(targets, k) - 1])


def list_metrics(
    offsets: np.ndarray, positions: np.ndarray, targets: np.ndarray, k: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Numerator and denominator per user of every metric of `RANKING`; a metric is Σ numerators / Σ denominators.

    With H the hits among the first k, h(p) the hits up to position p, T targets and t = min(T, k):

        ndcg = Σ_H 1/log2(p + 1) / Σ_{i ≤ t} 1/log2(i + 1)      precision = |H| / k        hit_rate = [H not empty]
        map = Σ_H h(p)/p / t       mrr = 1 / first p of H       recall = |H| / T

    All are means over users but pooled_recall, which is all hits / all targets. Publications mostly use the mean.

    Args:
        offsets: int (users + 1,), where each user's hits begin in `positions`.
        positions: int (hits,), positions of the hits from 1, rising within a user.
        targets: int (users,), number of targets of each user, at least 1.
        k: cut-off.

    Returns:
        metric → (float64 (users,), float64 (users,)).
    """
    users = len(targets)
    user = np.repeat(np.arange(users), np.diff(offsets))
    number = np.arange(len(positions)) - np.repeat(offsets[:-1], np.diff(offsets)) + 1  # h(p)
    within = positions <= k
    user, number, position = user[within], number[within], positions[within].astype(np.float64)
    hits = np.bincount(user, minlength=users).astype(np.float64)
    ones = np.ones(users)
    return {
        "ndcg": (np.bincount(user, ndcg_gains(position, targets[user], k), users), ones),
        "recall": (hits / targets, ones),
        "pooled_recall": (hits, targets.astype(np.float64)),
        "precision": (hits / k, ones),
        "map": (np.bincount(user, number / position, users) / np.minimum(targets, k), ones),
        "mrr": (np.bincount(user, np.where(number == 1, 1.0 / position, 0.0), users), ones),
        "hit_rate": ((hits > 0).astype(np.float64), ones),
    }


def gini(exposures: np.ndarray, items: np.ndarray) -> float:
    """How unevenly items are shown: 0 (all equally often) to nearly 1 (one item alone); 0 where nothing is shown.

    G = Σ_i (2i - n - 1) x_i / (n Σ x), over the n items' exposures x, rising.

    Args:
        exposures: int (values,), distinct numbers of lists that an item is in.
        items: int (values,), how many items have each number.
    """
    order = np.argsort(exposures)
    x, count = exposures[order].astype(np.float64), items[order].astype(np.float64)
    n, total = count.sum(), (x * count).sum()
    if total == 0:
        return 0.0
    after = np.cumsum(count)
    rank_sums = (after + (after - count) + 1) * count / 2  # of the ranks that share one exposure
    return float(((2 * rank_sums - (n + 1) * count) * x).sum() / (n * total))
