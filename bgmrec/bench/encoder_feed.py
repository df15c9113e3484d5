"""Benchmark of the encoders' feed: petastorm against tensors in memory, and two training processes against one."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.bench.half_steps import shape_of
from bgmrec.bench.harness import Bench, Result, Times
from bgmrec.encoders.batches import KINDS, TRAINING_COLUMNS
from bgmrec.encoders.distributed.fit import fit_distributed
from bgmrec.encoders.fit import fit
from bgmrec.encoders.numbers import DECAYS, asdae_loss, asdae_numbers, fit_numbers
from bgmrec.encoders.state import initial_state
from bgmrec.factorize.blocks.ratings import num_blocks, rating_blocks, unpack_ratings
from bgmrec.feed.parquet import FeedSpec
from bgmrec.feed.rows import Rows
from bgmrec.feed.tables import lay_out, user_inputs, with_targets
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.arrays import FLOAT

FEATURE_WIDTH = 64  # of the generated side information
EXCHANGE_EVERY = 16  # steps between two averages of the weights


class _InMemory:
    """The same batches from memory: an epoch without a feed."""

    def __init__(self, rows: Rows):
        self._rows = rows

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        for part in np.array_split(np.random.default_rng(epoch).permutation(len(self._rows)), steps):
            yield self._rows.take(part)


def encode(bench: Bench, arguments: argparse.Namespace) -> Result:
    """An epoch of the user encoder, read from Parquet by petastorm, against the same loop over tensors in memory.

    Args:
        bench: session and settings.
        arguments: of the command line.
    """
    shape, settings = shape_of(arguments), bench.settings
    table = _write_feed(bench, bench.ratings(shape), shape.users, arguments.rank)
    numbers = asdae_numbers(
        settings.user_encoder, n_items=shape.items, feature_width=FEATURE_WIDTH, width=arguments.rank, bias=False,
        explicit=False,
    )  # fmt: skip
    state = initial_state("asdae", numbers, 1)
    epochs = bench.repeats + 1  # the first one compiles and fills caches
    loss, decays = asdae_loss(settings.user_encoder), DECAYS["asdae"]
    fit_settings = replace(
        fit_numbers(settings.user_encoder.fit, settings.feed, loss, decays, first=False), epochs=epochs, threads=1
    )
    spec = FeedSpec(
        files.absolute(bench.spark, table), (*KINDS["asdae"].columns, *TRAINING_COLUMNS), 1, memory_bytes=0,
    )  # fmt: skip
    whole = replace(spec, memory_bytes=2**62).open(0, 1)
    rows = next(whole.batches(0, 1))

    def epoch_times(what: str, open_feed: Any, processes: int = 0, every: int = 1) -> Times:
        with bench.watched(what):
            if processes:
                _, losses = fit_distributed(
                    bench.spark,
                    state,
                    open_feed,
                    replace(fit_settings, exchange_every=every),
                    rows_written=shape.users,
                    seed=1,
                    processes=processes,
                    local=True,
                )
            else:
                _, losses = fit(state, open_feed, fit_settings, rows_written=shape.users, seed=1)
        times = Times([loss.seconds for loss in losses[1:]])
        bench.progress.done("benchmark", what=what, **times.facts())
        return times

    peer = epoch_times("tensors in memory", lambda *_: _InMemory(rows))
    streamed = epoch_times("petastorm", spec.open)
    from_memory = epoch_times("petastorm, kept in memory", replace(spec, memory_bytes=2**31).open)
    one, by_gradients = (epoch_times(f"{n} processes", spec.open, n) for n in (1, 2))
    two = epoch_times(f"2 processes, weights averaged every {EXCHANGE_EVERY} steps", spec.open, 2, EXCHANGE_EVERY)
    work = f"an epoch of two processes, weights averaged every {EXCHANGE_EVERY} steps"
    gradients = {"by_gradients": by_gradients.facts()}
    two_processes = Result("encode, two processes", work, "one process", two, one, facts=gradients)
    facts = {"rows": shape.users, "kept_in_memory": from_memory.facts()}
    others = [two_processes]
    return Result("encode", "an epoch by petastorm", "tensors in memory", streamed, peer, facts=facts, others=others)


def _write_feed(bench: Bench, ratings: DataFrame, users: int, rank: int) -> str:
    """Writes random features and targets beside the ratings as a feed; returns its folder."""
    folder = bench.fresh("encode")

    def vector(width: int) -> Any:
        return f.udf(
            lambda idx: np.random.default_rng([idx, width]).normal(0, 0.3, width).astype(FLOAT).tobytes(), "binary"
        )

    entities = bench.spark.range(0, users, 1, 4 * bench.partitions).select(f.col("id").cast("int").alias(c.IDX))
    features = folder.write(entities.withColumn(c.FEATURES, vector(FEATURE_WIDTH)(c.IDX)), "features")
    targets = folder.write(entities.withColumn(c.TARGET, vector(rank)(c.IDX)), "targets")
    blocks = num_blocks(users, ratings.count(), bench.settings.factorize)
    user_blocks = folder.write(rating_blocks(ratings, c.USER_IDX, c.ITEM_IDX, blocks, users), "user_rating_blocks")
    with arrow_batch(bench.spark, BLOCKS_PER_BATCH):
        rows = user_inputs(features, unpack_ratings(user_blocks, blocks), weight_exponent=0.0)
        inputs = folder.write(rows, "user_inputs")
    feed = lay_out(with_targets(inputs, targets), n_rows=users, processes=2)
    folder.write(feed, "user_feed")
    return folder.path("user_feed")
