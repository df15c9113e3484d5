"""A figure that compares the model with its baselines, and the sentence that sums it up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgmrec.evaluate.metrics import LOWER_IS_BETTER, NAMES, metric_name
from bgmrec.evaluate.table import MODEL
from bgmrec.report.bootstrap import Estimate, least_p
from bgmrec.report.models import models_in
from bgmrec.report.numbers import interval, p_value, signed, significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, Table, Tile, figure

SIGNIFICANT = 0.05  # adjusted p values below this count as significant
_FIRST = ("rmse", "mae", "ndcg", "recall", "hit_rate", "mrr")  # the first four that there are get a panel and a tile
Metrics = Mapping[str, Mapping[str, Any]]


def estimate_of(entry: Mapping[str, Any]) -> Estimate:
    """The value and interval of a metric.

    Args:
        entry: of `comparisons.intervals`.
    """
    return Estimate(entry["value"], entry["low"], entry["high"])


def spoken(name: str, models: Mapping[str, Estimate]) -> str:
    """Values and intervals in words, for the text alternative of a figure.

    Args:
        name: name of the metric or field.
        models: estimates by model or value.
    """
    return f"{name}: " + ", ".join(
        f"{model} {significant(value.value)} ({interval(value.low, value.high)})" for model, value in models.items()
    )


def best_baseline(metric: str, models: Mapping[str, Any]) -> str | None:
    """Name of the best baseline; None: there is no baseline.

    Args:
        metric: name of the metric.
        models: estimates by model.
    """
    baselines = [model for model in models if model != MODEL]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return min(baselines, key=lambda model: sign * models[model]["value"], default=None)


def comparison_sentence(metric: str, models: Mapping[str, Any], draws: int, comparisons: int) -> str:
    """How the model compares with the best baseline; empty without a baseline.

    Args:
        metric: name of the metric.
        models: estimates by model.
        draws: draws of the bootstrap.
        comparisons: number of comparisons that the p values are adjusted for.
    """
    baseline = best_baseline(metric, models)
    if baseline is None:
        return ""
    lead, value = models[baseline]["lead"], models[baseline]["value"]
    if lead["adjusted_p"] >= SIGNIFICANT:
        return f" That is not significantly different from the best baseline, {baseline} ({significant(value)})."
    relative = abs(lead["value"]) / abs(value) if value else float("nan")
    p = _adjusted_p(lead, draws)
    return (
        f" That is {significant(100 * relative, 2)} % {'better' if _is_better(metric, lead) else 'worse'} than the "
        f"best baseline, {baseline} ({significant(value)}; p {p if p.startswith('≤') else f'= {p}'}, adjusted for "
        f"{comparisons} comparison{'s' if comparisons != 1 else ''})."
    )


def comparison_tiles(metrics: Metrics, k: int) -> list[Tile]:
    """A tile per main metric, with the best baseline beside it.

    Args:
        metrics: metric → model → estimate.
        k: cut-off.
    """
    tiles = []
    for metric in _main(metrics):
        models = metrics[metric]
        baseline = best_baseline(metric, models)
        beside, mood = "", ""
        if baseline is not None:
            lead = models[baseline]["lead"]
            mood = "like" if lead["adjusted_p"] >= SIGNIFICANT else "good" if _is_better(metric, lead) else "bad"
            beside = f"{baseline} {significant(models[baseline]['value'])}"
        tiles.append(Tile(metric_name(metric, k), significant(models[MODEL]["value"]), beside, mood))
    return tiles


def comparison_figure(
    name: str, title: str, metrics: Metrics, *, k: int, draws: int, comparisons: int, note: str
) -> Figure:
    """Values and intervals of all models, with a table of the differences.

    Args:
        name: name of the figure's files.
        title: heading of the figure.
        metrics: metric → model → estimate.
        k: cut-off.
        draws: draws of the bootstrap.
        comparisons: number of comparisons that the p values are adjusted for.
        note: text below the figure.
    """
    rows = [
        _row(metric_name(metric, k), model, metrics[metric][model], draws)
        for metric in NAMES
        if metric in metrics
        for model in models_in(metrics[metric])
    ]
    heads = ["metric", "model", "value", "95 % interval", f"{MODEL} − model", "95 % interval", "p", "adjusted p"]
    panels = {
        metric_name(metric, k): {model: estimate_of(metrics[metric][model]) for model in models_in(metrics[metric])}
        for metric in _main(metrics)
    }
    most = max(len(models) for models in panels.values())
    return figure(
        name,
        title,
        "; ".join(spoken(metric, models) for metric, models in panels.items()),
        Table(
            heads,
            rows,
            words=2,
            note="p: chance of a difference this large if both models were equally good; two-sided, same users. "
            f"Adjusted p: p corrected for the {comparisons} comparisons of this table by Holm's method; below "
            f"{SIGNIFICANT} counts as significant. The intervals are not corrected.",
        ),
        lambda drawing: draw.intervals(drawing, panels),
        height=0.75 + (0.55 + 0.34 * most) * (-(-len(panels) // 2)),
        note=note,
    )


def _main(metrics: Metrics) -> list[str]:
    return [metric for metric in _FIRST if metric in metrics][:4]


def _is_better(metric: str, lead: Mapping[str, Any]) -> bool:
    return bool((lead["value"] < 0) == (metric in LOWER_IS_BETTER))


def _row(metric: str, model: str, entry: Mapping[str, Any], draws: int) -> list[str]:
    row = [metric, model, significant(entry["value"], 4), interval(entry["low"], entry["high"])]
    lead = entry.get("lead")
    if lead is None:
        return [*row, "", "", "", ""]
    difference = [signed(lead["value"], 3), interval(lead["low"], lead["high"], 2)]
    return [*row, *difference, p_value(lead["p"], is_bound=_is_bound(lead, draws)), _adjusted_p(lead, draws)]


def _adjusted_p(lead: Mapping[str, Any], draws: int) -> str:
    return p_value(lead["adjusted_p"], is_bound=_is_bound(lead, draws))


def _is_bound(lead: Mapping[str, Any], draws: int) -> bool:
    return bool(lead["p"] <= least_p(draws) * (1 + 1e-9))
