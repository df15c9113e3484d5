"""Measures bgmrec beside its peers: the same machine, data, cores and Spark session, in one run.

    benchmark.py als --rank 64 --users 200000 --items 40000 --ratings 20000000
    benchmark.py als --implicit --rank 64
    benchmark.py topn --peer implicit
    benchmark.py scale --ratings 1e6,1e7,1e8
    benchmark.py nightly --config conf/base.toml --config conf/demo.toml --ratings 1e7 --users 2e5 --items 2e4

| sub-command | ours | against |
|---|---|---|
| als | one iteration | Spark MLlib's ALS, with --implicit the library implicit on all cores |
| blocks | rating rows to blocks of both sides | one MLlib fit with one iteration |
| topn | all users' best n, seen filter on | MLlib's recommendForAllUsers, or implicit's recommend |
| kernel | FLOP rate of the solver on one thread | sgemm in the same process |
| encode | an epoch fed by petastorm | the same loop over tensors in memory; two processes against one |
| bayes | a sampled half step of both sides | a MAP round |
| scale | an iteration over the most ratings | the size before it, per rating |
| skew | one user with 1 %, one item with 10 % of the ratings | as many even ratings |
| cost | seconds of an iteration that the model was not fitted to | what the fitted cost model says |
| nightly | the longest stage besides train and recommend | 15 % of the night |
| warm | nights in a row, each with the model of the one before | the same nights without one |

Ratings are generated (power law, a planted low rank). Times are medians; the least, the most and the peak memory of
driver and workers stand in the JSON object that is the last line. `ratio` is the peer's time divided by ours.
The peer implicit is not among bgmrec's own packages: pip install '.[bench]'.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_encode import encode
from bench_factorize import als, als_implicit, blocks
from bench_lists import topn
from bench_nights import nightly, warm
from bench_parts import Bench, Result, machine, show
from bench_scale import bayes, cost, kernel, scale, skew

from bgmrec.config import load_settings
from bgmrec.job import arg_parser, guarded, progress_for
from bgmrec.tables import Tables

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


def parser() -> argparse.ArgumentParser:
    """The common arguments, and sizes."""
    result = arg_parser("benchmark", __doc__)
    result.add_argument("name", choices=sorted(BENCHMARKS), help="what is measured: see above")
    result.add_argument("--rank", type=int, default=64, help="of the factors")
    result.add_argument("--users", type=number, default=200_000, metavar="N", help="of the ratings, or of the world")
    result.add_argument("--items", type=number, default=40_000, metavar="N", help="of the ratings, or of the world")
    result.add_argument(
        "--ratings",
        type=numbers,
        metavar="N",
        help="or the world's events (20e6); scale: several, by comma (1e6,1e7,1e8)",
    )
    result.add_argument("--iterations", type=int, default=5, help="als: of both, at least 3")
    result.add_argument("--implicit", action="store_true", help="als: in implicit mode, against the library implicit")
    result.add_argument("--peer", choices=("mllib", "implicit"), default="mllib", help="topn: whom against")
    result.add_argument("--n", type=int, default=20, help="topn: length of a list")
    result.add_argument("--days", type=int, default=50, help="nightly, warm: days of the world's log")
    result.add_argument("--repeats", type=int, default=3, help="of every measurement")
    result.add_argument("--json", metavar="FILE", help="results accumulate here, one JSON object per line")
    result.add_argument("--root", default="build/benchmark", metavar="FOLDER", help="where tables go")
    return result


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The arguments; `ratings` is a list for scale, and one number for all others."""
    known = parser()
    arguments = known.parse_args(argv)
    several = arguments.name == "scale"
    ratings = arguments.ratings or ([1_000_000, 10_000_000, 100_000_000] if several else [20_000_000])
    if (len(set(ratings)) > 1) != several:
        known.error("--ratings: scale compares two different numbers or more, and all others take one")
    arguments.ratings = sorted(ratings) if several else ratings[0]
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parsed(argv)
    progress = progress_for(arguments.log_format)

    def body() -> None:
        load = os.getloadavg()[0]
        settings = load_settings(arguments.config, [*arguments.overrides, "publish.catalog=none"])
        from bgmrec.session import build_session  # starting Java is slow: settings are refused before it

        spark = build_session(settings.spark)
        place = Tables(spark, arguments.root).below(arguments.name)
        bench = Bench(spark, settings, place, progress, arguments.repeats, settings.spark.shuffle_partitions)
        found = BENCHMARKS[arguments.name](bench, arguments).document()
        print(show(found))
        line = json.dumps({**found, "peak_mb": bench.peaks, **machine(load)})
        if arguments.json:
            with Path(arguments.json).open("a") as out:
                out.write(line + "\n")
        print(line, flush=True)

    return guarded(body)


if __name__ == "__main__":
    sys.exit(main())
