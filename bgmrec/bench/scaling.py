"""Benchmarks of how half steps scale: with the number of ratings, and with users and items that have very many."""

from __future__ import annotations

import argparse
from dataclasses import replace

from bgmrec.bench.half_steps import like_mllib, shape_of, timed_rounds
from bgmrec.bench.harness import Bench, Result, Times, rounded, scientific
from bgmrec.config.model import FactorizeSettings
from bgmrec.errors import SettingsError
from bgmrec.factorize.blocks.prepare import DataSizes, write_blocks
from bgmrec.storage.tables import Tables
from bgmrec.synthetic.power_law import PowerLaw
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import Problem

HEAVY_USER, HEAVY_ITEM = 0.01, 0.1  # shares of all ratings, in `skew`
RATINGS_PER_USER, RATINGS_PER_ITEM = 100, 1000  # at all sizes of `scale` and `cost`


def scale(bench: Bench, arguments: argparse.Namespace) -> Result:
    """An iteration over several numbers of ratings: time per rating of the largest against the second largest.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    measured = {}
    for n in arguments.ratings:
        shape = PowerLaw(n // RATINGS_PER_USER, n // RATINGS_PER_ITEM, n)
        settings = like_mllib(bench.settings.factorize, arguments.rank)
        with bench.watched(f"{n} ratings, blocks"):
            problem, sizes, store = prepared(bench, shape, settings, "scale")
        times, _ = timed_rounds(bench, store, problem, sizes, settings, bench.repeats + 1, f"{n} ratings")
        measured[sizes.train] = times
    (few, before), (many, last) = list(measured.items())[-2:]
    facts = {
        "points": {
            str(n): {**times.facts(), "microseconds_per_rating": rounded(times.median / n * 1e6)}
            for n, times in measured.items()
        }
    }
    peer = Times([seconds * many / few for seconds in before.seconds])
    work = f"one iteration over {scientific(many)} ratings"
    peer_name = f"{scientific(few)} ratings, time × {many / few:.3g}"
    return Result(f"scale rank {arguments.rank}", work, peer_name, last, peer, facts=facts)


def prepared(
    bench: Bench, shape: PowerLaw, settings: FactorizeSettings, name: str
) -> tuple[Problem, DataSizes, Tables]:
    """Generates ratings and writes the blocks of both sides into an empty folder.

    Args:
        bench: session and settings.
        shape: of the ratings.
        settings: of the model.
        name: of the folder.
    """
    store = bench.fresh(name)
    ratings = bench.ratings(shape, f"{name}/generated")
    sizes = bench.sizes(ratings, shape)
    write_blocks(store, ratings, sizes)
    return make_problem(store, sizes, settings, None, None), sizes, store


def skew(bench: Bench, arguments: argparse.Namespace) -> Result:
    """One user with 1 % and one item with 10 % of the ratings, against as many ratings without such rows.

    Args:
        bench: session and settings.
        arguments: of the command line.

    Raises:
        SettingsError: there are fewer users or items than the heavy rows need.
    """
    even, settings, times = shape_of(arguments), like_mllib(bench.settings.factorize, arguments.rank), {}
    if even.ratings * HEAVY_USER > even.items or even.ratings * HEAVY_ITEM > even.users:
        raise SettingsError(
            "there are too few users or items for ratings of this skew",
            where="benchmark.py skew: --users, --items, --ratings",
            expected="items: at least 1 % of the ratings; users: at least 10 %, as each pair is rated once",
            found=f"{even.users} users, {even.items} items, {even.ratings} ratings",
            hint="raise --users and --items, or lower --ratings",
        )
    for name, user, item in (("even", 0.0, 0.0), ("skewed", HEAVY_USER, HEAVY_ITEM)):
        shape = replace(even, heavy_user=user, heavy_item=item)
        problem, sizes, store = prepared(bench, shape, settings, f"skew-{name}")
        times[name], _ = timed_rounds(bench, store, problem, sizes, settings, bench.repeats + 1, name)
        times[name] = times[name].per(sizes.train / shape.ratings)
    work = "one iteration; one user has 1 %, one item 10 % of the ratings"
    return Result(f"skew rank {arguments.rank}", work, "no such user and item", times["skewed"], times["even"])
