"""Benchmark of the Bayesian sampler: a draw of both sides against a round of MAP."""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from bgmrec.bench.half_steps import shape_of, timed_rounds
from bgmrec.bench.harness import Bench, Result, Times
from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.prepare import write_blocks
from bgmrec.runtime.logs import Progress
from bgmrec.sampler.chain import run_chain
from bgmrec.sampler.feature_blocks import FeatureInputs
from bgmrec.sampler.sample import open_chain
from bgmrec.train.problem import make_problem


def bayes(bench: Bench, arguments: argparse.Namespace) -> Result:
    """A draw of both sides against a round of MAP over the same blocks, without side information.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    shape = shape_of(arguments)
    ratings = bench.ratings(shape)
    sizes, settings = bench.sizes(ratings, shape), _with_bias(bench.settings.factorize, arguments.rank)
    store = bench.fresh("bayes")
    write_blocks(store, ratings, sizes)
    problem = make_problem(store, sizes, settings, None, None)
    peer, best = timed_rounds(bench, store, problem, sizes, settings, bench.repeats + 1)
    chain_settings = bench.settings.bayes.model_copy(
        update={"burn_in": 0, "draws": 1, "noise_strength": 0.0, "user_groups": [], "item_groups": []}
    )
    inputs = FeatureInputs(
        store, store, best, sizes, bench.settings.model_copy(update={"factorize": settings, "bayes": chain_settings})
    )
    chain, clock = open_chain(store.below("chain"), inputs), _Clock()
    with bench.watched("draws"):
        run_chain(replace(chain, numbers=replace(chain.numbers, draws=bench.repeats + 1)), clock)
    ours = Times(np.diff(clock.ends).tolist())  # without the first draw, which also reads the initial state
    facts = {"ratings": sizes.train}
    return Result(f"bayes rank {arguments.rank}", "a draw of both sides", "a round of MAP", ours, peer, facts=facts)


@dataclass
class _Clock(Progress):
    """Records when each draw of a chain ended."""

    ends: list[float] = field(default_factory=list)

    def update(self, stage: str, **facts: Any) -> None:
        self.ends.append(time.perf_counter())
        super().update(stage, **facts)


def _with_bias(settings: FactorizeSettings, rank: int) -> FactorizeSettings:
    return settings.model_copy(update={"mode": "explicit", "rank": rank, "bias": True, "center": False})
