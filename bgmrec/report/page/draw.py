"""The kinds of charts of the report. Numbers in, a drawing out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from bgmrec.report.bootstrap import Estimate
from bgmrec.report.numbers import significant
from bgmrec.report.page.style import DASHES, INK, MARKS, MUTED, PAPER, SERIES, short


@dataclass(frozen=True)
class Line:
    """A series of points.

    Args:
        name: name in the legend.
        x: horizontal positions.
        y: values.
        only_marks: draw marks without a line between them.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[float]
    only_marks: bool = False


def intervals(drawing: Drawing, metrics: Mapping[str, Mapping[str, Estimate]]) -> None:
    """Values and intervals of models: a panel per metric, a row per model.

    Args:
        drawing: an empty drawing.
        metrics: metric → model → estimate.
    """
    left_names: list[str] = []  # of the panel on the left: the same names are not repeated
    for at, (ax, (metric, models)) in enumerate(zip(panels(drawing, len(metrics), 2), metrics.items(), strict=True)):
        named = at % 2 == 0 or list(models) != left_names
        _estimates(ax, metric, models, [True, *[False] * (len(models) - 1)], named=named)
        left_names = list(models)


def by_value(drawing: Drawing, fields: Mapping[str, Mapping[str, Estimate]]) -> None:
    """A metric by the values of fields: a panel per field, a row per value.

    Args:
        drawing: an empty drawing.
        fields: field → value → estimate.
    """
    for ax, (field, values) in zip(panels(drawing, len(fields), 2), fields.items(), strict=True):
        _estimates(ax, field, values, [True] * len(values), named=True)


def _estimates(ax: Axes, title: str, rows: Mapping[str, Estimate], is_own: Sequence[bool], *, named: bool) -> None:
    """A row per value with its interval; those of the model (`is_own`) and of baselines look different."""
    ax.set_title(short(title, 18))
    for row, (estimate, is_model) in enumerate(zip(rows.values(), is_own, strict=True)):
        colour, mark = (SERIES[0], MARKS[0]) if is_model else (SERIES[2], MARKS[1])
        ax.plot([estimate.low, estimate.high], [row, row], color=colour, linewidth=2.2, solid_capstyle="butt")
        ax.plot([estimate.value], [row], mark, color=colour, markersize=6)
        ax.annotate(
            significant(estimate.value),
            (estimate.value, row),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    ax.set_yticks(range(len(rows)), [short(name, 14) for name in rows] if named else [])
    ax.set_ylim(len(rows) - 0.5, -0.7)
    ax.margins(x=0.16)
    ax.xaxis.set_major_locator(MaxNLocator(3, prune="both"))  # more labels would overlap
    ax.grid(axis="y", visible=False)


def lines(
    ax: Axes, series: Sequence[Line], *, x_label: str, y_label: str, log_x: bool = False, log_y: bool = False
) -> None:
    """Lines over a number.

    Args:
        ax: the chart.
        series: the lines.
        x_label: name of the x axis.
        y_label: name of the y axis.
        log_x: logarithmic x axis.
        log_y: logarithmic y axis.
    """
    for n, line in enumerate(series):
        few = len(line.x) <= 40
        ax.plot(
            list(line.x),
            list(line.y),
            linestyle="" if line.only_marks else DASHES[n % len(DASHES)],
            marker=MARKS[n % len(MARKS)] if few or line.only_marks else "",
            color=SERIES[n % len(SERIES)],
            label=short(line.name, 24),
        )
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    if log_x:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(_COUNTS)
        ax.xaxis.set_minor_formatter(NullFormatter())
    if log_y:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(_COUNTS)
        ax.yaxis.set_minor_formatter(NullFormatter())
    legend(ax, len(series))


def bars(
    ax: Axes,
    names: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    text: Callable[[float], str] | None = None,
) -> None:
    """Amounts side by side: a row per name, a bar per series, the first on top.

    Args:
        ax: the chart.
        names: names of the rows.
        series: name of a series → a value per row.
        x_label: name of the x axis.
        text: value → text beside its bar; None: no text.
    """
    height = 0.8 / len(series)
    for n, (name, values) in enumerate(series.items()):
        positions = np.arange(len(names)) - 0.4 + height * (n + 0.5)
        ax.barh(positions, values, height * 0.92, color=SERIES[n], label=name, hatch=_HATCHES[n])
        for position, value in zip(positions, values, strict=True):
            if text is not None:
                ax.annotate(text(value), (value, position), (3, 0), textcoords="offset points", va="center", fontsize=8)
    ax.set_yticks(range(len(names)), [short(name, 22) for name in names])
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.set_xlabel(x_label)
    ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    if text is not None:
        ax.margins(x=0.14)
    ax.grid(axis="y", visible=False)
    legend(ax, len(series))


def stacked(ax: Axes, names: Sequence[str], series: Mapping[str, Sequence[float]], *, x_label: str) -> None:
    """Parts of a whole: a row per name, a part of the bar per series.

    Args:
        ax: the chart.
        names: names of the rows.
        series: name of a series → a value per row.
        x_label: name of the x axis.
    """
    ends = np.zeros(len(names))
    for n, (name, values) in enumerate(series.items()):
        ax.barh(range(len(names)), values, 0.62, left=ends, color=SERIES[n], label=name, hatch=_HATCHES[n])
        ends += np.array(values)
    ax.set_yticks(range(len(names)), [short(name, 22) for name in names])
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.set_xlabel(x_label)
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower left", bbox_to_anchor=(-0.2, 1.0), ncols=min(len(series), 2), borderaxespad=0.1)


def columns(
    ax: Axes, x: Sequence[float], heights: Sequence[float], *, width: float, x_label: str, y_label: str
) -> None:
    """A distribution.

    Args:
        ax: the chart.
        x: values.
        heights: how many at each value.
        width: width of a column.
        x_label: name of the x axis.
        y_label: name of the y axis.
    """
    ax.bar(x, heights, width, color=SERIES[0])
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.yaxis.set_major_formatter(_COUNTS)
    ax.grid(axis="x", visible=False)


def dots(ax: Axes, names: Sequence[str], series: Mapping[str, Sequence[float | None]], *, x_label: str) -> None:
    """Values of models by slice: a row per slice, a mark per model.

    Args:
        ax: the chart.
        names: names of the slices.
        series: model → a value per slice, None where there is none.
        x_label: name of the x axis.
    """
    for n, (name, values) in enumerate(series.items()):
        points = [(value, row) for row, value in enumerate(values) if value is not None]
        ax.plot(
            [value for value, _ in points],
            [row for _, row in points],
            MARKS[n % len(MARKS)],
            color=SERIES[n % len(SERIES)],
            label=short(name, 20),
            markersize=7 if n == 0 else 6,
            zorder=3 - 0.1 * n,
        )
    ax.set_yticks(range(len(names)), [short(name, 32) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(x_label)
    legend(ax, len(series))


def cloud(ax: Axes, groups: Mapping[str, np.ndarray], *, x_label: str, y_label: str) -> None:
    """Points of a plane, each group with a colour and a mark of its own.

    Args:
        ax: the chart.
        groups: name → float (points, 2).
        x_label: name of the x axis.
        y_label: name of the y axis.
    """
    for n, (name, points) in enumerate(groups.items()):
        last = n >= len(SERIES)
        ax.plot(
            points[:, 0],
            points[:, 1],
            linestyle="",
            marker="." if last else MARKS[n],
            color=MUTED if last else SERIES[n],
            markersize=3 if last else 4.5,
            alpha=0.7,
            label=short(name, 18),
        )
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.2, borderaxespad=0.2)


def timeline(drawing: Drawing, names: Sequence[str], seconds: Sequence[float], memory: Sequence[float | None]) -> None:
    """Start, duration and peak memory of stages.

    Args:
        drawing: an empty drawing.
        names: the stages in their order.
        seconds: duration of each.
        memory: peak memory of each in GB; None where it was not measured.
    """
    ax, memory_ax = drawing.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    starts = np.concatenate([[0.0], np.cumsum(seconds)[:-1]])
    ax.barh(range(len(names)), seconds, left=starts, height=0.62, color=SERIES[0])
    whole = float(sum(seconds)) or 1.0
    for row, (start, length) in enumerate(zip(starts, seconds, strict=True)):
        inside, late = length > 0.2 * whole, start + length > 0.8 * whole
        ax.annotate(
            f"{significant(length, 2)} s",
            (start + length / 2 if inside else start if late else start + length, row),
            (0 if inside else -4 if late else 4, 0),
            textcoords="offset points",
            va="center",
            ha="center" if inside else "right" if late else "left",
            color=PAPER if inside else INK,
            fontsize=8.5,
        )
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("seconds since the first stage began")
    ax.grid(axis="y", visible=False)
    memory_ax.barh(range(len(names)), [value or 0.0 for value in memory], height=0.62, color=SERIES[2])
    memory_ax.set_xlabel("peak memory, GB")
    memory_ax.grid(axis="y", visible=False)


def reference(ax: Axes, x: Sequence[float], y: Sequence[float], text: str) -> None:
    """A thin dotted line to compare with.

    Args:
        ax: the chart.
        x: horizontal positions.
        y: values.
        text: name in the legend.
    """
    ax.plot(x, y, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), label=text, zorder=1)


def legend(ax: Axes, n: int) -> None:
    """Names of the series above the chart; a single series gets none.

    Args:
        ax: the chart.
        n: number of series.
    """
    if n > 1:
        ax.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=n if n < 5 else 3, borderaxespad=0.1, columnspacing=1.2
        )


def panels(drawing: Drawing, n: int, across: int) -> list[Axes]:
    """Several charts in one drawing.

    Args:
        drawing: an empty drawing.
        n: number of charts.
        across: charts beside each other.
    """
    down = -(-n // across)
    grid = drawing.subplots(down, across, squeeze=False).ravel()
    for unused in grid[n:]:
        unused.set_visible(False)
    return list(grid[:n])


_HATCHES = ("", "////", "", "\\\\\\\\", "xx")


def _counted(value: float, _: object) -> str:
    for size, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g} {name}"
    return f"{value:g}"


_COUNTS = FuncFormatter(_counted)
