"""Predicted ratings: calibration, and errors by number of training ratings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure as Drawing

from bgmrec.evaluate.table import MODEL
from bgmrec.report.models import models_in
from bgmrec.report.numbers import count, significant
from bgmrec.report.page import draw
from bgmrec.report.page.draw import Line
from bgmrec.report.page.parts import Figure, Table, figure


def rating_figures(quality: dict[str, Any]) -> Iterator[Figure]:
    """The figures on predicted ratings; none in implicit mode.

    Args:
        quality: the section of that name of the facts.
    """
    if bins := quality.get("calibration"):
        predicted, given = [row["predicted"] for row in bins], [row["given"] for row in bins]

        def body(drawing: Drawing) -> None:
            ax = drawing.subplots()
            draw.lines(ax, [Line(MODEL, predicted, given)], x_label="predicted rating", y_label="mean rating given")
            ends = [min(predicted + given), max(predicted + given)]
            draw.reference(ax, ends, ends, "given = predicted")
            ax.legend(loc="upper left")

        rows = [[significant(r["predicted"]), significant(r["given"]), count(r["ratings"])] for r in bins]
        far = max(bins, key=lambda row: abs(row["predicted"] - row["given"]))
        yield figure(
            "calibration",
            "Are predicted ratings right on average?",
            f"Mean rating given by predicted rating. Largest difference: {significant(far['given'])} given where "
            f"{significant(far['predicted'])} was predicted.",
            Table(["predicted", "mean given", "ratings"], rows, words=0),
            body,
            note="Held-out ratings in bins of the predicted rating. Dotted line: right on average.",
        )
    for side, rows in (quality.get("errors") or {}).items():
        yield _error_curve("users" if side.startswith("user") else "tracks", rows)


def _error_curve(side: str, errors: Sequence[dict[str, Any]]) -> Figure:
    models = models_in({row["model"]: 0 for row in errors})
    levels = sorted({row["level"] for row in errors})
    by = {(row["model"], row["level"]): row for row in errors}
    names = [_level_name(level) for level in levels]
    series = {m: [by[m, at]["rmse"] if (m, at) in by else float("nan") for at in levels] for m in models}

    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        positions = list(range(len(levels)))
        draw.lines(ax, [Line(m, positions, v) for m, v in series.items()], x_label="training ratings", y_label="RMSE")
        ax.set_xticks(positions, names, rotation=45 if len(names) > 7 else 0)

    counts = [max(by[m, at]["ratings"] for m in models if (m, at) in by) for at in levels]
    rows = [
        [n, count(c), *(significant(series[m][at], 4) for m in models)]
        for at, (n, c) in enumerate(zip(names, counts, strict=True))
    ]
    return figure(
        f"errors-{side}",
        f"How does the error depend on the ratings of the {side}?",
        f"RMSE of {MODEL} by the number of training ratings of the {side}: "
        + ", ".join(f"{n}: {significant(v)}" for n, v in zip(names, series[MODEL], strict=True)),
        Table(["training ratings", "held-out ratings", *models], rows),
        body,
        note=f"RMSE of the held-out ratings, by the number of training ratings of their {side}; 0: cold {side}.",
    )


def _level_name(level: int) -> str:
    if level < 2:
        return str(level)
    return f"{2 ** (level - 1)}–{2**level - 1}"
