"""Ranking metrics of one list the slow, obvious way, position by position."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import log2


def list_metrics(items: Sequence[int], targets: Collection[int], k: int) -> dict[str, float]:
    """Metrics of one list against its targets."""
    gained, precision_sum, first, hits = 0.0, 0.0, 0, 0
    for position, item in enumerate(items[:k], start=1):
        if item in targets:
            hits += 1
            first = first or position
            gained += 1 / log2(position + 1)
            precision_sum += hits / position
    reachable = min(len(targets), k)
    ideal = sum(1 / log2(position + 1) for position in range(1, reachable + 1))
    return {
        "ndcg": gained / ideal,
        "recall": hits / len(targets),
        "precision": hits / k,
        "map": precision_sum / reachable,
        "mrr": 1 / first if first else 0.0,
        "hit_rate": float(hits > 0),
    }


def gini(exposures: Sequence[float]) -> float:
    """Mean absolute difference of all pairs over twice the mean."""
    n, total = len(exposures), sum(exposures)
    return sum(abs(a - b) for a in exposures for b in exposures) / (2 * n * total) if total else 0.0
