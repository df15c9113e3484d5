"""What side information brings, from the results of a study: with the real one, with permuted one, and without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from bgmrec.report.numbers import significant
from bgmrec.report.page import draw
from bgmrec.report.page.parts import Figure, Table, figure
from bgmrec.report.page.style import short

KINDS = {"real": "real", "permuted": "permuted", "none": "none"}
_METRICS = {"rmse": "RMSE", "ndcg_10": "NDCG@10"}


def side_information_figures(results: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Figure]:
    """A figure per metric that was measured with more than one kind of side information.

    Args:
        results: rows of jobs/study.py --json.
        names: model → name on the page, where it differs.
    """
    for metric, title in _METRICS.items():
        by_model: dict[str, dict[str, list[float]]] = {}
        for row in results:
            if metric in row:
                kinds = by_model.setdefault(_name(row, names), {})
                kinds.setdefault(row["side_information"], []).append(row[metric])
        compared = {name: kinds for name, kinds in by_model.items() if len(kinds) > 1}
        if compared:
            yield _figure(metric, title, compared)


def _name(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    model = names.get(row["model"], row["model"])
    return model if row.get("fraction") is None else f"{model}, {100 * row['fraction']:g} %"


def _figure(metric: str, title: str, compared: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    used = [kind for kind in KINDS if any(kind in kinds for kinds in compared.values())]
    series = {
        KINDS[kind]: [fmean(kinds[kind]) if kind in kinds else None for kinds in compared.values()] for kind in used
    }
    rows = [[name, *(spread(kinds.get(kind, ())) for kind in used)] for name, kinds in compared.items()]
    values = "; ".join(
        f"{name}: " + ", ".join(f"{KINDS[k]} {significant(fmean(kinds[k]), 4)}" for k in used if k in kinds)
        for name, kinds in compared.items()
    )
    return figure(
        f"side-information-{metric.replace('_', '-')}",
        f"What does side information bring? {title}",
        f"{title} by side information. {values}",
        Table(["model, training share", *(KINDS[kind] for kind in used)], rows),
        lambda drawing: draw.dots(drawing.subplots(), [short(name, 20) for name in compared], series, x_label=title),
        height=1.7 + 0.3 * len(compared),
        note="The same models trained three times: with the real side information, with that of other users and tracks "
        "(permuted), and without. A gain that permuted side information also brings does not come from its content.",
    )


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds; empty without values.

    Args:
        values: a value per seed.
    """
    if not values:
        return ""
    return f"{fmean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")
