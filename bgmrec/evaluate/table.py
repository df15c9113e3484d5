"""The report: a table for people, and the same rows as JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import DataFrame

from bgmrec.errors import QualityGateError
from bgmrec.evaluate.rating import METRICS
from bgmrec.evaluate.slices import ALL, BY_RATINGS, level_order

MODEL = "bgmrec"  # the night's own model among the names of models
_MAIN = ("rmse", "mae", "ndcg", "recall", "hit_rate", "coverage", "gini")
_SLICES = (ALL, "user", "item", *BY_RATINGS)


def collect_metrics(metrics: DataFrame) -> list[dict[str, Any]]:
    """The rows of `METRICS` without `missing`, in a fixed order. An action on a few hundred rows.

    Raises:
        QualityGateError: a row has no score, or a user with targets no list.
    """
    rows = [row.asDict() for row in metrics.select(*METRICS.names).collect()]
    missing = {row["model"]: row["missing"] for row in rows if row["slice"] == ALL and row["missing"]}
    if missing:
        raise QualityGateError(
            "not everything that was held out has a score or a list",
            where=", ".join(missing),
            expected="a score for every held-out rating, a list for every user with targets",
            found=", ".join(f"{model}: {count} missing" for model, count in missing.items()),
            hint="a metric over the rest would flatter the model: make lists and factors for all users and items",
        )
    rows = [{name: value for name, value in row.items() if name != "missing"} for row in rows]

    def folder(row: dict[str, Any]) -> tuple[Any, ...]:
        of_slice = (_SLICES.index(row["slice"]), level_order(row["value"]), row["value"])
        return (*of_slice, row["k"] or 0, row["metric"], row["model"])

    return sorted(rows, key=folder)


def main_rows(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What fits a terminal: the main metrics at the smallest cut-off, overall and for warm and cold."""
    rows = list(rows)
    smallest = min((row["k"] for row in rows if row["k"]), default=None)
    return [
        row
        for row in rows
        if row["metric"] in _MAIN and row["k"] in (None, smallest) and row["slice"] not in BY_RATINGS
    ]


def metrics_table(rows: Iterable[dict[str, Any]]) -> str:
    """One line per slice and model, one column per metric and cut-off."""
    rows = list(rows)
    heads = list(dict.fromkeys(_head(row) for row in rows))
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        lines.setdefault((_slice_name(row), row["model"]), {})[_head(row)] = f"{row['result']:.4f}"
    body = [[*key, *(cells.get(head, "") for head in heads)] for key, cells in lines.items()]
    return aligned([["slice", "model", *heads], *body])


def aligned(lines: list[list[str]]) -> str:
    """Columns two blanks apart, the first two to the left and numbers to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def headline(rows: Iterable[dict[str, Any]], model: str) -> dict[str, float]:
    """The metrics of one model over everything: {"rmse": …, "ndcg@10": …}."""
    return {_head(row): row["result"] for row in rows if row["slice"] == ALL and row["model"] == model}


def _head(row: dict[str, Any]) -> str:
    return row["metric"] if row["k"] is None else f"{row['metric']}@{row['k']}"


def _slice_name(row: dict[str, Any]) -> str:
    return ALL if row["slice"] == ALL else f"{row['slice']}: {row['value']}"
