"""Names of models and metrics, and the order in which they are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgmrec.evaluate.table import MODEL

LOWER_IS_BETTER = frozenset({"rmse", "mae"})
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


def main_metric(own: dict[str, Any]) -> str:
    """The metric that speaks for the model: NDCG where there are lists, else RMSE."""
    return "ndcg" if own["ranking"] else "rmse"


def metric_name(metric: str, k: int | None) -> str:
    ranked = metric not in LOWER_IS_BETTER and k is not None
    return f"{NAMES.get(metric, metric)}@{k}" if ranked else NAMES.get(metric, metric)


def models_in(entries: Mapping[str, Any]) -> list[str]:
    """Names of the models, this one first."""
    return sorted(entries, key=lambda model: (model != MODEL, model))
