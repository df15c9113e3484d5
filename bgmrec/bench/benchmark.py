"""Measures bgmrec beside its peers: the same machine, data, cores and Spark session, in one run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

from bgmrec.bench.encode import encode
from bgmrec.bench.half_steps import als, als_implicit, blocks
from bgmrec.bench.lists import topn
from bgmrec.bench.nights import nightly, warm
from bgmrec.bench.parts import Bench, Result, machine, show
from bgmrec.bench.scale import bayes, cost, kernel, scale, skew
from bgmrec.config import load_settings
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.storage.tables import Tables

Benchmark = Callable[[Bench, argparse.Namespace], Result]
BENCHMARKS: dict[str, Benchmark] = {
    "als": lambda bench, arguments: (als_implicit if arguments.implicit else als)(bench, arguments),
    "blocks": blocks,
    "topn": topn,
    "kernel": kernel,
    "encode": encode,
    "bayes": bayes,
    "scale": scale,
    "skew": skew,
    "cost": cost,
    "nightly": nightly,
    "warm": warm,
}


def number(text: str) -> int:
    """A whole number, also as 1e7."""
    return int(float(text))


def numbers(text: str) -> list[int]:
    """Whole numbers by comma."""
    return [number(part) for part in text.split(",")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and sizes."""
    parser.add_argument("name", choices=sorted(BENCHMARKS), help="what is measured: see above")
    parser.add_argument("--rank", type=int, default=64, help="of the factors")
    parser.add_argument("--users", type=number, default=200_000, metavar="N", help="of the ratings, or of the world")
    parser.add_argument("--items", type=number, default=40_000, metavar="N", help="of the ratings, or of the world")
    parser.add_argument(
        "--ratings",
        type=numbers,
        metavar="N",
        help="or the world's events (20e6); scale: several, by comma (1e6,1e7,1e8)",
    )
    parser.add_argument("--iterations", type=int, default=5, help="als: of both, at least 3")
    parser.add_argument("--implicit", action="store_true", help="als: in implicit mode, against the library implicit")
    parser.add_argument("--peer", choices=("mllib", "implicit"), default="mllib", help="topn: whom against")
    parser.add_argument("--n", type=int, default=20, help="topn: length of a list")
    parser.add_argument("--days", type=int, default=50, help="nightly, warm: days of the world's log")
    parser.add_argument("--repeats", type=int, default=3, help="of every measurement")
    parser.add_argument("--json", metavar="FILE", help="results accumulate here, one JSON object per line")
    parser.add_argument("--root", default="build/benchmark", metavar="FOLDER", help="where tables go")


def checked(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Makes `ratings` a list for scale, and one number for all others."""
    several = arguments.name == "scale"
    ratings = arguments.ratings or ([1_000_000, 10_000_000, 100_000_000] if several else [20_000_000])
    if (len(set(ratings)) > 1) != several:
        parser.error("--ratings: scale compares two different numbers or more, and all others take one")
    arguments.ratings = sorted(ratings) if several else ratings[0]


def run_benchmark(arguments: argparse.Namespace, progress: Progress) -> None:
    """Measures, and prints a table and the JSON object."""
    load = os.getloadavg()[0]
    settings = load_settings(arguments.config, [*arguments.overrides, "publish.catalog=none"])
    from bgmrec.runtime.session import build_session  # starting Java is slow: settings are refused before it

    spark = build_session(settings.spark)
    store = Tables(spark, arguments.root).below(arguments.name)
    bench = Bench(spark, settings, store, progress, arguments.repeats, settings.spark.shuffle_partitions)
    found = BENCHMARKS[arguments.name](bench, arguments).document()
    write_line(show(found))
    line = json.dumps({**found, "peak_mb": bench.peaks, **machine(load)})
    if arguments.json:
        with Path(arguments.json).open("a") as out:
            out.write(line + "\n")
    write_line(line)
