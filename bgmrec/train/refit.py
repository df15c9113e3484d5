"""The encoder of one side in the rounds: write its feed, fit it to the running factors, write new prior means."""

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
from bgmrec.storage import files, one_step
from bgmrec.storage.arrays import from_cell
from bgmrec.storage.tables import Tables

MAX_HELD_OUT = 10_000  # enough entities for a slope; their factors are collected to the driver


@dataclass(frozen=True)
class Refit:
    """The inputs of an encoder's fit in one round.

    Args:
        factors: `schemas.FACTOR_BLOCKS` of the encoder's side.
        item_table: all item factors (items, width) where the encoder reads them, else None.
        before: folder of the round before, which has the weights to start from.
        store: folder of this round, which gets weights and prior means.
        number: number of this round.
        on_epoch: called with each epoch's loss.
    """

    factors: DataFrame
    item_table: np.ndarray | None
    before: Tables
    store: Tables
    number: int
    on_epoch: Callable[[EpochLoss], None]


class Encoder(Protocol):
    """The operations that the rounds call on an encoder."""

    @property
    def file(self) -> str:
        """Name of the weights' file below a round's folder."""

    @property
    def reads_item_factors(self) -> bool:
        """Whether `refit` needs the table of all item factors."""

    def warm_start(self, weights: bytes | None, store: Tables) -> bool:
        """Writes an earlier run's weights and their prior means into round 0; returns whether they can be used.

        Args:
            weights: content of the earlier model's `file`; None: it has none.
            store: folder of round 0.
        """

    def refit(self, round_: Refit) -> list[EpochLoss]:
        """Fits the encoder and writes weights and prior means into the round's folder; returns the losses.

        Args:
            round_: inputs of the fit.
        """


@dataclass(frozen=True)
class SideEncoder:
    """A network as the encoder of one side.

    Args:
        side: user or item.
        n: entities of the side.
        num_blocks: blocks of the side.
        inputs: the encoder's inputs, one row per entity, from a written table.
        initial: state before the first fit.
        first: hyper-parameters of the first fit.
        later: hyper-parameters of later fits, which start from the last round's weights.
        rank: number of latent coordinates of a factor row; the bias follows them.
        held_out_share: share of the entities that are held out of the fit, to calibrate the prior means.
        feed: `[feed]`: how the rows reach Torch.
        seed: seed of the run.
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
        """The state that a round wrote; None: it wrote none.

        Args:
            store: folder of the round.
        """
        path = store.path(self.file)
        if not files.exists(store.spark, path):
            return None
        return EncoderState.from_bytes(files.read_bytes(store.spark, path))

    def warm_start(self, weights: bytes | None, store: Tables) -> bool:
        """Writes an earlier run's state, calibration included, and its prior means into round 0.

        Args:
            weights: content of the earlier model's `file`; None: it has none.
            store: folder of round 0.

        Returns:
            Whether the weights can be used: they are of the same network.
        """
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
        """Fits the encoder and writes weights and prior means into the round's folder; returns the losses.

        Args:
            round_: inputs of the fit.
        """
        store, item_table = round_.store, round_.item_table
        last = self.load(round_.before)
        start = last or self.initial
        targets = unpack_factors(round_.factors, self.num_blocks).withColumnRenamed(c.FEATURES, c.TARGET)
        rows = with_targets(self.inputs, targets)
        feed = lay_out(
            rows.withColumn(c.WEIGHT, f.when(self._held_out(), f.lit(0.0).cast("float")).otherwise(f.col(c.WEIGHT))),
            n_rows=self.n,
            processes=self.feed.processes,
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
        )
        state, losses = fit_distributed(
            store.spark,
            start if item_table is None else with_item_factors(start, item_table),
            spec.open,
            self.later if last else self.first,
            rows_written=self.n,
            seed=seed,
            processes=self.feed.processes,
            local=self.feed.local,
            use_gpu=self.feed.use_gpu,
            on_epoch=round_.on_epoch,
        )
        store.delete(name)
        state = replace(state, calibration=self._calibration(targets, state, start.calibration))
        self._write(state, store)
        return losses

    def _write(self, state: EncoderState, store: Tables) -> None:
        """Writes weights, then prior means: if the prior means are complete, so are the weights."""
        one_step.write_bytes(store.spark, store.path(self.file), state.to_bytes())
        with encode_priors(self.inputs, state) as priors:
            store.write(pack_factors(priors, self.n, self.num_blocks), f"{self.side}_prior")

    def _held_out(self) -> f.Column:
        """Whether an entity is held out of the fit: by a hash, so that it is the same in every round."""
        share = min(self.held_out_share, MAX_HELD_OUT / max(self.n, 1))
        return uniform(self.seed, f.lit(self.side), c.IDX) < share

    def _calibration(self, targets: DataFrame, state: EncoderState, last: Calibration | None) -> Calibration | None:
        """The calibration by held-out entities with ratings; the last one where there are too few of them.

        Entities without ratings say nothing: their factors are prior means themselves.
        """
        if not self.held_out_share:
            return None
        uncalibrated = replace(state, calibration=None)
        with encode_priors(self.inputs.where(self._held_out() & (f.col(c.WEIGHT) > 0)), uncalibrated) as outputs:
            rows = outputs.join(targets, on=c.IDX, how="inner").orderBy(c.IDX).collect()
        width = int(self.initial.numbers["width"])
        predicted, factors = (from_cell(b"".join(row[name] for row in rows), width) for name in (c.FEATURES, c.TARGET))
        return calibrate(predicted, factors, rank=self.rank) or last
