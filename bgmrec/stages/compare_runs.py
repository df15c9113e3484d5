"""Compares the metrics of two nights of one date, for example one with side information and one without."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import product
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.evaluate.table import aligned
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run

METRICS = ("rmse", "mae", "ndcg", "recall", "hit_rate")
SLICES = (("item", "cold"), ("item", "warm"), ("all", "all"))
LOWER_IS_BETTER = ("rmse", "mae")


Results = dict[tuple[str, str, str, int | None], float]  # (slice, value, metric, cut-off) → result


def metrics_of(run: Run) -> Results:
    """The results of the night's own model."""
    rows: list[dict[str, Any]] = run.work.document("metrics")
    return {
        (row["slice"], row["value"], row["metric"], row["k"]): row["result"] for row in rows if row["model"] == "bgmrec"
    }


def table(names: tuple[str, str], first: Results, second: Results) -> Iterator[list[str]]:
    """One line per slice and metric that both nights have."""
    yield ["music", "metric", *names, "change"]
    cut_offs = sorted({k for _, _, _, k in first if k is not None})
    for part, value in SLICES:
        for metric, k in product(METRICS, (None, *cut_offs)):
            key = (part, value, metric, k)
            if key in first and key in second:
                shown = f"{metric}@{k}" if k else metric
                better = (second[key] < first[key]) == (metric in LOWER_IS_BETTER)
                word = "same" if second[key] == first[key] else "better" if better else "worse"
                yield [value, shown, f"{first[key]:.4f}", f"{second[key]:.4f}", word]


def compare(arguments: Namespace, progress: Progress) -> None:
    """Prints the table of the runs of one date below two roots.

    Raises:
        InputError: they have no metric in common.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    run = start_run(settings, arguments.ds, progress)
    paths = settings.paths.model_copy(update={"root": arguments.with_root})
    other = start_run(settings.model_copy(update={"paths": paths}), arguments.ds, progress)
    lines = list(table(tuple(arguments.names), metrics_of(run), metrics_of(other)))
    if len(lines) == 1:
        raise InputError("the nights have no metric in common", where=run.work.path("metrics.json"))
    write_line(aligned(lines))
