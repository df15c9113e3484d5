"""The Markov chain after the rounds: each step draws both sides and writes one folder; an interrupted chain resumes."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.noise import ITEM_SIDE, USER_SIDE
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.source_tables import SourceFactors
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.conditionals.hyper import LinkMatrix, draw_noise_precision, draw_prior, draw_ridges, stream
from bgmrec.sampler.conditionals.sums import SideSums, add_all
from bgmrec.sampler.draw_step import DrawNumbers, draw_step, sum_rows
from bgmrec.sampler.drawn import broadcast_or_shuffle_drawn, collect_sums, read_drawn
from bgmrec.storage import files
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables

STAGE = "bayes"
STATE = "state"
FIRST_RIDGES = 3  # the ridges start far from their posterior: the first draws all draw new ones
START_RIDGE = 20.0
RIDGE_EVERY = 4  # draws between two of the ridges, which cost columns³ / 3 operations on the driver and move slowly
PRIOR_SCALE = 0.1  # of the rows' covariance before any data: weak, so that the rows decide
BOTH_SIDES = 2  # in place of a side, for the random numbers of alpha


@dataclass(frozen=True)
class ChainSide:
    """One side of the chain; the code below is the same for both.

    Args:
        name: user or item.
        number: USER_SIDE or ITEM_SIDE.
        n: rows of the side.
        num_blocks: blocks of the side.
        blocks: `schemas.LINK_BLOCKS`.
        link_matrix: sums over the side's features.
        row_scale: scales of the side's prior precision.
    """

    name: str
    number: int
    n: int
    num_blocks: int
    blocks: DataFrame
    link_matrix: LinkMatrix
    row_scale: RowScale


@dataclass(frozen=True)
class ChainNumbers:
    """Parameters of the chain; the first ones are settings of `[bayes]`.

    Args:
        burn_in: draws before the first kept one.
        draws: kept draws.
        noise_strength: strength of the prior of the rows' noise weights; 0: all weights are 1.
        seed: seed of the run.
        broadcast_bytes: a larger table is shuffled, not broadcast.
    """

    burn_in: int
    draws: int
    noise_strength: float
    seed: int
    broadcast_bytes: int


@dataclass(frozen=True)
class ChainState:
    """The state after a draw, besides the tables; the next draw needs nothing else.

    Args:
        draw: number of the last finished draw; 0 is the start of the chain.
        alpha: noise precision.
        ridges: side → one ridge per group.
        scales: side → factor of the stored noise weights.
        history: one entry per draw: its number, alpha and the training RMSE.
    """

    draw: int
    alpha: float
    ridges: dict[str, list[float]]
    scales: dict[str, float]
    history: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Chain:
    """The chain: its draws are folders `draw-NNNN`. A draw is finished once the document `state` names it.

    Args:
        tables: folder of the chain.
        shape: shape of the model.
        sides: (user side, item side).
        numbers: parameters.
    """

    tables: Tables
    shape: ModelShape
    sides: tuple[ChainSide, ChainSide]
    numbers: ChainNumbers

    def draw_folder(self, number: int) -> Tables:
        """The folder of a draw; 0 is the start of the chain."""
        return self.tables.below(f"draw-{number:04d}")

    def load(self) -> ChainState | None:
        """The state after the last finished draw; None: the chain has not been started."""
        document = self.tables.read_json(STATE)
        return None if document is None else ChainState(**{**document, "history": tuple(document["history"])})

    def save(self, state: ChainState) -> None:
        """Records a finished draw, then deletes the one before it if that is not a kept draw."""
        self.tables.write_json(STATE, asdict(state))
        if state.draw - 1 <= self.numbers.burn_in:
            files.delete(self.tables.spark, self.draw_folder(state.draw - 1).root)

    @property
    def kept_draws(self) -> range:
        """The numbers of the draws that are averaged."""
        return range(self.numbers.burn_in + 1, self.numbers.burn_in + self.numbers.draws + 1)


@dataclass(frozen=True)
class LastDraw:
    """A side's last draw.

    Args:
        drawn: `schemas.DRAWN_BLOCKS`.
        source: the draw as the source of the other side's next draw.
        sums: sums over its rows.
        broadcast: closing it destroys the broadcast table of `source`.
    """

    drawn: DataFrame
    source: SourceFactors
    sums: SideSums
    broadcast: ExitStack


def start_chain(chain: Chain, user_factors: DataFrame, item_factors: DataFrame, squared_error: float) -> None:
    """Writes draw 0 from solved factors, unless the chain has been started. An action.

    Args:
        chain: the chain to start.
        user_factors: `schemas.FACTOR_BLOCKS` of the users.
        item_factors: `schemas.FACTOR_BLOCKS` of the items.
        squared_error: Σ (r − r̂)² of the training ratings, for the first noise precision.
    """
    if chain.load() is not None:
        return
    store = chain.draw_folder(0)
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        for side, factors in zip(chain.sides, (user_factors, item_factors), strict=True):
            summed = sum_rows(side.blocks, factors, chain.shape, len(side.link_matrix.groups), side.row_scale)
            store.write(summed, f"{side.name}_draw")
        users = read_drawn(store, f"{chain.sides[0].name}_draw")
        ratings = add_all(collect_sums(users), chain.shape.width).ratings
    ridges = {side.name: [START_RIDGE] * side.link_matrix.n_groups for side in chain.sides}
    state = ChainState(0, ratings / squared_error, ridges, {side.name: 1.0 for side in chain.sides})
    chain.tables.write_json(STATE, asdict(state))


def run_chain(chain: Chain, progress: Progress) -> ChainState:
    """Draws until the chain is complete, beginning after the last finished draw.

    Args:
        chain: from `start_chain`.
        progress: gets every draw.

    Raises:
        ValueError: the chain has not been started.
    """
    state = chain.load()
    if state is None:
        raise ValueError(f"the chain in {chain.tables.root} has no state: call start_chain first")
    last, began, first = chain.numbers.burn_in + chain.numbers.draws, time.monotonic(), state.draw
    last_draws: dict[str, LastDraw] = {}
    with arrow_batch(chain.tables.spark, BLOCKS_PER_BATCH):
        try:
            for side in chain.sides:
                last_draws[side.name] = _load_draw(chain, side, chain.draw_folder(state.draw))
            while state.draw < last:
                state = _one_draw(chain, state, last_draws)
                chain.save(state)
                seconds_left = (last - state.draw) * (time.monotonic() - began) / (state.draw - first)
                progress.update(STAGE, of=last, **state.history[-1], seconds_left=round(seconds_left))
        finally:
            for draw in last_draws.values():
                draw.broadcast.close()
    progress.done(STAGE, draws=state.draw, **{name: state.history[-1][name] for name in ("alpha", "train_rmse")})
    return state


def _one_draw(chain: Chain, state: ChainState, last_draws: dict[str, LastDraw]) -> ChainState:
    """Draws users given items, items given users, then alpha; puts the new draws into `last_draws`."""
    number, ridges, scales = state.draw + 1, dict(state.ridges), dict(state.scales)
    for side, other in (chain.sides, chain.sides[::-1]):
        random = stream(chain.numbers.seed, number, side.number)
        sums, of_side = last_draws[side.name].sums, np.array(ridges[side.name])
        prior = draw_prior(random, sums, side.link_matrix, of_side, PRIOR_SCALE)
        if side.link_matrix.groups.size and (number <= FIRST_RIDGES or number % RIDGE_EVERY == 0):
            ridges[side.name] = draw_ridges(random, prior, side.link_matrix).tolist()
        numbers = DrawNumbers(
            prior, side.row_scale, state.alpha, chain.numbers.noise_strength, scales[side.name], scales[other.name],
            chain.numbers.seed, number, side.number,
        )  # fmt: skip
        drawn = _draw_side(chain, side, number, numbers, last_draws, other)
        scales[side.name] = math.exp(-drawn.log_weights / drawn.ratings)
    items = chain.sides[1]
    sums = last_draws[items.name].sums
    error = sums.squared_error * scales[items.name]
    random = stream(chain.numbers.seed, number, BOTH_SIDES)
    alpha = draw_noise_precision(random, error, sums.ratings)
    entry = {"draw": number, "alpha": alpha, "train_rmse": math.sqrt(error / sums.ratings)}
    return replace(state, draw=number, alpha=alpha, ridges=ridges, scales=scales, history=(*state.history, entry))


def _draw_side(
    chain: Chain, side: ChainSide, number: int, numbers: DrawNumbers, last_draws: dict[str, LastDraw], other: ChainSide
) -> SideSums:
    """Writes the draw of a side and puts it into `last_draws`; returns the sums over its rows."""
    before = last_draws[side.name]
    drawn = draw_step(
        side.blocks,
        last_draws[other.name].source,
        before.drawn if numbers.noise_strength else None,
        chain.shape,
        numbers,
        num_blocks=side.num_blocks,
        broadcast_last_draw=side.n * (chain.shape.width + 1) * FLOAT.itemsize <= chain.numbers.broadcast_bytes,
    )
    store = chain.draw_folder(number)
    store.write(drawn, f"{side.name}_draw")
    before.broadcast.close()
    last_draws[side.name] = _load_draw(chain, side, store)
    return last_draws[side.name].sums


def _load_draw(chain: Chain, side: ChainSide, store: Tables) -> LastDraw:
    drawn, width = read_drawn(store, f"{side.name}_draw"), chain.shape.width
    table = broadcast_or_shuffle_drawn(drawn, side.n, side.num_blocks, width + 1, chain.numbers.broadcast_bytes)
    with ExitStack() as broadcast:
        source, cells = broadcast.enter_context(table)
        return LastDraw(drawn, source, add_all(cells, width), broadcast.pop_all())


def chain_sides(
    users: tuple[int, int],
    items: tuple[int, int],
    store: Tables,
    link_matrices: dict[str, LinkMatrix],
    scales: dict[str, RowScale],
) -> Any:
    """Both sides of a chain.

    Args:
        users: (rows, blocks) of the user side.
        items: (rows, blocks) of the item side.
        store: folder of the chain; has `user_linked_blocks` and `item_linked_blocks`.
        link_matrices: side → sums over its features.
        scales: side → scales of its prior precision.
    """
    sides = (("user", USER_SIDE, *users), ("item", ITEM_SIDE, *items))
    return tuple(
        ChainSide(name, number, n, blocks, store.read(f"{name}_linked_blocks"), link_matrices[name], scales[name])
        for name, number, n, blocks in sides
    )
