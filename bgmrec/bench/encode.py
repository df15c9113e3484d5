"""Benchmark of the encoders' feed: petastorm against tensors in memory, and two processes against one.

No job of its own: a part of benchmark.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.bench.half_steps import shape_of
from bgmrec.bench.parts import Bench, Result, Times, rounded
from bgmrec.encoders.batches import KINDS, TRAINING_COLUMNS
from bgmrec.encoders.distributed.fit import fit_distributed
from bgmrec.encoders.fit import fit
from bgmrec.encoders.numbers import asdae_loss, asdae_numbers, fit_numbers
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
EXCHANGE_EVERY = 16  # steps between two exchanges of weights


class _Held:
    """The same batches from memory: what an epoch costs without any feed."""

    def __init__(self, rows: Rows):
        self._rows = rows

    def batches(self, epoch: int, steps: int) -> Iterator[Rows]:
        for part in np.array_split(np.random.default_rng(epoch).permutation(len(self._rows)), steps):
            yield self._rows.take(part)


def encode(bench: Bench, arguments: argparse.Namespace) -> Result:
    """An epoch of the user encoder, read from Parquet by petastorm, against the same loop over tensors in memory."""
    shape, settings = shape_of(arguments), bench.settings
    table = _write_feed(bench, bench.ratings(shape), shape.users, arguments.rank)
    numbers = asdae_numbers(
        settings.user_encoder, n_items=shape.items, feature_width=FEATURE_WIDTH, width=arguments.rank, bias=False,
        explicit=False,
    )  # fmt: skip
    state = initial_state("asdae", numbers, 1)
    epochs = bench.repeats + 1  # the first one compiles and fills caches
    how = replace(
        fit_numbers(settings.user_encoder.fit, settings.feed, asdae_loss(settings.user_encoder), first=False),
        epochs=epochs, threads=1,
    )  # fmt: skip
    spec = FeedSpec(
        files.absolute(bench.spark, table), (*KINDS["asdae"].columns, *TRAINING_COLUMNS), 1, memory_bytes=0,
        results_queue_size=settings.feed.results_queue_size,
    )  # fmt: skip
    whole = replace(spec, memory_bytes=2**62).open(0, 1)
    held = next(whole.batches(0, 1))

    def epoch_times(what: str, open_feed: Any, processes: int = 0, every: int = 1) -> Times:
        with bench.watched(what):
            if processes:
                _, losses = fit_distributed(
                    bench.spark,
                    state,
                    open_feed,
                    replace(how, exchange_every=every),
                    rows_written=shape.users,
                    seed=1,
                    processes=processes,
                    local=True,
                )
            else:
                _, losses = fit(state, open_feed, how, rows_written=shape.users, seed=1)
        times = Times([loss.seconds for loss in losses[1:]])
        bench.progress.done("benchmark", what=what, **times.facts())
        return times

    peer = epoch_times("tensors in memory", lambda *_: _Held(held))
    streamed = epoch_times("petastorm", spec.open)
    kept = epoch_times("petastorm, kept", replace(spec, memory_bytes=2**31).open)
    one, exact = (epoch_times(f"{n} processes", spec.open, n) for n in (1, 2))
    two = epoch_times(f"2 processes, weights every {EXCHANGE_EVERY} steps", spec.open, 2, EXCHANGE_EVERY)
    facts = {
        "rows": shape.users,
        "kept_in_memory": kept.facts(),
        "one_process": one.facts(),
        "two_processes": two.facts(),
        "speed_up_of_two": rounded(one.median / two.median),
        "two_processes_by_gradients": exact.facts(),
    }
    return Result("encode", streamed, peer, facts=facts)


def _write_feed(bench: Bench, ratings: DataFrame, users: int, rank: int) -> str:
    folder = bench.fresh("encode")

    def vector(width: int) -> Any:
        return f.udf(
            lambda idx: np.random.default_rng([idx, width]).normal(0, 0.3, width).astype(FLOAT).tobytes(), "binary"
        )

    every = bench.spark.range(0, users, 1, 4 * bench.partitions).select(f.col("id").cast("int").alias(c.IDX))
    features = folder.write(every.withColumn(c.FEATURES, vector(FEATURE_WIDTH)(c.IDX)), "features")
    targets = folder.write(every.withColumn(c.TARGET, vector(rank)(c.IDX)), "targets")
    blocks = num_blocks(users, ratings.count(), bench.settings.factorize)
    rated = folder.write(rating_blocks(ratings, c.USER_IDX, c.ITEM_IDX, blocks, users), "user_rating_blocks")
    with arrow_batch(bench.spark, BLOCKS_PER_BATCH):
        rows = user_inputs(features, unpack_ratings(rated, blocks), weight_exponent=0.0)
        inputs = folder.write(rows, "user_inputs")
    feed = lay_out(
        with_targets(inputs, targets), n_rows=users, processes=2, row_group_rows=bench.settings.feed.row_group_rows
    )
    folder.write(feed, "user_feed")
    return folder.path("user_feed")
