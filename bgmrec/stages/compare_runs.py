"""Compares the metrics of two runs of the same date, for example with and without side information."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import product
from typing import Any

from bgmrec.config import load_settings
from bgmrec.errors import InputError
from bgmrec.evaluate.metrics import LOWER_IS_BETTER, metric_key
from bgmrec.evaluate.table import MODEL
from bgmrec.evaluate.text import aligned
from bgmrec.run.state import Run
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import start_run

METRICS = ("rmse", "mae", "ndcg", "recall", "hit_rate")
SLICES = (("item", "cold"), ("item", "warm"), ("all", "all"))
Results = dict[tuple[str, str, str, int | None], float]  # (slice, value, metric, cut-off) → result


def metrics_of(run: Run) -> Results:
    """The results of the run's own model.

    Args:
        run: the run.
    """
    rows: list[dict[str, Any]] = run.work.document("metrics")["rows"]
    return {
        (row["slice"], row["value"], row["metric"], row["k"]): row["result"] for row in rows if row["model"] == MODEL
    }


def table(names: tuple[str, str], first: Results, second: Results) -> Iterator[list[str]]:
    """A line per slice and metric that both runs have, the head first.

    Args:
        names: heads of the columns of both runs.
        first: results of the first run.
        second: results of the second run.
    """
    yield ["tracks", "metric", *names, "change"]
    cut_offs = sorted({k for _, _, _, k in first if k is not None})
    for part, value in SLICES:
        for metric, k in product(METRICS, (None, *cut_offs)):
            key = (part, value, metric, k)
            if key in first and key in second:
                better = (second[key] < first[key]) == (metric in LOWER_IS_BETTER)
                word = "same" if second[key] == first[key] else "better" if better else "worse"
                yield [value, metric_key(metric, k), f"{first[key]:.4f}", f"{second[key]:.4f}", word]


def compare(arguments: Namespace, progress: Progress) -> None:
    """Prints a table of the metrics of two runs of the same date with different `paths.root`.

    Args:
        arguments: arguments of the job.
        progress: progress log.

    Raises:
        InputError: the runs have no metric in common.
    """
    settings = load_settings(arguments.config, arguments.overrides)
    run = start_run(settings, arguments.ds, progress)
    paths = settings.paths.model_copy(update={"root": arguments.with_root})
    other = start_run(settings.model_copy(update={"paths": paths}), arguments.ds, progress)
    lines = list(table(tuple(arguments.names), metrics_of(run), metrics_of(other)))
    if len(lines) == 1:
        raise InputError(
            "the two runs have no metric in common",
            where=f"{run.work.path('metrics.json')} and {other.work.path('metrics.json')}",
            expected=f"a metric of {', '.join(METRICS)} of the model {MODEL} in both",
            found="none",
            hint="both runs need held-out ratings ([split]), the same mode and the same evaluate.ks",
        )
    write_line(aligned(lines))
