"""One side's encoder over the rounds: write its feed, fit it to the running factors, give new prior means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.config.model import FeedSettings
from bgmrec.encoders.batches import KINDS, TRAINING_COLUMNS
from bgmrec.encoders.calibrate import Calibration, calibrate
from bgmrec.encoders.distributed.encode import encode_priors
from bgmrec.encoders.distributed.fit import fit_distributed
from bgmrec.encoders.fit import EpochLoss, FitNumbers
from bgmrec.encoders.state import EncoderState, resized, with_item_factors
from bgmrec.factorize.blocks.factors import pack_factors, unpack_factors
from bgmrec.features.split import uniform
from bgmrec.feed.parquet import FeedSpec
from bgmrec.feed.tables import lay_out, with_targets
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.arrays import from_cell
from bgmrec.storage.tables import Tables

MAX_HELD_OUT = 10_000  # about so many are enough for a slope, and their factors meet on the driver


@dataclass(frozen=True)
class Refit:
    """What a round gives an encoder to be refitted with.

    Args:
        factors: `schemas.FACTOR_BLOCKS` of the encoder's side.
        item_table: all item factors (items, width), where the encoder reads them.
        before: folder of the round before, whose weights are the start.
        place: folder of this round, which gets weights and prior means.
        number: of this round.
        on_epoch: told each epoch's loss.
    """

    factors: DataFrame
    item_table: np.ndarray | None
    before: Tables
    store: Tables
    number: int
    on_epoch: Callable[[EpochLoss], None]


class Encoder(Protocol):
    """What the rounds ask of an encoder, fitted or solved."""

    @property
    def file(self) -> str:
        """Name of the weights' file below a round's folder."""

    @property
    def reads_item_factors(self) -> bool:
        """Whether refit needs the table of all item factors."""

    def warm_start(self, weights: bytes | None, store: Tables) -> bool:
        """Writes an earlier night's weights and their prior means into round 0; returns whether they fit."""

    def refit(self, round_: Refit) -> list[EpochLoss]:
        """Fits to the factors and writes weights and prior means into the round's folder."""


@dataclass(frozen=True)
class SideEncoder:
    """What one side's encoder reads and how it is fitted.

    Args:
        side: user or item.
        n: entities of the side.
        num_blocks: blocks of the side.
        inputs: the encoder's inputs, one row per entity, from a written table.
        initial: the state before the first fit.
        first: numbers of the first fit.
        later: numbers of every later one, which starts from the last round's weights.
        rank: columns of a factor row before its bias.
        held_out_share: of the entities; they are not fitted to, and show how far to trust the prior means.
        feed: how the rows reach Torch.
        seed: of the run.
    """

    side: str
    n: int
    num_blocks: int
    inputs: DataFrame
    initial: EncoderState
    first: FitNumbers
    later: FitNumbers
    rank: int
    held_out_share: float
    feed: FeedSettings
    seed: int

    @property
    def file(self) -> str:
        """Name of the weights' file below a round's folder."""
        return f"{self.side}_encoder.safetensors"

    def load(self, store: Tables) -> EncoderState | None:
        """The weights that a round left, or none."""
        path = store.path(self.file)
        if not files.exists(store.spark, path):
            return None
        return EncoderState.from_bytes(files.read_bytes(store.spark, path))

    def warm_start(self, weights: bytes | None, store: Tables) -> bool:
        """Writes an earlier night's weights and their prior means into round 0; returns whether they fit."""
        state = None if weights is None else resized(EncoderState.from_bytes(weights), self.initial)
        if state is None:
            return False
        if not store.exists(f"{self.side}_prior"):
            self._write(state, store)
        return True

    @property
    def reads_item_factors(self) -> bool:
        """Whether the encoder is fitted to predict ratings with the running item factors."""
        return bool(self.initial.numbers.get("use_item_factors"))

    def refit(self, round_: Refit) -> list[EpochLoss]:
        """Fits to the factors and writes weights and prior means into the round's folder."""
        store, item_table = round_.store, round_.item_table
        start = self.load(round_.before)
        begin = start or self.initial
        targets = unpack_factors(round_.factors, self.num_blocks).withColumnRenamed(c.FEATURES, c.TARGET)
        rows = with_targets(self.inputs, targets)
        feed = lay_out(
            rows.withColumn(c.WEIGHT, f.when(self._held_out(), f.lit(0.0).cast("float")).otherwise(f.col(c.WEIGHT))),
            n_rows=self.n,
            processes=self.feed.processes,
            row_group_rows=self.feed.row_group_rows,
        )
        name = f"{self.side}_feed"
        store.write(feed, name)
        seed = self.seed * 10_007 + round_.number
        kind = self.initial.kind
        columns = (*KINDS[kind].columns, *TRAINING_COLUMNS)
        spec = FeedSpec(
            files.absolute(store.spark, store.path(name)),
            columns,
            seed,
            memory_bytes=self.feed.memory_bytes,
            results_queue_size=self.feed.results_queue_size,
        )
        state, losses = fit_distributed(
            store.spark,
            begin if item_table is None else with_item_factors(begin, item_table),
            spec.open,
            self.later if start else self.first,
            rows_written=self.n,
            seed=seed,
            processes=self.feed.processes,
            local=self.feed.local,
            use_gpu=self.feed.use_gpu,
            on_epoch=round_.on_epoch,
        )
        store.delete(name)
        state = replace(state, calibration=self._calibration(targets, state))
        self._write(state, store)
        return losses

    def _write(self, state: EncoderState, store: Tables) -> None:
        """Weights, then prior means: where these are, both are there."""
        files.write_bytes(store.spark, store.path(self.file), state.to_bytes())
        store.write(pack_factors(encode_priors(self.inputs, state), self.n, self.num_blocks), f"{self.side}_prior")

    def _held_out(self) -> f.Column:
        """Whether an entity is never fitted to: by a hash, so that it stays so from round to round."""
        share = min(self.held_out_share, MAX_HELD_OUT / max(self.n, 1))
        return uniform(self.seed, f.lit(self.side), c.IDX) < share

    def _calibration(self, targets: DataFrame, state: EncoderState) -> Calibration | None:
        """From the held-out entities with ratings: the factors of others are prior means themselves."""
        if not self.held_out_share:
            return None
        outputs = encode_priors(self.inputs.where(self._held_out() & (f.col(c.WEIGHT) > 0)), state)
        found = outputs.join(targets, on=c.IDX, how="inner").orderBy(c.IDX).collect()
        width = int(self.initial.numbers["width"])
        given, wanted = (from_cell(b"".join(row[name] for row in found), width) for name in (c.FEATURES, c.TARGET))
        return calibrate(given, wanted, rank=self.rank)
