"""What side information is worth, out of a study's results: with its own, with another row's, and with none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from bgmrec.report.numbers import significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, Table, figure
from bgmrec.report.page.style import short

KINDS = {"real": "its own", "permuted": "another's", "none": "none"}
_METRICS = {"rmse": "RMSE", "ndcg_10": "NDCG@10"}


def side_information_figures(results: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Figure]:
    """A figure per metric that was measured with more than one kind of side information.

    Args:
        results: rows of jobs/study.py --json.
        names: of models that have another one here.
    """
    for metric, spoken in _METRICS.items():
        found: dict[str, dict[str, list[float]]] = {}
        for row in results:
            if metric in row:
                kinds = found.setdefault(_name(row, names), {})
                kinds.setdefault(row["side_information"], []).append(row[metric])
        compared = {name: kinds for name, kinds in found.items() if len(kinds) > 1}
        if compared:
            yield _figure(metric, spoken, compared)


def _name(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    model = names.get(row["model"], row["model"])
    return model if row.get("fraction") is None else f"{model}, {100 * row['fraction']:g} %"


def _figure(metric: str, spoken: str, compared: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    used = [kind for kind in KINDS if any(kind in kinds for kinds in compared.values())]
    series = {
        KINDS[kind]: [fmean(kinds[kind]) if kind in kinds else None for kinds in compared.values()] for kind in used
    }
    rows = [[name, *(spread(kinds.get(kind, ())) for kind in used)] for name, kinds in compared.items()]
    told = "; ".join(
        f"{name}: " + ", ".join(f"{KINDS[k]} {significant(fmean(kinds[k]), 4)}" for k in used if k in kinds)
        for name, kinds in compared.items()
    )
    return figure(
        f"side-information-{metric.replace('_', '-')}",
        f"What does side information bring? {spoken}",
        f"{spoken} by side information. {told}",
        Table(["model, training share", *(KINDS[kind] for kind in used)], rows),
        lambda drawing: draw.dots(drawing.subplots(), [short(name, 20) for name in compared], series, x_label=spoken),
        height=1.7 + 0.3 * len(compared),
        note="The same models learnt anew: as they are, with the side information of another user and item, and "
        "without any. A gain that another's brings, too, is not one of what it says.",
    )


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds."""
    if not values:
        return ""
    return f"{fmean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")
