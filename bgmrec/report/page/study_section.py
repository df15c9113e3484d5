"""The sections of the paper's experiments, from the results of a study."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure as Drawing

from bgmrec.report.numbers import count, significant
from bgmrec.report.page import draw
from bgmrec.report.page.draw import Line
from bgmrec.report.page.parts import Figure, PageSection, Table, figure
from bgmrec.report.page.side_information import side_information_figures, spread
from bgmrec.report.page.study_names import BASELINES, BOTH, RANK, REGULARISATION, VARIANTS

Results = Sequence[dict[str, Any]]
_COLD = {
    "RMSE": {"rmse_cold_item": "cold tracks", "rmse_cold_user": "cold users"},
    "NDCG@10": {"ndcg_10_cold_items": "cold tracks"},
}


def study_sections(results: Results) -> list[PageSection]:
    """Sections on accuracy, side information, sensitivity, cold start and running time.

    Args:
        results: rows of jobs/study.py paper.
    """
    real = [row for row in results if row["side_information"] == "real"]
    random = [row for row in real if row["protocol"] == "random"]
    cold = [row for row in real if row["protocol"] == "cold"]
    return [_accuracy(random), _side_information(results), _sensitivity(random), _cold(cold), _time(random)]


def _accuracy(results: Results) -> PageSection:
    variants = [row for row in results if row["model"] in VARIANTS]
    fractions = sorted({row["fraction"] for row in variants})
    models = [model for model in VARIANTS if any(row["model"] == model for row in variants)]
    blocks = [_by_fraction(variants, models, fractions, metric) for metric in ("rmse", "mae")]
    most = fractions[-1]
    best = min(models, key=lambda model: _mean(_values(variants, model, most, "rmse")))
    least, pmf = (_mean(_values(variants, model, most, "rmse")) for model in (best, models[0]))
    lead = f"With {_percent(most)} of the ratings {VARIANTS[best]} is the most accurate: RMSE {significant(least, 4)}"
    lead += "." if best == models[0] else f", {VARIANTS[models[0]]} {significant(pmf, 4)}."
    return PageSection("accuracy", "Accuracy", lead, blocks=blocks, missing=[_seeds(variants)])


def _by_fraction(results: Results, models: Sequence[str], fractions: Sequence[float], metric: str) -> Figure:
    name, percents = metric.upper(), [100 * fraction for fraction in fractions]
    series = {m: [_mean(_values(results, m, fraction, metric)) for fraction in fractions] for m in models}

    def body(drawing: Drawing) -> None:
        lines = [Line(VARIANTS[m], percents, values) for m, values in series.items()]
        ax = drawing.subplots()
        draw.lines(ax, lines, x_label="training ratings, % of all", y_label=f"{name} on test ratings")
        ax.set_xticks(percents)

    rows = [[_percent(f), *(spread(_values(results, m, f, metric)) for m in models)] for f in fractions]
    return figure(
        metric,
        f"{name} by training fraction",
        f"{name} with {_percent(fractions[-1])} of the ratings: "
        + ", ".join(f"{VARIANTS[m]} {significant(values[-1], 4)}" for m, values in series.items()),
        Table(["training ratings", *(VARIANTS[m] for m in models)], rows),
        body,
        height=3.4,
    )


def _side_information(results: Results) -> PageSection:
    blocks = list(side_information_figures([row for row in results if row["protocol"] == "random"], VARIANTS))
    return PageSection(
        "side",
        "Side information",
        "The same models with the real side information, with permuted side information, and without.",
        blocks=blocks,
        missing=[] if blocks else ["No model was trained without side information."],
    )


def _sensitivity(results: Results) -> PageSection:
    rank = _varied(results, "rank", RANK, "Dimension", "dimension of the factors", False)
    strength = _varied(
        results, "regularisation", REGULARISATION, "Regularisation", "times the configured regularisation", True
    )
    blocks = [block for block in (rank, strength) if block is not None]
    return PageSection(
        "sensitivity",
        "Sensitivity",
        "The model with both encoders; one setting is varied at a time.",
        blocks=blocks,
    )


def _varied(results: Results, name: str, prefix: str, title: str, label: str, log: bool) -> Figure | None:
    varied = [row for row in results if row["model"].startswith(prefix)]
    at = sorted({float(row["model"].removeprefix(prefix)) for row in varied})
    if not at:
        return None
    values = [_of([row for row in varied if float(row["model"].removeprefix(prefix)) == value], "rmse") for value in at]
    means = [_mean(per_seed) for per_seed in values]
    best = at[means.index(min(means))]

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        draw.lines(ax, [Line(BOTH, at, means)], x_label=label, y_label="RMSE on test ratings", log_x=log)
        ax.set_xticks(at, [f"{value:g}" for value in at])

    return figure(
        name,
        f"{title}: the error is lowest at {significant(best, 2)}",
        f"RMSE by {label}: " + ", ".join(f"{value:g}: {significant(v, 4)}" for value, v in zip(at, means, strict=True)),
        Table([label, "RMSE"], [[f"{value:g}", spread(per_seed)] for value, per_seed in zip(at, values, strict=True)]),
        body,
    )


def _cold(results: Results) -> PageSection:
    """Models and baselines on the same cold rows."""
    models = [model for model in VARIANTS if any(row["model"] == model for row in results)]
    rows = {VARIANTS[model]: [row for row in results if row["model"] == model] for model in models}
    # baselines do not depend on the model: the first model's rows have them
    for row in (row for row in results if row["model"] == models[0]):
        for name, values in row.get("baselines", {}).items():
            rows.setdefault(BASELINES.get(name, name), []).append(values)
    figures = [_cold_figure(name, rows, keys) for name, keys in _COLD.items()]
    blocks = [block for block in figures if block is not None]
    return PageSection(
        "cold",
        "Cold start",
        "Tracks and users without any training rating, of which a model knows the side information alone.",
        blocks=blocks,
        missing=[] if blocks else ["The cold-start part of the study was not run."],
    )


def _cold_figure(name: str, rows: dict[str, list[dict[str, Any]]], keys: dict[str, str]) -> Figure | None:
    """A metric of cold rows: a row per model or baseline, a mark per side; None: no model has it."""
    measured = {model: of_model for model, of_model in rows.items() if any(_of(of_model, key) for key in keys)}
    if not measured:
        return None
    values = {model: {key: _of(of_model, key) for key in keys} for model, of_model in measured.items()}
    series = {
        side: [fmean(values[model][key]) if values[model][key] else None for model in measured]
        for key, side in keys.items()
    }
    texts = "; ".join(
        f"{model}: "
        + ", ".join(f"{keys[key]} {significant(fmean(per_seed), 4)}" for key, per_seed in by_side.items() if per_seed)
        for model, by_side in values.items()
    )
    return figure(
        f"cold-{name.lower().replace('@', '-')}",
        f"{name}, {' and '.join(keys.values())}",
        f"{name} of {' and '.join(keys.values())}. {texts}",
        Table(
            ["model", *keys.values()], [[m, *(spread(by_side[key]) for key in keys)] for m, by_side in values.items()]
        ),
        lambda drawing: draw.dots(drawing.subplots(), list(measured), series, x_label=name),
        height=1.6 + 0.24 * len(measured),
    )


def _time(results: Results) -> PageSection:
    timed = [row for row in results if row["model"] in VARIANTS and "round_seconds" in row]
    models = [model for model in VARIANTS if any(row["model"] == model for row in timed)]
    blocks = [
        _by_size(timed, models, "round_seconds", "round", "Seconds per round, including the encoders"),
        _by_size(timed, models, "seconds", "whole", "Seconds of a whole run, including data and evaluation"),
    ]
    lead = "Each point is a model at a training fraction, on the machine that ran the study. "
    lead += "The first run of a process includes the start of Spark."
    return PageSection("time", "Running time", lead, blocks=blocks)


def _by_size(results: Results, models: Sequence[str], key: str, name: str, title: str) -> Figure:
    series = {}
    for model in models:
        sizes: dict[float, list[dict[str, Any]]] = {}
        for row in (row for row in results if row["model"] == model):
            sizes.setdefault(row["fraction"], []).append(row)
        points = sorted((_mean(_of(rows, "ratings")), _mean(_of(rows, key))) for rows in sizes.values())
        series[model] = points

    def body(drawing: Drawing) -> None:
        lines = [Line(VARIANTS[m], [x for x, _ in points], [y for _, y in points]) for m, points in series.items()]
        ax = drawing.subplots()
        draw.lines(ax, lines, x_label="training ratings", y_label="seconds")
        ax.set_ylim(bottom=0)

    rows = [[VARIANTS[m], count(x), significant(y, 3)] for m, points in series.items() for x, y in points]
    return figure(
        f"time-{name}",
        title,
        f"{title}, with the most ratings: "
        + ", ".join(f"{VARIANTS[m]} {significant(points[-1][1], 2)}" for m, points in series.items()),
        Table(["model", "training ratings", "seconds"], rows),
        body,
        height=3.4,
    )


def _values(results: Results, model: str, fraction: float, metric: str) -> list[float]:
    return _of([row for row in results if (row["model"], row["fraction"]) == (model, fraction)], metric)


def _of(rows: Results, key: str) -> list[float]:
    return [row[key] for row in rows if key in row]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:g} %"


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")


def _seeds(results: Results) -> str:
    seeds = len({row["seed"] for row in results})
    return (
        f"Means over {seeds} seeds, ± their standard deviation."
        if seeds > 1
        else "One seed: small differences may be chance."
    )
