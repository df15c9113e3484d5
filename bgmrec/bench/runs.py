"""Benchmarks of whole runs on a generated world: the time of each stage, and warm runs against full training."""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import date, timedelta
from typing import Any

from bgmrec.bench.harness import Bench, Result, Times, rounded
from bgmrec.config import Settings
from bgmrec.errors import SettingsError
from bgmrec.evaluate.table import MODEL
from bgmrec.publish.gate import gate_metric
from bgmrec.run.state import Run, Summary
from bgmrec.stages.generate_world import generate
from bgmrec.stages.nightly import run_stages
from bgmrec.storage import files

UNBOUNDED = ("train", "recommend")  # stages that may take any share of a run
BOUND = 0.15  # largest share of every other stage


def nightly(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One run: the longest stage besides training and top-N, against 15 % of the run.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    settings, last_day = _world(bench, arguments)
    summary = _one_run(bench, settings, "nightly", last_day)
    seconds = summary["seconds"]
    longest = max((stage for stage in seconds if stage not in UNBOUNDED), key=lambda stage: seconds[stage])
    total = sum(seconds.values())
    facts = {
        "longest": longest,
        "seconds": seconds,
        "shares": {stage: rounded(stage_seconds / total, 3) for stage, stage_seconds in seconds.items()},
        "peak_memory_mb": summary["peak_memory_mb"],
    }
    work, peer_name = f"stage {longest}", f"{BOUND:.0%} of the run"
    return Result("nightly", work, peer_name, Times([seconds[longest]]), Times([BOUND * total]), facts=facts)


def warm(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Runs of consecutive dates that start from the model of the date before, against full training of each.

    Each date has `1 / days` new events. Times are medians over the runs, qualities their means.

    Args:
        bench: session and settings.
        arguments: of the command line.

    Raises:
        SettingsError: there would be more runs than may start from an earlier model in a row.
    """
    most = bench.settings.train.warm_runs
    if bench.repeats > most:
        raise SettingsError(
            "not all runs of the comparison would be warm",
            where="benchmark.py warm: --repeats",
            expected=f"at most {most} (train.warm_runs): the run after so many trains fully",
            found=str(bench.repeats),
            hint="lower --repeats, or raise train.warm_runs",
        )
    settings, last_day = _world(bench, arguments)
    _one_run(bench, settings, "warm", last_day - timedelta(days=bench.repeats))
    days = [last_day - timedelta(days=age) for age in reversed(range(bench.repeats))]
    summaries = {
        "warm": [_one_run(bench, settings, "warm", day, delete=False) for day in days],
        "full": [_one_run(bench, settings, "full", day) for day in days],
    }
    metric = gate_metric(settings, {})
    times = {kind: Times([sum(run["seconds"].values()) for run in runs]) for kind, runs in summaries.items()}
    qualities = {kind: [run["metrics"][MODEL][metric] for run in runs] for kind, runs in summaries.items()}
    facts = {
        "quality": f"{metric} of the held-out ratings, mean over the runs",
        "qualities": qualities,
        "share_of_full_run": rounded(times["warm"].median / times["full"].median, 3),
        "rounds": {kind: [run["train"]["rounds"] for run in runs] for kind, runs in summaries.items()},
        "seconds": {kind: _median_seconds(runs) for kind, runs in summaries.items()},
    }
    mean_warm, mean_full = (statistics.fmean(qualities[kind]) for kind in ("warm", "full"))
    ours, peer = times["warm"], times["full"]
    return Result("warm", "a warm run", "a run with full training", ours, peer, mean_warm, mean_full, facts)


def _median_seconds(summaries: list[dict[str, Any]]) -> dict[str, float]:
    stages = summaries[0]["seconds"]
    return {stage: statistics.median(summary["seconds"][stage] for summary in summaries) for stage in stages}


def _world(bench: Bench, arguments: argparse.Namespace) -> tuple[Settings, date]:
    """Generates a world; returns the settings that read it, and its last day."""
    sizes = {"users": arguments.users, "items": arguments.items, "events": arguments.ratings, "days": arguments.days}
    world = bench.settings.world.model_copy(update={**sizes, "partitions": 4 * bench.partitions})
    paths = bench.settings.paths.model_copy(update={"data": bench.store.path("world")})
    settings = bench.settings.model_copy(update={"world": world, "paths": paths})
    began = time.monotonic()
    last_day = generate(bench.spark, settings, bench.progress)
    bench.progress.done("benchmark", what="world", seconds=rounded(time.monotonic() - began))
    return settings, date.fromisoformat(last_day)


def _one_run(bench: Bench, settings: Settings, name: str, ds: date, *, delete: bool = True) -> dict[str, Any]:
    """The summary of a run of all stages; `delete` removes the folder of earlier runs first."""
    root = bench.store.path(name)
    if delete:
        files.delete(bench.spark, root)
    paths = settings.paths.model_copy(update={"root": root})
    settings = settings.model_copy(update={"paths": paths})
    # small worlds fail checks of the gate, but their runs are timed, too
    run = Run(settings, ds, bench.spark, bench.progress, Summary(), force_publish="a benchmark")
    with bench.watched(f"{name} {ds}"):
        run_stages(run)
    return run.summary.facts
