"""Benchmarks of whole nights on a generated world: what each stage takes, and a warm night against a cold one.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import date, timedelta
from typing import Any

from bgmrec.bench.parts import Bench, Result, Times, rounded
from bgmrec.config import Settings
from bgmrec.errors import SettingsError
from bgmrec.evaluate.table import MODEL
from bgmrec.publish.gate import gate_metric
from bgmrec.run.state import Run, Summary
from bgmrec.stages.generate_world import generate
from bgmrec.stages.nightly import run_stages
from bgmrec.storage import files

UNBOUNDED = ("train", "recommend")  # the work itself
BOUND = 0.15  # of the night's time, for every other stage


def nightly(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One night: the longest stage besides training and top-N against 15 % of the night."""
    settings, last = _world(bench, arguments)
    facts = _one_run(bench, settings, "nightly", last)
    seconds = facts["seconds"]
    longest = max((name for name in seconds if name not in UNBOUNDED), key=lambda name: seconds[name])
    whole = sum(seconds.values())
    shares = {name: rounded(taken / whole, 3) for name, taken in seconds.items()}
    found = {"longest": longest, "seconds": seconds, "shares": shares, "peak_memory_mb": facts["peak_memory_mb"]}
    return Result("nightly", Times([seconds[longest]]), Times([BOUND * whole]), facts=found)


def warm(bench: Bench, arguments: argparse.Namespace) -> Result:
    """Nights in a row after one from nothing, each with `1 / days` new events, against the same nights from nothing.

    Times are medians over the nights, qualities their means.
    """
    longest = bench.settings.train.warm_runs
    if bench.repeats > longest:
        raise SettingsError(
            "not all nights that are compared would be warm ones",
            where="--repeats",
            expected=f"at most {longest}, after which a night begins anew (train.warm_runs)",
            found=str(bench.repeats),
            hint="ask for fewer nights, or raise train.warm_runs",
        )
    settings, last = _world(bench, arguments)
    _one_run(bench, settings, "warm", last - timedelta(days=bench.repeats))
    days = [last - timedelta(days=age) for age in reversed(range(bench.repeats))]
    of_warm = [_one_run(bench, settings, "warm", day, fresh=False) for day in days]
    of_cold = [_one_run(bench, settings, "cold", day) for day in days]
    ours, peer = (Times([sum(facts["seconds"].values()) for facts in runs]) for runs in (of_warm, of_cold))
    metric = gate_metric(settings, {})
    of_ours, of_peer = ([facts["metrics"][MODEL][metric] for facts in runs] for runs in (of_warm, of_cold))
    kinds = {"warm": of_warm, "cold": of_cold}
    facts = {
        "quality": f"{metric} of the held-out ratings, mean over the nights",
        "qualities": {"warm": of_ours, "cold": of_peer},
        "share_of_a_cold_night": rounded(ours.median / peer.median, 3),
        "rounds": {kind: [facts["train"]["rounds"] for facts in runs] for kind, runs in kinds.items()},
        "seconds": {kind: _median_seconds(runs) for kind, runs in kinds.items()},
    }
    return Result("warm", ours, peer, statistics.fmean(of_ours), statistics.fmean(of_peer), facts)


def _median_seconds(runs: list[dict[str, Any]]) -> dict[str, float]:
    stages = runs[0]["seconds"]
    return {stage: statistics.median(facts["seconds"][stage] for facts in runs) for stage in stages}


def _world(bench: Bench, arguments: argparse.Namespace) -> tuple[Settings, date]:
    sizes = {"users": arguments.users, "items": arguments.items, "events": arguments.ratings, "days": arguments.days}
    world = bench.settings.world.model_copy(update={**sizes, "partitions": 4 * bench.partitions})
    paths = bench.settings.paths.model_copy(update={"data": bench.store.path("world")})
    settings = bench.settings.model_copy(update={"world": world, "paths": paths})
    began = time.monotonic()
    last = generate(bench.spark, settings, bench.progress)
    bench.progress.done("benchmark", what="world", seconds=rounded(time.monotonic() - began))
    return settings, date.fromisoformat(last)


def _one_run(bench: Bench, settings: Settings, name: str, ds: date, *, fresh: bool = True) -> dict[str, Any]:
    root = bench.store.path(name)
    if fresh:
        files.delete(bench.spark, root)
    paths = settings.paths.model_copy(update={"root": root})
    settings = settings.model_copy(update={"paths": paths})
    # a world of any size is timed, whether its lists are worth publishing or not
    run = Run(settings, ds, bench.spark, bench.progress, Summary(), force_publish="a benchmark")
    with bench.watched(f"{name} {ds}"):
        run_stages(run)
    return run.summary.facts
