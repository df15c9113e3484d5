"""How good the model is: against baselines, over nights, by slice, and how it was learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure as Drawing

from bgmrec.evaluate.slices import ALL, BY_RATINGS, level_order
from bgmrec.evaluate.table import MODEL
from bgmrec.report.bootstrap import Estimate
from bgmrec.report.facts.field_slices import LEAST
from bgmrec.report.metric_names import LOWER_IS_BETTER, NAMES, main_metric, metric_name, models_in
from bgmrec.report.numbers import count, interval, p_value, signed, significant
from bgmrec.report.page import draw
from bgmrec.report.page.draw import Line
from bgmrec.report.page.learning_figures import learning_figures
from bgmrec.report.page.parts import Figure, Section, Table, Tile, Titled, figure
from bgmrec.report.page.rating_figures import rating_figures
from bgmrec.report.page.side_information import side_information_figures

_FIRST = ("rmse", "mae", "ndcg", "recall", "hit_rate", "mrr")
SMALL = 0.05  # a p value below this is called significant


def quality_section(facts: dict[str, Any]) -> Section:
    own = facts["quality"]
    if not own["rows"]:
        return Section(
            "quality",
            "Quality",
            "No ratings were held out, so that nothing can be said of the model's quality.",
            blocks=list(learning_figures(own)),
        )
    metrics = {**own["rating"], **own["ranking"]}
    blocks: list[Figure | Titled] = [_against(metrics, own)]
    blocks += _course(facts["runs"]["course"], own)
    blocks += _slices(own)
    blocks += _by_fields(own)
    blocks += side_information_figures(own["studied"], {})
    blocks += rating_figures(own)
    blocks += learning_figures(own)
    return Section("quality", "Quality", _lead(metrics, own), list(_tiles(metrics, own)), blocks, list(_missing(facts)))


def _best_baseline(metric: str, entries: Mapping[str, Any]) -> str | None:
    others = [model for model in entries if model != MODEL]
    sign = 1 if metric in LOWER_IS_BETTER else -1
    return min(others, key=lambda model: sign * entries[model]["value"], default=None)


def _lead(metrics: Mapping[str, Any], own: dict[str, Any]) -> str:
    metric = main_metric(own)
    entries = metrics[metric]
    model, other = entries[MODEL], _best_baseline(metric, entries)
    said = f"{metric_name(metric, own['k'])} is {significant(model['value'])} (95 % interval "
    said += f"{interval(model['low'], model['high'])}) over {count(own['sampled'])} users with held-out ratings."
    if other is None:
        return said
    lead = entries[other]["lead"]
    if lead["p"] >= SMALL:
        return f"{said} That is not significantly different from the best baseline, {other}."
    better = (lead["value"] < 0) == (metric in LOWER_IS_BETTER)
    apart = abs(lead["value"]) / abs(entries[other]["value"]) if entries[other]["value"] else float("nan")
    return (
        f"{said} That is {significant(100 * apart, 2)} % {'better' if better else 'worse'} than the best baseline, "
        f"{other} ({significant(entries[other]['value'])}; p {_p(lead['p'], own)})."
    )


def _p(p: float, own: dict[str, Any]) -> str:
    text = p_value(p, own["draws"])
    return text if text.startswith("<") else f"= {text}"


def _tiles(metrics: Mapping[str, Any], own: dict[str, Any]) -> Iterator[Tile]:
    for metric in [name for name in _FIRST if name in metrics][:4]:
        entries = metrics[metric]
        other = _best_baseline(metric, entries)
        beside, mood = "", ""
        if other is not None:
            lead = entries[other]["lead"]
            better = (lead["value"] < 0) == (metric in LOWER_IS_BETTER)
            mood = "" if lead["p"] >= SMALL else "good" if better else "bad"
            beside = f"{other} {significant(entries[other]['value'])}"
        yield Tile(metric_name(metric, own["k"]), significant(entries[MODEL]["value"]), beside, mood)


def _against(metrics: Mapping[str, Any], own: dict[str, Any]) -> Figure:
    shown = [metric for metric in _FIRST if metric in metrics][:4]
    rows = []
    for metric in [name for name in NAMES if name in metrics]:
        for model in models_in(metrics[metric]):
            entry = metrics[metric][model]
            lead = entry.get("lead")
            rows.append(
                [
                    metric_name(metric, own["k"]),
                    model,
                    significant(entry["value"], 4),
                    interval(entry["low"], entry["high"]),
                    "" if lead is None else signed(lead["value"], 3),
                    "" if lead is None else interval(lead["low"], lead["high"], 2),
                    "" if lead is None else p_value(lead["p"], own["draws"]),
                ]
            )
    heads = ["metric", "model", "value", "95 % interval", f"{MODEL} minus it", "95 % interval", "p"]
    panels = {
        metric_name(metric, own["k"]): {
            model: _estimate(metrics[metric][model]) for model in models_in(metrics[metric])
        }
        for metric in shown
    }
    most = max(len(models) for models in panels.values())
    return figure(
        "metrics",
        "Is it better than the baselines?",
        "; ".join(_spoken(name, models) for name, models in panels.items()),
        Table(heads, rows, words=2, note="p: two-sided, paired over users."),
        lambda drawing: draw.intervals(drawing, panels),
        height=0.75 + (0.55 + 0.34 * most) * (-(-len(panels) // 2)),
        note=f"Value and 95 % interval: bootstrap over {count(own['sampled'])} users, {count(own['draws'])} draws, "
        "the same ones for every model.",
    )


def _estimate(entry: dict[str, Any]) -> Estimate:
    return Estimate(entry["value"], entry["low"], entry["high"])


def _spoken(name: str, models: Mapping[str, Estimate]) -> str:
    return f"{name}: " + ", ".join(
        f"{model} {significant(found.value)} ({interval(found.low, found.high)})" for model, found in models.items()
    )


def _course(course: Sequence[dict[str, Any]], own: dict[str, Any]) -> Iterator[Figure]:
    key = "rmse" if main_metric(own) == "rmse" else f"ndcg@{own['k']}"
    runs = [night for night in course if (night.get("metrics") or {}).get(MODEL, {}).get(key) is not None]
    if len(runs) < 2:
        return
    models = models_in({model: 0 for night in runs for model in night["metrics"]})
    days = [night["ds"] for night in runs]
    values = {model: [night["metrics"].get(model, {}).get(key, float("nan")) for night in runs] for model in models}
    values = {model: found for model, found in values.items() if any(value == value for value in found)}
    title = f"Does it stay good? {metric_name(main_metric(own), own['k'])} by night"

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        numbers = list(range(len(days)))
        draw.lines(ax, [Line(m, numbers, v) for m, v in values.items()], x_label="logical date", y_label=key)
        step = max(1, len(days) // 6)
        ax.set_xticks(numbers[::-step][::-1], [day[5:] for day in days[::-step][::-1]])

    first, last = values[MODEL][0], values[MODEL][-1]
    yield figure(
        "nights",
        title,
        f"{key} of {MODEL} over {len(days)} nights from {days[0]} to {days[-1]}: {significant(first)} at first, "
        f"{significant(last)} now.",
        Table(["night", *values], [[d, *(significant(values[m][n], 4) for m in values)] for n, d in enumerate(days)]),
        body,
    )


def _slices(own: dict[str, Any]) -> Iterator[Figure]:
    metric = main_metric(own)
    k = None if metric == "rmse" else own["k"]
    rows = [row for row in own["rows"] if row["metric"] == metric and row["k"] == k and row["slice"] != ALL]
    keys = list(dict.fromkeys((row["slice"], row["value"]) for row in rows))
    keys.sort(key=lambda key: (key[0] in BY_RATINGS, key[0], key[1] != "warm", level_order(key[1])))
    models = models_in({row["model"]: 0 for row in rows})
    found = {(row["model"], row["slice"], row["value"]): row for row in rows}
    names = [_slice_name(*key) for key in keys]
    series = {m: [found[m, *key]["result"] if (m, *key) in found else None for key in keys] for m in models}
    counts = [max(found[m, *key]["count"] for m in models if (m, *key) in found) for key in keys]
    if not keys:
        return
    name = metric_name(metric, k)
    what = "ratings" if metric == "rmse" else "users"
    body = [
        [label, count(n), *(significant(series[model][at], 4) for model in models)]
        for at, (label, n) in enumerate(zip(names, counts, strict=True))
    ]
    labels = [f"{label} ({count(n)})" for label, n in zip(names, counts, strict=True)]
    yield figure(
        "slices",
        f"For whom, and for which music? {name} by slice",
        f"{name} by slice. "
        + "; ".join(f"{label}: {significant(series[MODEL][at])}" for at, label in enumerate(names)),
        Table(["slice", what, *models], body),
        lambda drawing: draw.dots(drawing.subplots(), labels, series, x_label=name),
        height=0.9 + 0.27 * len(keys),
        note=f"In brackets: {what} behind a value. Cold: without a training rating. Popularity and activity: "
        "training ratings of the music and of the user, in parts of about equally many.",
    )


def _by_fields(own: dict[str, Any]) -> Iterator[Figure]:
    """A chart per side, a panel per field; and the models beside this one in the table."""
    metric = main_metric(own)
    name = metric_name(metric, own["k"])
    what = "ratings" if metric == "rmse" else "plays that lists should hold"
    for side, spoken in (("users", "For which users?"), ("items", "For which music?")):
        rows = [row for row in own["fields"] if row["side"] == side]
        if not rows:
            continue
        models = models_in(rows[0]["models"])
        fields: dict[str, dict[str, Estimate]] = {}
        for row in rows:
            fields.setdefault(row["field"], {})[row["value"]] = _estimate(row["models"][MODEL])
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
            f"{spoken} {name} by field",
            "; ".join(_spoken(field, values) for field, values in fields.items()),
            Table(["field", "value", what, MODEL, "95 % interval", *models[1:]], body, words=2),
            partial(draw.by_value, fields=fields),
            height=max(2.0, 0.5 + sum(0.55 + 0.34 * n for n in most)),
            note=f"{MODEL} over {count(own['sampled'])} users, with its 95 % interval; the table has the "
            f"baselines. Values with fewer than {LEAST} {what} are left out.",
        )


def _slice_name(slice_: str, value: str) -> str:
    if slice_ not in BY_RATINGS:
        return f"{value} {slice_}s".replace("items", "music")
    number, _, of = value.partition(" of ")
    by = slice_.rpartition("_")[2]  # popularity or activity
    return f"{by} {number}/{of}" + (", least" if number == "1" else ", most" if number == of else "")


def _missing(facts: dict[str, Any]) -> Iterator[str]:
    if len(facts["runs"]["course"]) < 2:
        yield "No course over nights: this is the first published one."
    if not facts["quality"]["studied"]:
        yield (
            "What side information is worth is measured by training without it: "
            "jobs/study.py --side-information, whose results report.side_information shows here."
        )
