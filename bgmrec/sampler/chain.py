"""The Markov chain after the rounds: a draw of both sides per step, a folder per draw, and what lets it go on."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.noise import ITEM_SIDE, USER_SIDE
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.source_tables import Source
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.conditionals.hyper import LinkMatrix, draw_noise_precision, draw_prior, draw_ridges, stream
from bgmrec.sampler.conditionals.sums import SideSums, add_all
from bgmrec.sampler.draw_step import DrawNumbers, draw_step, sum_rows
from bgmrec.sampler.drawn import broadcast_or_shuffle_drawn, read_drawn
from bgmrec.storage import files
from bgmrec.storage.arrays import FLOAT
from bgmrec.storage.tables import Tables

STAGE = "bayes"
STATE = "state"
FIRST_RIDGES = 3  # the ridges of the first draws are far off: these draw their own
START_RIDGE = 20.0
BOTH_SIDES = 2  # side number of what belongs to neither: alpha


@dataclass(frozen=True)
class ChainSide:
    """One side of the chain; the code below is the same for both.

    Args:
        name: user or item.
        number: in the noise's counters.
        n, num_blocks: rows and blocks.
        blocks: `schemas.LINKED_BLOCKS`.
        link: of its features.
        row_scale: how strongly its prior holds.
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
    """How long the chain is and what its draws depend on."""

    burn_in: int
    draws: int
    noise_strength: float
    prior_scale: float
    ridge_every: int
    seed: int
    broadcast_bytes: int


@dataclass(frozen=True)
class ChainState:
    """What a draw leaves besides its tables: all that the next one reads.

    Args:
        draw: the last finished draw; 0 is where the chain starts.
        alpha: noise precision.
        ridges: per side, of the link's groups.
        scales: per side, of the stored noise weights.
        history: one entry per draw.
    """

    draw: int
    alpha: float
    ridges: dict[str, list[float]]
    scales: dict[str, float]
    history: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Chain:
    """Draws below one folder, `draw-0000` on; a draw counts once the state document names it."""

    tables: Tables
    shape: ModelShape
    sides: tuple[ChainSide, ChainSide]
    numbers: ChainNumbers

    def of_draw(self, number: int) -> Tables:
        return self.tables.below(f"draw-{number:04d}")

    def load(self) -> ChainState | None:
        document = self.tables.read_json(STATE)
        return None if document is None else ChainState(**{**document, "history": tuple(document["history"])})

    def save(self, state: ChainState) -> None:
        """Records a draw, then drops the one before it where it belongs to the burn-in."""
        self.tables.write_json(STATE, asdict(state))
        if state.draw - 1 <= self.numbers.burn_in:
            files.delete(self.tables.spark, self.of_draw(state.draw - 1).root)

    @property
    def kept(self) -> range:
        """The draws that are averaged."""
        return range(self.numbers.burn_in + 1, self.numbers.burn_in + self.numbers.draws + 1)


@dataclass(frozen=True)
class SourceTable:
    """A side's last draw on its way to the next half step."""

    drawn: DataFrame
    source: Source
    sums: SideSums


def start_chain(chain: Chain, user_factors: DataFrame, item_factors: DataFrame, squared_error: float) -> None:
    """Writes draw 0 from solved factors, unless the chain has begun.

    Args:
        chain: to start.
        user_factors, item_factors: `schemas.FACTOR_BLOCKS`.
        squared_error: of the training ratings, for the first noise precision.
    """
    if chain.load() is not None:
        return
    store = chain.of_draw(0)
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        for side, factors in zip(chain.sides, (user_factors, item_factors), strict=True):
            summed = sum_rows(side.blocks, factors, chain.shape, len(side.link_matrix.groups), side.row_scale)
            store.write(summed, f"{side.name}_draw")
        ratings = _source_table(chain, chain.sides[0], store).sums.ratings
    ridges = {side.name: [START_RIDGE] * side.link_matrix.n_groups for side in chain.sides}
    state = ChainState(0, ratings / squared_error, ridges, {side.name: 1.0 for side in chain.sides})
    chain.tables.write_json(STATE, asdict(state))


def run_chain(chain: Chain, progress: Progress) -> ChainState:
    """Goes on from the last finished draw until all are done.

    Args:
        chain: started.
        progress: told every draw.
    """
    state = chain.load()
    if state is None:
        raise ValueError("start_chain comes first")
    last, began, first = chain.numbers.burn_in + chain.numbers.draws, time.monotonic(), state.draw
    with arrow_batch(chain.tables.spark, BLOCKS_PER_BATCH):
        at = {side.name: _source_table(chain, side, chain.of_draw(state.draw)) for side in chain.sides}
        while state.draw < last:
            state = _one_draw(chain, state, at)
            chain.save(state)
            left = (last - state.draw) * (time.monotonic() - began) / (state.draw - first)
            progress.update(STAGE, of=last, **state.history[-1], seconds_left=round(left))
    progress.done(STAGE, draws=state.draw, **{name: state.history[-1][name] for name in ("alpha", "train_rmse")})
    return state


def _one_draw(chain: Chain, state: ChainState, at: dict[str, SourceTable]) -> ChainState:
    """Users given items, items given users, then alpha; `at` ends with the new draws."""
    number, ridges, scales = state.draw + 1, dict(state.ridges), dict(state.scales)
    for side, other in (chain.sides, chain.sides[::-1]):
        random = stream(chain.numbers.seed, number, side.number)
        sums, of_side = at[side.name].sums, np.array(ridges[side.name])
        prior = draw_prior(random, sums, side.link_matrix, of_side, chain.numbers.prior_scale)
        if side.link_matrix.groups.size and (number <= FIRST_RIDGES or number % chain.numbers.ridge_every == 0):
            ridges[side.name] = draw_ridges(random, prior, side.link_matrix).tolist()
        numbers = DrawNumbers(
            prior, side.row_scale, state.alpha, chain.numbers.noise_strength, scales[side.name], scales[other.name],
            chain.numbers.seed, number, side.number,
        )  # fmt: skip
        _draw_side(chain, side, number, numbers, at, other)
        scales[side.name] = math.exp(-at[side.name].sums.log_weights / at[side.name].sums.ratings)
    items = chain.sides[1]
    sums = at[items.name].sums
    error = sums.squared_error * scales[items.name]
    random = stream(chain.numbers.seed, number, BOTH_SIDES)
    alpha = draw_noise_precision(random, error, sums.ratings)
    entry = {"draw": number, "alpha": alpha, "train_rmse": math.sqrt(error / sums.ratings)}
    return replace(state, draw=number, alpha=alpha, ridges=ridges, scales=scales, history=(*state.history, entry))


def _draw_side(
    chain: Chain, side: ChainSide, number: int, numbers: DrawNumbers, at: dict[str, SourceTable], other: ChainSide
) -> None:
    own = at[side.name].drawn if numbers.noise_strength else None
    small = side.n * (chain.shape.width + 1) * FLOAT.itemsize <= chain.numbers.broadcast_bytes
    drawn = draw_step(
        side.blocks, at[other.name].source, own, chain.shape, numbers, num_blocks=side.num_blocks, own_is_small=small
    )
    before = at[side.name].source
    store = chain.of_draw(number)
    store.write(drawn, f"{side.name}_draw")
    at[side.name] = _source_table(chain, side, store)
    before.free()


def _source_table(chain: Chain, side: ChainSide, store: Tables) -> SourceTable:
    drawn, width = read_drawn(store, f"{side.name}_draw"), chain.shape.width
    source, cells = broadcast_or_shuffle_drawn(drawn, side.n, side.num_blocks, width + 1, chain.numbers.broadcast_bytes)
    return SourceTable(drawn, source, add_all(cells, width))


def chain_sides(
    users: tuple[int, int],
    items: tuple[int, int],
    store: Tables,
    link_matrices: dict[str, LinkMatrix],
    scales: dict[str, RowScale],
) -> Any:
    """Both sides over the linked blocks in `place`; (rows, blocks) of each."""
    known = (("user", USER_SIDE, *users), ("item", ITEM_SIDE, *items))
    return tuple(
        ChainSide(s, k, n, blocks, store.read(f"{s}_linked_blocks"), link_matrices[s], scales[s])
        for s, k, n, blocks in known
    )
