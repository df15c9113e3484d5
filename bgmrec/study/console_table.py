"""The results of a study as a text table: mean and standard deviation over seeds, baselines, other methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean, stdev
from typing import Any

from bgmrec.evaluate.text import aligned
from bgmrec.study.peer_results import peer_results

METRICS = (
    "rmse", "mae", "rmse_cold_item", "rmse_cold_user",
    "ndcg_10", "ndcg_20", "recall_20", "coverage_20", "ndcg_10_cold_items",
)  # fmt: skip
BASELINES = "baselines"
_KEYS = ("protocol", "model", "fraction", "side_information", "part")


def study_table(results: list[dict[str, Any]]) -> str:
    """One line per model, training fraction and kind of side information; below each fraction the other methods.

    Args:
        results: the JSON lines of a study.
    """
    columns = [name for name in METRICS if any(name in row for row in with_baselines(results))]
    lines = [["model", "fraction", "side information", "seeds", *columns, "seconds"]]
    for protocol, fraction in dict.fromkeys((row["protocol"], row["fraction"]) for row in results):
        same_split = [row for row in results if (row["protocol"], row["fraction"]) == (protocol, fraction)]
        lines += [_line(rows, columns) for rows in _by_seed(with_baselines(same_split))]
        for peer in peer_results(protocol, fraction):
            cells = [_number(peer.metrics.get(name)) for name in columns]
            lines.append([f"{peer.method} ({peer.source})", _text(fraction), "", "", *cells, ""])
    return aligned(lines)


def mean_and_spread(values: list[float]) -> str:
    """Mean ± sample standard deviation; a single value has no ±.

    Args:
        values: one per seed.
    """
    mean = _number(fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {_number(stdev(values))}"


def with_baselines(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every result, followed by one row for each of its baselines.

    Args:
        results: the JSON lines of a study.
    """
    for row in results:
        yield row
        for name, metrics in row.get(BASELINES, {}).items():
            yield {**{key: row[key] for key in (*_KEYS, "seed")}, "model": f"baseline: {name}", **metrics}


def _by_seed(rows: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Groups rows that differ in their seed alone; trials of the same seed have the same baselines, counted once."""
    groups: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in _KEYS), {})[row["seed"]] = row
    return [list(by_seed.values()) for by_seed in groups.values()]


def _line(rows: list[dict[str, Any]], columns: list[str]) -> list[str]:
    first = rows[0]
    by_column = ([row[name] for row in rows if name in row] for name in columns)
    cells = [mean_and_spread(values) if values else "" for values in by_column]
    seconds = [row["seconds"] for row in rows if "seconds" in row]
    mean_seconds = f"{fmean(seconds):.0f}" if seconds else ""
    return [first["model"], _text(first["fraction"]), first["side_information"], str(len(rows)), *cells, mean_seconds]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _text(fraction: float | None) -> str:
    return "" if fraction is None else str(fraction)
