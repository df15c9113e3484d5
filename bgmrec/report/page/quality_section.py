"""How good the model is: compared with baselines, on later days, over runs, by slice, and its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure as Drawing

from bgmrec.evaluate.metrics import metric_key, metric_name
from bgmrec.evaluate.slices import ALL, BY_RATINGS, level_order
from bgmrec.evaluate.table import MODEL
from bgmrec.report.bootstrap import Estimate
from bgmrec.report.facts.field_slices import LEAST
from bgmrec.report.models import main_metric, models_in
from bgmrec.report.numbers import count, interval, significant
from bgmrec.report.page import draw
from bgmrec.report.page.comparison_figure import (
    comparison_figure,
    comparison_sentence,
    comparison_tiles,
    estimate_of,
    spoken,
)
from bgmrec.report.page.draw import Line
from bgmrec.report.page.learning_figures import learning_figures
from bgmrec.report.page.metric_texts import metric_texts
from bgmrec.report.page.parts import Figure, PageSection, Table, Titled, figure
from bgmrec.report.page.rating_figures import rating_figures
from bgmrec.report.page.side_information import side_information_figures

_LATER = "Were the lists good on later days?"
_USED_TO_CHOOSE = (
    "The same held-out ratings have chosen the best training round, and also the settings if you tuned them on this "
    "split. The values of bgmrec are therefore slightly too good; the baselines had no such choice."
)


def quality_section(facts: dict[str, Any]) -> PageSection:
    """The section on the quality of the model.

    Args:
        facts: facts of the report.
    """
    quality, later = facts["quality"], facts["later"]
    if not quality["rows"]:
        return PageSection(
            "quality",
            "Quality",
            "No ratings were held out of the training, so the quality of the model was not measured.",
            blocks=[*_later_days(later), *learning_figures(quality)],
            missing=list(_missing(facts)),
        )
    metrics = {**quality["rating"], **quality["ranking"]}
    blocks: list[Figure | Titled] = [_baselines(metrics, quality, later), *_later_days(later)]
    blocks += [metric_texts(metrics, quality["k"])]
    blocks += _course(facts["runs"]["course"], quality)
    blocks += _slices(quality)
    blocks += _by_fields(quality)
    blocks += side_information_figures(quality["studied"], {})
    blocks += rating_figures(quality)
    blocks += learning_figures(quality)
    return PageSection(
        "quality",
        "Quality",
        _lead(metrics, quality),
        comparison_tiles(metrics, quality["k"]),
        blocks,
        list(_missing(facts)),
    )


def _lead(metrics: Mapping[str, Any], quality: dict[str, Any]) -> str:
    metric = main_metric(quality)
    model = metrics[metric][MODEL]
    sentence = (
        f"{metric_name(metric, quality['k'])} is {significant(model['value'])} (95 % interval "
        f"{interval(model['low'], model['high'])}), measured on held-out ratings of {count(quality['sampled'])} users, "
        "which the training did not use."
    )
    return (
        sentence
        + comparison_sentence(metric, metrics[metric], quality["draws"], quality["comparisons"])
        + f" {_USED_TO_CHOOSE}"
    )


def _baselines(metrics: Mapping[str, Any], quality: dict[str, Any], later: dict[str, Any]) -> Figure:
    elsewhere = f" “{_LATER}” uses ratings that no choice has seen." if later.get("ranking") else ""
    return comparison_figure(
        "metrics",
        "Is the model better than the baselines?",
        metrics,
        k=quality["k"],
        draws=quality["draws"],
        comparisons=quality["comparisons"],
        note=f"Value and 95 % interval of each model. The intervals come from a bootstrap over "
        f"{count(quality['sampled'])} users ({count(quality['draws'])} draws, the same for every model). "
        f"{_USED_TO_CHOOSE}{elsewhere}",
    )


def _later_days(later: dict[str, Any]) -> Iterator[Figure]:
    if not later.get("ranking"):
        return
    days = "the day" if later["days"] == 1 else f"the {later['days']} days"
    sentence = comparison_sentence("ndcg", later["ranking"]["ndcg"], later["draws"], later["comparisons"])
    yield comparison_figure(
        "later-days",
        _LATER,
        later["ranking"],
        k=later["k"],
        draws=later["draws"],
        comparisons=later["comparisons"],
        note=f"The published lists of run {later['run_id']}, evaluated on {days} after it, up to {later['until']}: "
        f"{count(later['targets'])} tracks that users rated then for the first time; intervals over "
        f"{count(later['users'])} of these users. No choice has used these ratings, neither that of the best round nor "
        f"that of the settings. NDCG@{later['k']} of {MODEL} is "
        f"{significant(later['ranking']['ndcg'][MODEL]['value'])}.{sentence} Popularity: the most popular tracks that "
        "the user had not rated before. Users may have played tracks because the lists showed them, which raises the "
        f"values of {MODEL}.",
    )


def _course(course: Sequence[dict[str, Any]], quality: dict[str, Any]) -> Iterator[Figure]:
    metric = main_metric(quality)
    key = metric_key(metric, None if metric == "rmse" else quality["k"])
    runs = [run for run in course if (run.get("metrics") or {}).get(MODEL, {}).get(key) is not None]
    if len(runs) < 2:
        return
    models = models_in({model: 0 for run in runs for model in run["metrics"]})
    days = [run["ds"] for run in runs]
    series = {model: [run["metrics"].get(model, {}).get(key, float("nan")) for run in runs] for model in models}
    series = {model: values for model, values in series.items() if any(value == value for value in values)}
    name = metric_name(metric, quality["k"])

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        numbers = list(range(len(days)))
        draw.lines(ax, [Line(m, numbers, v) for m, v in series.items()], x_label="date of the data", y_label=name)
        step = max(1, len(days) // 6)
        ax.set_xticks(numbers[::-step][::-1], [day[5:] for day in days[::-step][::-1]])

    yield figure(
        "runs",
        f"Does the quality stay the same? {name} by run",
        f"{name} of {MODEL} over {len(days)} runs from {days[0]} to {days[-1]}: {significant(series[MODEL][0])} in the "
        f"first, {significant(series[MODEL][-1])} in the last.",
        Table(["date", *series], [[d, *(significant(series[m][n], 4) for m in series)] for n, d in enumerate(days)]),
        body,
        note="Each run is measured on its own held-out ratings.",
    )


def _slices(quality: dict[str, Any]) -> Iterator[Figure]:
    metric = main_metric(quality)
    k = None if metric == "rmse" else quality["k"]
    rows = [row for row in quality["rows"] if row["metric"] == metric and row["k"] == k and row["slice"] != ALL]
    keys = list(dict.fromkeys((row["slice"], row["value"]) for row in rows))
    keys.sort(key=lambda key: (key[0] in BY_RATINGS, key[0], key[1] != "warm", level_order(key[1])))
    models = models_in({row["model"]: 0 for row in rows})
    by_key = {(row["model"], row["slice"], row["value"]): row for row in rows}
    names = [_slice_name(*key) for key in keys]
    series = {m: [by_key[m, *key]["result"] if (m, *key) in by_key else None for key in keys] for m in models}
    counts = [max(by_key[m, *key]["count"] for m in models if (m, *key) in by_key) for key in keys]
    if not keys:
        return
    name = metric_name(metric, k)
    unit = "ratings" if metric == "rmse" else "users"
    body = [
        [label, count(n), *(significant(series[model][at], 4) for model in models)]
        for at, (label, n) in enumerate(zip(names, counts, strict=True))
    ]
    labels = [f"{label} ({count(n)})" for label, n in zip(names, counts, strict=True)]
    yield figure(
        "slices",
        f"For which users and tracks is it good? {name} by slice",
        f"{name} by slice. "
        + "; ".join(f"{label}: {significant(series[MODEL][at])}" for at, label in enumerate(names)),
        Table(["slice", unit, *models], body),
        lambda drawing: draw.dots(drawing.subplots(), labels, series, x_label=name),
        height=0.9 + 0.27 * len(keys),
        note=f"In brackets: the number of {unit}. Cold: without a training rating; warm: with at least one. "
        "Popularity: warm tracks sorted by their training ratings and cut into parts of about equal size, 1 with the "
        "fewest ratings. Activity: the same of the users.",
    )


def _by_fields(quality: dict[str, Any]) -> Iterator[Figure]:
    """A chart per side with a panel per field; the table also has the baselines."""
    metric = main_metric(quality)
    name = metric_name(metric, quality["k"])
    unit = "ratings" if metric == "rmse" else "held-out tracks"
    for side, question in (("users", "For which users is it good?"), ("items", "For which tracks is it good?")):
        rows = [row for row in quality["fields"] if row["side"] == side]
        if not rows:
            continue
        models = models_in(rows[0]["models"])
        fields: dict[str, dict[str, Estimate]] = {}
        for row in rows:
            fields.setdefault(row["field"], {})[row["value"]] = estimate_of(row["models"][MODEL])
        body = [
            [
                row["field"],
                row["value"],
                count(row["n"]),
                significant(row["models"][MODEL]["value"], 4),
                interval(row["models"][MODEL]["low"], row["models"][MODEL]["high"]),
                *(significant(row["models"][model]["value"], 4) for model in models[1:]),
            ]
            for row in rows
        ]
        most = [max(len(values) for values in list(fields.values())[at : at + 2]) for at in range(0, len(fields), 2)]
        yield figure(
            f"fields-{side}",
            f"{question} {name} by field",
            "; ".join(spoken(field, values) for field, values in fields.items()),
            Table(["field", "value", unit, MODEL, "95 % interval", *models[1:]], body, words=2),
            partial(draw.by_value, fields=fields),
            height=max(2.0, 0.5 + sum(0.55 + 0.34 * n for n in most)),
            note=f"Values and 95 % intervals of {MODEL} over {count(quality['sampled'])} users; the table also has the "
            f"baselines. Values with fewer than {LEAST} {unit} are left out.",
        )


def _slice_name(slice_: str, value: str) -> str:
    if slice_ not in BY_RATINGS:
        return f"{value} {slice_}s".replace("items", "tracks")
    number, _, of = value.partition(" of ")
    by = slice_.rpartition("_")[2]  # popularity or activity
    return f"{by} {number}/{of}" + (", lowest" if number == "1" else ", highest" if number == of else "")


def _missing(facts: dict[str, Any]) -> Iterator[str]:
    if reason := facts["later"].get("missing"):
        yield f"Lists on later days are not evaluated. {reason}"
    if len(facts["runs"]["course"]) < 2:
        yield "There is no chart over runs: report.runs is 1, or no earlier run was published."
    if not facts["quality"].get("studied"):
        yield (
            "What side information brings is not shown. Train with and without it by jobs/study.py … "
            "--side-information real,permuted,none --json FILE, and set report.side_information = FILE."
        )
