"""Benchmarks of whole nights on a generated world: what each stage takes, and a warm night against a cold one.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import argparse
import time
from datetime import date
from typing import Any

from bench_parts import Bench, Result, Times, rounded
from generate_world import generate
from nightly import night
from publishing import judged_metric

from bgmrec import files
from bgmrec.config import Settings
from bgmrec.evaluate.table import MODEL
from bgmrec.run import Run, Summary

UNBOUNDED = ("train", "recommend")  # the work itself
BOUND = 0.15  # of the night's time, for every other stage


def nightly(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One night: the longest stage besides training and top-N against 15 % of the night."""
    settings, last = _world(bench, arguments)
    facts = _night(bench, settings, "nightly", last)
    seconds = facts["seconds"]
    longest = max((name for name in seconds if name not in UNBOUNDED), key=lambda name: seconds[name])
    whole = sum(seconds.values())
    shares = {name: rounded(taken / whole, 3) for name, taken in seconds.items()}
    found = {"longest": longest, "seconds": seconds, "shares": shares, "peak_memory_mb": facts["peak_memory_mb"]}
    return Result("nightly", Times([seconds[longest]]), Times([BOUND * whole]), facts=found)


def warm(bench: Bench, arguments: argparse.Namespace) -> Result:
    """A night after last night's, with `1 / days` new events, against the same night from nothing."""
    settings, last = _world(bench, arguments)
    before = date.fromordinal(last.toordinal() - 1)
    _night(bench, settings, "warm", before)
    of_warm = _night(bench, settings, "warm", last, fresh=False)
    of_cold = _night(bench, settings, "cold", last)
    ours, peer = (Times([sum(facts["seconds"].values())]) for facts in (of_warm, of_cold))
    metric = judged_metric(settings, {})
    of_ours, of_peer = (facts["metrics"][MODEL][metric] for facts in (of_warm, of_cold))
    facts = {
        "quality": f"{metric} of the held-out ratings",
        "share_of_a_cold_night": rounded(ours.median / peer.median, 3),
        "rounds": {"warm": of_warm["train"]["rounds"], "cold": of_cold["train"]["rounds"]},
        "seconds": {"warm": of_warm["seconds"], "cold": of_cold["seconds"]},
    }
    return Result("warm", ours, peer, of_ours, of_peer, facts)


def _world(bench: Bench, arguments: argparse.Namespace) -> tuple[Settings, date]:
    sizes = {"users": arguments.users, "items": arguments.items, "events": arguments.ratings, "days": arguments.days}
    world = bench.settings.world.model_copy(update={**sizes, "partitions": 4 * bench.partitions})
    paths = bench.settings.paths.model_copy(update={"data": bench.place.path("world")})
    settings = bench.settings.model_copy(update={"world": world, "paths": paths})
    began = time.monotonic()
    last = generate(bench.spark, settings, bench.progress)
    bench.progress.done("benchmark", what="world", seconds=rounded(time.monotonic() - began))
    return settings, date.fromisoformat(last)


def _night(bench: Bench, settings: Settings, name: str, ds: date, *, fresh: bool = True) -> dict[str, Any]:
    root = bench.place.path(name)
    if fresh:
        files.delete(bench.spark, root)
    paths = settings.paths.model_copy(update={"root": root})
    settings = settings.model_copy(update={"paths": paths})
    # a world of any size is timed, whether its lists are worth publishing or not
    run = Run(settings, ds, bench.spark, bench.progress, Summary(), force_publish="a benchmark")
    with bench.watched(f"{name} {ds}"):
        night(run)
    return run.summary.facts
