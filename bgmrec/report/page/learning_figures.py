"""How the model was learnt: the objective, the validation value and the encoders' losses, round by round."""

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


def learning_figures(own: dict[str, Any]) -> Iterator[Figure | Titled]:
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
            ax.legend(loc="best")  # half a figure is too narrow for names beside each other
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
