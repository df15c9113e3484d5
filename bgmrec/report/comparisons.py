"""Comparisons of a model with its baselines: intervals, and p values adjusted for the number of comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bgmrec.evaluate.table import MODEL
from bgmrec.report.bootstrap import DRAWS, UserSums, bootstrap, difference, estimate, holm

Metrics = dict[str, dict[str, dict[str, Any]]]  # metric → model → estimate


def intervals(sums: Mapping[tuple[str, str], UserSums], seed: int) -> Metrics:
    """metric → model → value, low and high; for a baseline under `lead` the difference model − baseline.

    Args:
        sums: by metric and model, of this model and its baselines.
        seed: seed of the bootstrap.
    """
    if not sums or not len(next(iter(sums.values())).numerator):
        return {}
    drawn = bootstrap(sums, draws=DRAWS, seed=seed)
    metrics: Metrics = {}
    for (metric, model), of_model in sums.items():
        entry: dict[str, Any] = asdict(estimate(of_model.value(), drawn[metric, model]))
        if model != MODEL:
            ahead = sums[metric, MODEL].value() - of_model.value()
            entry["lead"] = asdict(difference(ahead, drawn[metric, MODEL], drawn[metric, model]))
        metrics.setdefault(metric, {})[model] = entry
    return metrics


def adjust(*families: Metrics) -> int:
    """Adds `adjusted_p` (`bootstrap.holm`) to every `lead`, over all metrics and baselines together.

    Args:
        families: of `intervals`; changed in place.

    Returns:
        the number of comparisons.
    """
    leads = [
        entry["lead"]
        for metrics in families
        for models in metrics.values()
        for entry in models.values()
        if "lead" in entry
    ]
    for lead, p in zip(leads, holm([lead["p"] for lead in leads]), strict=True):
        lead["adjusted_p"] = p
    return len(leads)
