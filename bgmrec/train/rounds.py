"""The rounds: user half step → item half step → fit both encoders → new prior means → validation value."""

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
        num_blocks: blocks of the side.
        ratings: `schemas.RATING_BLOCKS` with this side as the solved one.
        regularisation: of the side.
        encoder: gives the side's prior means; None: they are zero.
    """

    name: str
    n: int
    num_blocks: int
    ratings: DataFrame
    regularisation: Regularisation
    encoder: Encoder | None


@dataclass(frozen=True)
class Problem:
    """The data and numbers that the rounds solve.

    Args:
        shape: shape of the model.
        user: the user side.
        item: the item side.
        unobserved_weight: alpha0 of implicit mode; 0 in explicit mode.
        cg_steps: conjugate gradient steps per row in implicit mode; 0: exact solution.
        broadcast_bytes: a larger table is shuffled, not broadcast.
    """

    shape: ModelShape
    user: Side
    item: Side
    unobserved_weight: float
    cg_steps: int
    broadcast_bytes: int


def solve_both_sides(problem: Problem, before: Tables, store: Tables, priors: Tables) -> Objective:
    """Writes both half steps of a round; returns the objective. Actions.

    Args:
        problem: data and numbers.
        before: folder with the item factors to start from and, after the first round, the user factors.
        store: folder that gets the factors of both sides.
        priors: folder with the prior means; a side without a table there has zero prior means.
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
    """Runs rounds after the last finished one, until all are finished or validation stops improving. Actions.

    Args:
        problem: data and numbers.
        checkpoints: rounds of the training; round 0 holds the start.
        rounds: the largest number of rounds.
        patience: rounds without a new best value before stopping.
        validate: (user factors, item factors) → validation value, lower is better; None: all rounds are run.
        progress: gets every round.
        after_round: called with the state after every round, whose checkpoint is already written; an exception that
            it raises ends the rounds.

    Raises:
        TrainingError: the objective or the validation value is NaN.
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
        seconds_left = (rounds - number) * sum(seconds) / len(seconds)
        progress.done(
            f"{STAGE}: round {number}", **_facts(entry), best_round=state.best_round, seconds_left=round(seconds_left)
        )
        if after_round is not None:
            after_round(state)
    return state


def _one_round(
    problem: Problem, checkpoints: Checkpoints, number: int, validate: Validate | None, progress: Progress
) -> tuple[float | None, dict[str, Any]]:
    before, store = checkpoints.round_folder(number - 1), checkpoints.round_folder(number)
    progress.update(STAGE, round=number, step="half steps")
    terms = solve_both_sides(problem, before, store, before)
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
            f"the {what} of a round is not a number",
            where=f"round {round_number}",
            expected="a number",
            found=str(value),
            hint="raise factorize.user_reg and item_reg, or lower learning_rate in the encoders' fit sections",
        )


def _item_table(problem: Problem, store: Tables) -> np.ndarray:
    """All item factors on the driver; the bound is that of an encoder's weights, which have as many rows."""
    blocks, width = problem.item.num_blocks, problem.shape.width
    return collect_factors(solved_factors(store, "item"), blocks, width, max_bytes=MAX_BROADCAST_BYTES)


def _reporter(progress: Progress, side: Side, number: int) -> Callable[[EpochLoss], None]:
    def report(loss: EpochLoss) -> None:
        progress.update(STAGE, round=number, encoder=side.name, epoch=loss.epoch + 1, loss=loss.total)

    return report


def _facts(entry: dict[str, Any]) -> dict[str, Any]:
    """The facts of a round's log line: objective by term, last loss of each encoder, validation value."""
    terms = dict(entry["objective"])
    facts = {"objective": terms.pop("total"), **terms}
    facts |= {f"{side}_loss": losses[-1] for side in ("user", "item") if (losses := entry.get(f"{side}_encoder"))}
    return facts if entry["valid"] is None else {**facts, "valid": entry["valid"]}
