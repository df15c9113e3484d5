"""Rounds: user half step → item half step → refit both encoders → new prior means → validation value."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from bgmrec.encoders.distributed.encode import MAX_BROADCAST_BYTES
from bgmrec.encoders.fit import EpochLoss
from bgmrec.errors import TrainingError
from bgmrec.factorize.blocks.factors import collect_factors, solved_factors
from bgmrec.factorize.half_step import half_step
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation
from bgmrec.factorize.objective import Objective, objective
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints, TrainState
from bgmrec.train.refit import Encoder, Refit

Validate = Callable[[DataFrame, DataFrame], float]
AfterRound = Callable[[TrainState], None]
STAGE = "train"


@dataclass(frozen=True)
class Side:
    """One side of the factorization; the code below is the same for both.

    Args:
        name: user or item.
        n: entities of the side.
        num_blocks: their blocks.
        ratings: `schemas.RATING_BLOCKS` with this side as the solved one.
        regularisation: of the side's rows.
        encoder: that gives the side's prior means; none: they are zero.
    """

    name: str
    n: int
    num_blocks: int
    ratings: DataFrame
    regularisation: Regularisation
    encoder: Encoder | None


@dataclass(frozen=True)
class Problem:
    """What the rounds solve."""

    shape: ModelShape
    user: Side
    item: Side
    unobserved_weight: float
    cg_steps: int
    broadcast_bytes: int


def solve(problem: Problem, before: Tables, store: Tables, priors: Tables) -> Objective:
    """Both half steps of a round.

    Args:
        problem: ratings and numbers.
        before: folder with the item factors to start from, and, after the first round, the user factors.
        place: folder that gets the factors of both sides.
        priors: folder with the prior means; a side without any there has zero ones.
    """
    solved = {"item": solved_factors(before, "item")}
    for dst, src in ((problem.user, problem.item), (problem.item, problem.user)):
        prior, last = f"{dst.name}_prior", f"{dst.name}_half_step"
        step = half_step(
            dst.ratings,
            solved[src.name],
            priors.read(prior) if priors.exists(prior) else None,
            problem.shape,
            dst.regularisation,
            src_num_blocks=src.num_blocks,
            dst_num_blocks=dst.num_blocks,
            unobserved_weight=problem.unobserved_weight,
            cg_steps=problem.cg_steps,
            dst_start=before.read(last) if problem.cg_steps and before.exists(last) else None,
            broadcast_bytes=problem.broadcast_bytes,
            n_src=src.n,
            n_dst=dst.n,
        )
        with arrow_batch(store.spark, BLOCKS_PER_BATCH), step as rows:
            solved[dst.name] = store.write(rows, last)
    return objective(solved["user"], solved["item"])


def run_rounds(
    problem: Problem,
    checkpoints: Checkpoints,
    *,
    rounds: int,
    patience: int,
    validate: Validate | None,
    progress: Progress,
    after_round: AfterRound | None = None,
) -> TrainState:
    """Goes on from the last finished round until the rounds are done or no longer help.

    Args:
        problem: ratings and numbers.
        checkpoints: round 0 holds what training starts from.
        rounds: at most so many.
        patience: rounds without a new best value before stopping.
        validate: (user factors, item factors) → a value, lower is better; none: all rounds are done.
        progress: told every round.
        after_round: gets the state of every finished round, whose checkpoint is written by then; what it raises ends
            the rounds.

    Raises:
        TrainingError: the validation value is no number.
    """
    state = checkpoints.load()
    seconds: list[float] = []
    while not state.is_over(rounds, patience):
        began = time.monotonic()
        number = state.round + 1
        value, entry = _one_round(problem, checkpoints, number, validate, progress)
        seconds.append(time.monotonic() - began)
        state = state.after(value, {**entry, "seconds": round(seconds[-1], 2)})
        checkpoints.save(state)
        left = (rounds - number) * sum(seconds) / len(seconds)
        progress.done(
            f"{STAGE}: round {number}", **_facts(entry), best_round=state.best_round, seconds_left=round(left)
        )
        if after_round is not None:
            after_round(state)
    return state


def _one_round(
    problem: Problem, checkpoints: Checkpoints, number: int, validate: Validate | None, progress: Progress
) -> tuple[float | None, dict[str, Any]]:
    before, store = checkpoints.of_round(number - 1), checkpoints.of_round(number)
    progress.update(STAGE, round=number, step="half steps")
    terms = solve(problem, before, store, before)
    _check_number("objective", terms.total, number)
    entry: dict[str, Any] = {"objective": terms.as_dict()}
    for side in (problem.user, problem.item):
        if side.encoder is not None:
            table = _item_table(problem, store) if side.encoder.reads_item_factors else None
            report = _reporter(progress, side, number)
            losses = side.encoder.refit(Refit(solved_factors(store, side.name), table, before, store, number, report))
            entry[f"{side.name}_encoder"] = [loss.total for loss in losses]
    value = None
    if validate is not None:
        progress.update(STAGE, round=number, step="validation")
        value = validate(solved_factors(store, "user"), solved_factors(store, "item"))
        _check_number("validation value", value, number)
    return value, {**entry, "valid": value}


def _check_number(what: str, value: float, round_number: int) -> None:
    if math.isnan(value):
        raise TrainingError(
            f"the {what} is no number",
            where=f"round {round_number}",
            found=str(value),
            hint="raise the regularisation or lower the encoders' learning rates",
        )


def _item_table(problem: Problem, store: Tables) -> np.ndarray:
    """All item factors on the driver, within the bound that holds for encoders, whose item tables are as long."""
    blocks, width = problem.item.num_blocks, problem.shape.width
    return collect_factors(solved_factors(store, "item"), blocks, width, max_bytes=MAX_BROADCAST_BYTES)


def _reporter(progress: Progress, side: Side, number: int) -> Callable[[EpochLoss], None]:
    def report(loss: EpochLoss) -> None:
        progress.update(STAGE, round=number, encoder=side.name, epoch=loss.epoch + 1, loss=loss.total)

    return report


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    """What a round's line in the log says: the objective by term, the encoders' last losses, the validation value."""
    terms = dict(entry["objective"])
    facts = {"objective": terms.pop("total"), **terms}
    facts |= {f"{side}_loss": losses[-1] for side in ("user", "item") if (losses := entry.get(f"{side}_encoder"))}
    return facts if entry["valid"] is None else {**facts, "valid": entry["valid"]}
