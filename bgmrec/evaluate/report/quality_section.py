"""How good the model is: against baselines, over nights, by slice, and how it was learnt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from bgmrec.evaluate.report import draw
from bgmrec.evaluate.report.bootstrap import Estimate
from bgmrec.evaluate.report.draw import Line
from bgmrec.evaluate.report.numbers import count, interval, p_value, signed, significant
from bgmrec.evaluate.report.parts import Figure, Section, Table, Tile, Titled, figure
from bgmrec.evaluate.slices import ALL

MODEL = "bgmrec"
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
_FIRST = ("rmse", "mae", "ndcg", "recall", "hit_rate", "mrr")
SMALL = 0.05  # a p value below this is called significant


def quality_section(facts: dict[str, Any]) -> Section:
    own = facts["quality"]
    if not own["rows"]:
        return Section(
            "quality",
            "Quality",
            "No ratings were held out, so that nothing can be said of the model's quality.",
            blocks=list(_learning(own)),
        )
    metrics = {**own["rating"], **own["ranking"]}
    blocks: list[Figure | Titled] = [_against(metrics, own)]
    blocks += _course(facts["nights"]["course"], own)
    blocks += _slices(own)
    blocks += _ratings(own)
    blocks += _learning(own)
    return Section("quality", "Quality", _lead(metrics, own), list(_tiles(metrics, own)), blocks, list(_missing(facts)))


def main_metric(own: dict[str, Any]) -> str:
    """The metric that speaks for the model: NDCG where there are lists, else RMSE."""
    return "ndcg" if own["ranking"] else "rmse"


def metric_name(metric: str, k: int | None) -> str:
    ranked = metric not in LOWER_IS_BETTER and k is not None
    return f"{NAMES.get(metric, metric)}@{k}" if ranked else NAMES.get(metric, metric)


def _models(entries: Mapping[str, Any]) -> list[str]:
    """Names of the models, this one first."""
    return sorted(entries, key=lambda model: (model != MODEL, model))


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
        for model in _models(metrics[metric]):
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
        metric_name(metric, own["k"]): {model: _estimate(metrics[metric][model]) for model in _models(metrics[metric])}
        for metric in shown
    }
    lowest = min(len(models) for models in panels.values())
    return figure(
        "metrics",
        "Is it better than the baselines?",
        "; ".join(_spoken(name, models) for name, models in panels.items()),
        Table(heads, rows, words=2, note="p: two-sided, paired over users."),
        lambda drawing: draw.intervals(drawing, panels),
        height=0.75 + (0.55 + 0.34 * lowest) * (-(-len(panels) // 2)),
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
    nights = [night for night in course if (night.get("metrics") or {}).get(MODEL, {}).get(key) is not None]
    if len(nights) < 2:
        return
    models = _models({model: 0 for night in nights for model in night["metrics"]})
    days = [night["ds"] for night in nights]
    values = {model: [night["metrics"].get(model, {}).get(key, float("nan")) for night in nights] for model in models}
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
    keys.sort(key=lambda key: (key[0] == "item_popularity", key[0], key[1] != "warm", key[1]))
    models = _models({row["model"]: 0 for row in rows})
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
        note=f"In brackets: {what} behind a value. Cold: without a training rating.",
    )


def _slice_name(slice_: str, value: str) -> str:
    if slice_ != "item_popularity":
        return f"{value} {slice_}s".replace("items", "music")
    number, _, of = value.partition(" of ")
    return f"popularity {number}/{of}" + (", least" if number == "1" else ", most" if number == of else "")


def _ratings(own: dict[str, Any]) -> Iterator[Figure]:
    if bins := own.get("calibration"):
        predicted, given = [row["predicted"] for row in bins], [row["given"] for row in bins]

        def body(drawing: Drawing) -> None:
            ax = drawing.subplots()
            draw.lines(ax, [Line(MODEL, predicted, given)], x_label="predicted rating", y_label="rating given, mean")
            ends = [min(predicted + given), max(predicted + given)]
            draw.reference(ax, ends, ends, "as predicted")
            ax.legend(loc="upper left")

        rows = [[significant(r["predicted"]), significant(r["given"]), count(r["ratings"])] for r in bins]
        far = max(bins, key=lambda row: abs(row["predicted"] - row["given"]))
        yield figure(
            "calibration",
            "Can a predicted rating be taken at its word?",
            f"Mean rating given by predicted rating. Farthest apart: {significant(far['given'])} given where "
            f"{significant(far['predicted'])} was predicted.",
            Table(["predicted", "given, mean", "ratings"], rows, words=0),
            body,
        )
    for side, found in (own.get("errors") or {}).items():
        yield _error_curve("users" if side.startswith("user") else "music", found)


def _error_curve(side: str, found: Sequence[dict[str, Any]]) -> Figure:
    models = _models({row["model"]: 0 for row in found})
    levels = sorted({row["level"] for row in found})
    by = {(row["model"], row["level"]): row for row in found}
    names = [_level_name(level) for level in levels]
    series = {m: [by[m, at]["rmse"] if (m, at) in by else float("nan") for at in levels] for m in models}

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        places = list(range(len(levels)))
        draw.lines(ax, [Line(m, places, v) for m, v in series.items()], x_label="training ratings", y_label="RMSE")
        ax.set_xticks(places, names, rotation=45 if len(names) > 7 else 0)

    counts = [max(by[m, at]["ratings"] for m in models if (m, at) in by) for at in levels]
    rows = [
        [n, count(c), *(significant(series[m][at], 4) for m in models)]
        for at, (n, c) in enumerate(zip(names, counts, strict=True))
    ]
    return figure(
        f"errors-{side}",
        f"How many ratings does it need? RMSE by ratings of the {side}",
        f"RMSE of {MODEL} by training ratings of the {side}: "
        + ", ".join(f"{n}: {significant(v)}" for n, v in zip(names, series[MODEL], strict=True)),
        Table(["training ratings", "judged ratings", *models], rows),
        body,
    )


def _level_name(level: int) -> str:
    if level < 2:
        return str(level)
    return f"{2 ** (level - 1)}–{2**level - 1}"


def _learning(own: dict[str, Any]) -> Iterator[Figure | Titled]:
    history = own["history"]
    if not history:
        return
    yield _objective(history)
    rounds, valid = [entry["round"] for entry in history], [entry.get("valid") for entry in history]
    if all(value is not None for value in valid) and len(rounds) > 1:
        yield _validation(rounds, valid, own["best_round"])
    yield from _encoders(history)


def _objective(history: Sequence[dict[str, Any]]) -> Figure | Titled:
    rounds = [entry["round"] for entry in history]
    terms = [name for name in history[0]["objective"] if name != "total"]
    series = {name: [entry["objective"][name] for entry in history] for name in ("total", *terms)}
    table = Table(
        ["round", *map(_term, series), "seconds"],
        [
            [str(r), *(significant(series[n][at], 4) for n in series), significant(history[at].get("seconds"), 2)]
            for at, r in enumerate(rounds)
        ],
    )
    if len(rounds) == 1:
        return Titled("What one round learnt: the objective by term", table)

    def objective(drawing: Drawing) -> None:
        first, second = drawing.subplots(1, 2)
        lines = [Line(_term(n), rounds, series[n]) for n in ("total", terms[0])]
        draw.lines(first, lines, x_label="round", y_label="objective")
        draw.lines(second, [Line(_term(n), rounds, series[n]) for n in terms[1:]], x_label="round", y_label="")
        for ax in (first, second):
            _whole_rounds(ax, rounds)

    return figure(
        "objective",
        "Did the rounds learn? The objective by term",
        f"The objective over {len(rounds)} rounds: {significant(series['total'][0])} after the first, "
        f"{significant(series['total'][-1])} after the last.",
        table,
        objective,
    )


def _term(name: str) -> str:
    return name.replace("_", " ")


def _whole_rounds(ax: Any, rounds: Sequence[int]) -> None:
    ax.set_xticks(rounds[:: max(1, len(rounds) // 8)])


def _validation(rounds: Sequence[int], valid: Sequence[float], best: int) -> Figure:
    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        draw.lines(
            ax, [Line("validation", rounds, valid)], x_label="round", y_label="validation value, lower is better"
        )
        draw.reference(ax, [best, best], [min(valid), max(valid)], f"best round: {best}")
        ax.legend(loc="upper right")
        _whole_rounds(ax, rounds)

    return figure(
        "validation",
        "When was it best? The validation value by round",
        f"Validation value by round, lower is better; the best is round {best} with {significant(min(valid), 4)}.",
        Table(["round", "validation value"], [[str(r), significant(v, 4)] for r, v in zip(rounds, valid, strict=True)]),
        body,
        note="1 − NDCG where lists are validated, RMSE where ratings are.",
    )


def _encoders(history: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    losses = {
        side: [(entry["round"], loss) for entry in history for loss in entry.get(f"{side}_encoder") or []]
        for side in ("user", "item")
    }
    losses = {side: found for side, found in losses.items() if len(found) > 1}
    if not losses:
        return

    def body(drawing: Drawing) -> None:
        for ax, (side, found) in zip(draw.panels(drawing, len(losses), 2), losses.items(), strict=True):
            epochs = list(range(1, len(found) + 1))
            draw.lines(ax, [Line(side, epochs, [loss for _, loss in found])], x_label="epoch", y_label="loss")
            ax.set_title(f"{side} encoder")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            starts = list(
                accumulate(sum(1 for r, _ in found if r == number) for number in dict.fromkeys(r for r, _ in found))
            )
            for start in starts[:-1]:
                ax.axvline(start + 0.5, color=ax.xaxis.label.get_color(), linewidth=0.6, linestyle=(0, (1, 2)))

    rows = [
        [side, str(r), str(n), significant(v, 4)] for side, found in losses.items() for n, (r, v) in enumerate(found, 1)
    ]
    yield figure(
        "encoders",
        "Did the encoders learn? Their loss by epoch",
        "; ".join(
            f"{side} encoder: {significant(found[0][1])} in the first epoch, {significant(found[-1][1])} in the last"
            for side, found in losses.items()
        ),
        Table(["encoder", "round", "epoch", "loss"], rows, words=1),
        body,
        note="Dotted lines: a new round, whose factors are new targets.",
    )


def _missing(facts: dict[str, Any]) -> Iterator[str]:
    if len(facts["nights"]["course"]) < 2:
        yield "No course over nights: this is the first published one."
    yield "What side information is worth is measured by training without it: jobs/study.py --side-information."
