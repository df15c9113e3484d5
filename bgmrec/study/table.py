"""A study's results for people: mean and spread over seeds, beside the same runs' baselines and known figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean, stdev
from typing import Any

from bgmrec.evaluate.table import aligned
from bgmrec.study.published_results import known_figures

METRICS = (
    "rmse", "mae", "rmse_cold_item", "rmse_cold_user",
    "ndcg_10", "ndcg_20", "recall_20", "coverage_20", "ndcg_10_cold_items",
)  # fmt: skip
BASELINES = "baselines"
_KEYS = ("protocol", "model", "fraction", "side_information", "part")


def study_table(results: list[dict[str, Any]]) -> str:
    """One line per model, training fraction and kind of side information; below each fraction what else is known.

    Args:
        results: the JSON lines of a study.
    """
    shown = [name for name in METRICS if any(name in row for row in _with_baselines(results))]
    lines = [["model", "fraction", "side information", "seeds", *shown, "seconds"]]
    for protocol, fraction in dict.fromkeys((row["protocol"], row["fraction"]) for row in results):
        own = [row for row in results if (row["protocol"], row["fraction"]) == (protocol, fraction)]
        lines += [_line(rows, shown) for rows in _groups(_with_baselines(own))]
        for known in known_figures(protocol, fraction):
            cells = [_number(known.metrics.get(name)) for name in shown]
            lines.append([f"{known.method} ({known.source})", _text(fraction), "", "", *cells, ""])
    return aligned(lines)


def mean_and_spread(values: list[float]) -> str:
    """Mean ± standard deviation of the sample; of one value that value alone."""
    shown = _number(fmean(values))
    return shown if len(values) == 1 else f"{shown} ± {_number(stdev(values))}"


def _with_baselines(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every result, and its baselines as results of their own."""
    for row in results:
        yield row
        for name, metrics in row.get(BASELINES, {}).items():
            yield {**{key: row[key] for key in (*_KEYS, "seed")}, "model": f"baseline: {name}", **metrics}


def _groups(rows: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows that differ in nothing but their seed, which each has once: runs of one seed share their baselines."""
    groups: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in _KEYS), {})[row["seed"]] = row
    return [list(by_seed.values()) for by_seed in groups.values()]


def _line(rows: list[dict[str, Any]], shown: list[str]) -> list[str]:
    first = rows[0]
    cells = [mean_and_spread(found) if (found := [r[name] for r in rows if name in r]) else "" for name in shown]
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    spent = f"{sum(seconds) / len(seconds):.0f}" if seconds else ""
    return [first["model"], _text(first["fraction"]), first["side_information"], str(len(rows)), *cells, spent]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _text(fraction: float | None) -> str:
    return "" if fraction is None else str(fraction)
