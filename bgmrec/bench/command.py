"""The arguments of jobs/benchmark.py, and the measurement with its results as text, JSON lines and Markdown tables."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from bgmrec.bench.cost_model import cost
from bgmrec.bench.encoder_feed import encode
from bgmrec.bench.half_steps import als, blocks
from bgmrec.bench.harness import Bench, Result, environment, scientific, text_table
from bgmrec.bench.implicit_mode import als_implicit
from bgmrec.bench.kernel import kernel
from bgmrec.bench.results_tables import benchmark_table
from bgmrec.bench.runs import nightly, warm
from bgmrec.bench.sampler import bayes
from bgmrec.bench.scaling import scale, skew
from bgmrec.bench.top_n import topn
from bgmrec.config import load_settings
from bgmrec.report.result_blocks import append_result, read_results, rewrite_blocks
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.provenance import provenance
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
TABLES = "tables"  # measures nothing: writes the tables of --table again
RATINGS, SCALE_RATINGS = [20_000_000], [1_000_000, 10_000_000, 100_000_000]
_DEFAULTS = {
    "rank": 64,
    "users": 200_000,
    "items": 40_000,
    "ratings": RATINGS[0],
    "iterations": 5,
    "implicit": False,
    "peer": "mllib",
    "n": 20,
    "days": 50,
    "repeats": 3,
}


def whole_number(text: str) -> int:
    """Parses a whole number, also as 1e7.

    Args:
        text: of the argument.
    """
    return int(float(text))


def whole_numbers(text: str) -> list[int]:
    """Parses whole numbers separated by commas.

    Args:
        text: of the argument.
    """
    return [whole_number(part) for part in text.split(",")]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments: what is measured, sizes, and where results are written.

    Args:
        parser: of the job.
    """
    parser.add_argument("name", choices=sorted([*BENCHMARKS, TABLES]), help="what is measured: see above")
    parser.add_argument("--rank", type=int, help="rank of the factors (default: 64)")
    parser.add_argument("--users", type=whole_number, metavar="N", help="number of users (default: 200000)")
    parser.add_argument("--items", type=whole_number, metavar="N", help="number of items (default: 40000)")
    parser.add_argument(
        "--ratings",
        type=whole_numbers,
        metavar="N",
        help="number of ratings, or of the world's events (default: 2e7); scale: several separated by commas "
        "(default: 1e6,1e7,1e8)",
    )
    parser.add_argument(
        "--iterations", type=int, help="als: iterations of bgmrec and the peer, at least 3 (default: 5)"
    )
    parser.add_argument("--implicit", action="store_true", help="als: implicit mode, against the library implicit")
    parser.add_argument("--peer", choices=("mllib", "implicit"), help="topn: the peer (default: mllib)")
    parser.add_argument("--n", type=int, help="topn: length of a list (default: 20)")
    parser.add_argument("--days", type=int, help="nightly, warm: days of the world's log (default: 50)")
    parser.add_argument("--repeats", type=int, help="repetitions of every measurement (default: 3)")
    parser.add_argument("--json", metavar="FILE", help="append results to this file, one JSON object per line")
    parser.add_argument(
        "--table", metavar="FILE", help="Markdown file whose blocks of results are rewritten from --json: see above"
    )
    parser.add_argument(
        "--root", default="build/benchmark", metavar="FOLDER", help="folder of the tables (default: build/benchmark)"
    )
    parser.set_defaults(**{name: value for name, value in _DEFAULTS.items() if name != "ratings"})


def check_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Refuses arguments that do not fit; makes `ratings` a list for scale and a number for all others.

    Args:
        parser: whose error ends the process.
        arguments: of the command line.
    """
    if arguments.table and not arguments.json:
        parser.error("--table needs --json FILE, the results that the tables show")
    if arguments.name == TABLES and not arguments.table:
        parser.error(f"{TABLES} needs --table FILE, the Markdown file whose tables are written")
    is_scale = arguments.name == "scale"
    ratings = arguments.ratings or (SCALE_RATINGS if is_scale else RATINGS)
    if (len(set(ratings)) > 1) != is_scale:
        parser.error("--ratings: scale compares two different numbers or more, all other benchmarks take one number")
    arguments.ratings = sorted(ratings) if is_scale else ratings[0]


def benchmark_text(arguments: argparse.Namespace) -> str:
    """Name and options of what is measured, without defaults and paths: a row of the table.

    Args:
        arguments: of the command line, checked.
    """
    words = [arguments.name]
    for name, default in _DEFAULTS.items():
        value = getattr(arguments, name)
        if value in (default, SCALE_RATINGS):
            continue
        text = ",".join(map(scientific, value)) if isinstance(value, list) else str(value)
        words += [f"--{name}"] if value is True else [f"--{name}", text]
    words += [part for path in arguments.config if Path(path).name != "base.toml" for part in ("--config", path)]
    words += [part for override in arguments.overrides for part in ("--set", override)]
    return shlex.join(words)


def run_benchmark(arguments: argparse.Namespace, progress: Progress) -> None:
    """Measures, and writes the result as text and as a JSON line; then the tables of --table.

    Args:
        arguments: of the command line, checked.
        progress: gets every repetition.
    """
    path = Path(arguments.json) if arguments.json else None
    if arguments.name != TABLES:
        _measure(arguments, path, progress)
    if arguments.table and path is not None:
        document = Path(arguments.table)
        count = rewrite_blocks(document, benchmark_table(read_results(path)))
        write_line(f"{document}: {count} tables of results written", to=sys.stderr)


def _measure(arguments: argparse.Namespace, path: Path | None, progress: Progress) -> None:
    load_before = os.getloadavg()[0]
    settings = load_settings(arguments.config, [*arguments.overrides, "publish.catalog=none"])
    from bgmrec.runtime.session import build_session  # starting Java is slow: settings are checked before it

    spark = build_session(settings.spark)
    store = Tables(spark, arguments.root).below(arguments.name)
    bench = Bench(spark, settings, store, progress, arguments.repeats, settings.spark.shuffle_partitions)
    document = BENCHMARKS[arguments.name](bench, arguments).document()
    write_line(text_table(document))
    result = {
        "benchmark": benchmark_text(arguments),
        **document,
        "peak_mb": bench.peaks,
        **environment(load_before),
        "measured": provenance(arguments.command),
    }
    if path is not None:
        append_result(path, result)
    write_line(json.dumps(result, ensure_ascii=False))
