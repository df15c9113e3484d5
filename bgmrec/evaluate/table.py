"""Metric rows as a table for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import DataFrame

from bgmrec.errors import QualityGateError
from bgmrec.evaluate.metrics import MAIN, metric_key
from bgmrec.evaluate.rating import METRICS
from bgmrec.evaluate.slices import ALL, BY_RATINGS, level_order
from bgmrec.evaluate.text import aligned

MODEL = "bgmrec"  # the run's own model among the names of models
_SLICES = (ALL, "user", "item", *BY_RATINGS)


def collect_metrics(metrics: DataFrame) -> list[dict[str, Any]]:
    """The rows of `METRICS` without `missing`, in a fixed order. An action on a few hundred rows.

    Args:
        metrics: `METRICS`.

    Raises:
        QualityGateError: a held-out rating has no score, or a user with targets has no list.
    """
    rows = [row.asDict() for row in metrics.select(*METRICS.names).collect()]
    missing = {row["model"]: row["missing"] for row in rows if row["slice"] == ALL and row["missing"]}
    if missing:
        raise QualityGateError(
            "a model lacks scores or lists that its metrics need",
            where=f"evaluation of {', '.join(missing)}",
            expected="a score for every held-out rating, and a list for every user with targets",
            found=", ".join(f"{model}: {count} missing" for model, count in missing.items()),
            hint="metrics over the rest would be too good; scores that are NaN point to factors that diverged",
        )
    rows = [{name: value for name, value in row.items() if name != "missing"} for row in rows]

    def order(row: dict[str, Any]) -> tuple[Any, ...]:
        of_slice = (_SLICES.index(row["slice"]), level_order(row["value"]), row["value"])
        return (*of_slice, row["k"] or 0, row["metric"], row["model"])

    return sorted(rows, key=order)


def main_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that fit a terminal: the main metrics at the smallest cut-off, overall and for warm and cold.

    Args:
        rows: of `collect_metrics`.
    """
    rows = list(rows)
    smallest = min((row["k"] for row in rows if row["k"]), default=None)
    return [
        row for row in rows if row["metric"] in MAIN and row["k"] in (None, smallest) and row["slice"] not in BY_RATINGS
    ]


def metrics_table(rows: Iterable[dict[str, Any]]) -> str:
    """A text table: one line per slice and model, one column per metric and cut-off.

    Args:
        rows: of `collect_metrics`.
    """
    rows = list(rows)
    heads = list(dict.fromkeys(_key(row) for row in rows))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        lines.setdefault((_slice_name(row), row["model"]), {})[_key(row)] = f"{row['result']:.4f}"
    body = [[*key, *(cells.get(head, "") for head in heads)] for key, cells in lines.items()]
    return aligned([["slice", "model", *heads], *body])


def headline(rows: Iterable[dict[str, Any]], model: str) -> dict[str, float]:
    """The metrics of one model over all users and items: {"rmse": …, "ndcg@10": …}.

    Args:
        rows: of `collect_metrics`.
        model: name of the model.
    """
    return {_key(row): row["result"] for row in rows if row["slice"] == ALL and row["model"] == model}


def _key(row: dict[str, Any]) -> str:
    return metric_key(row["metric"], row["k"])


def _slice_name(row: dict[str, Any]) -> str:
    return ALL if row["slice"] == ALL else f"{row['slice']}: {row['value']}"
