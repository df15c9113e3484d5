"""The training: objective, validation value and encoder losses by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from bgmrec.report.numbers import significant
from bgmrec.report.page import draw
from bgmrec.report.page.draw import Line
from bgmrec.report.page.parts import Figure, Table, Titled, figure


def learning_figures(quality: dict[str, Any]) -> Iterator[Figure | Titled]:
    """The figures on the training.

    Args:
        quality: the section of that name of the facts.
    """
    history = quality["history"]
    if not history:
        return
    yield _objective(history)
    rounds, valid = [entry["round"] for entry in history], [entry.get("valid") for entry in history]
    if all(value is not None for value in valid) and len(rounds) > 1:
        yield _validation(rounds, valid, quality["best_round"])
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
        return Titled("The objective of the only round, by term", table)

    def objective(drawing: Drawing) -> None:
        first, second = drawing.subplots(1, 2)
        lines = [Line(_term(n), rounds, series[n]) for n in ("total", terms[0])]
        draw.lines(first, lines, x_label="round", y_label="objective")
        draw.lines(second, [Line(_term(n), rounds, series[n]) for n in terms[1:]], x_label="round", y_label="")
        for ax in (first, second):
            ax.legend(loc="best")  # half a figure is too narrow for a legend in one line
            _whole_rounds(ax, rounds)

    return figure(
        "objective",
        "Does the training converge? The objective by round",
        f"The objective over {len(rounds)} rounds: {significant(series['total'][0])} after the first, "
        f"{significant(series['total'][-1])} after the last.",
        table,
        objective,
        note="The objective is what the training minimises: squared errors of the training ratings (data) plus "
        "distances of the factors from their prior means. It should fall, and then change little.",
    )


def _term(name: str) -> str:
    return name.replace("_", " ")


def _whole_rounds(ax: Any, rounds: Sequence[int]) -> None:
    ax.set_xticks(rounds[:: -(-len(rounds) // 8)])


def _validation(rounds: Sequence[int], valid: Sequence[float], best: int) -> Figure:
    def body(drawing: Drawing) -> None:
        ax = drawing.subplots()
        draw.lines(
            ax, [Line("validation", rounds, valid)], x_label="round", y_label="validation value, lower is better"
        )
        draw.reference(ax, [best, best], [min(valid), max(valid)], f"best round: {best}")
        ax.legend(loc="upper center")  # on the right the last round may be the best one
        _whole_rounds(ax, rounds)

    return figure(
        "validation",
        "Which round was best? The validation value by round",
        f"Validation value by round, lower is better; the best is round {best} with {significant(min(valid), 4)}.",
        Table(["round", "validation value"], [[str(r), significant(v, 4)] for r, v in zip(rounds, valid, strict=True)]),
        body,
        note="1 − NDCG for train.metric = ndcg, RMSE for rmse, on the held-out ratings. The model of the best round is "
        "the one that is evaluated.",
    )


def _encoders(history: Sequence[dict[str, Any]]) -> Iterator[Figure]:
    losses = {
        side: [(entry["round"], loss) for entry in history for loss in entry.get(f"{side}_encoder") or []]
        for side in ("user", "item")
    }
    losses = {side: epochs for side, epochs in losses.items() if len(epochs) > 1}
    if not losses:
        return

    def body(drawing: Drawing) -> None:
        for ax, (side, epochs) in zip(draw.panels(drawing, len(losses), 2), losses.items(), strict=True):
            numbers = list(range(1, len(epochs) + 1))
            draw.lines(ax, [Line(side, numbers, [loss for _, loss in epochs])], x_label="epoch", y_label="loss")
            ax.set_title(f"{side} encoder")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            starts = list(
                accumulate(sum(1 for r, _ in epochs if r == number) for number in dict.fromkeys(r for r, _ in epochs))
            )
            for start in starts[:-1]:
                ax.axvline(start + 0.5, color=ax.xaxis.label.get_color(), linewidth=0.6, linestyle=(0, (1, 2)))

    rows = [
        [side, str(r), str(n), significant(v, 4)]
        for side, epochs in losses.items()
        for n, (r, v) in enumerate(epochs, 1)
    ]
    yield figure(
        "encoders",
        "Do the encoders converge? Loss by epoch",
        "; ".join(
            f"{side} encoder: {significant(epochs[0][1])} in the first epoch, {significant(epochs[-1][1])} in the last"
            for side, epochs in losses.items()
        ),
        Table(["encoder", "round", "epoch", "loss"], rows, words=1),
        body,
        note="An encoder learns to predict the factors of a user or track from side information. Dotted lines: the "
        "next round begins, with new factors to predict.",
    )
