"""The prior means of a whole table: every task applies the encoder in eval mode to batches of rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import torch
from pyspark.sql import DataFrame
from pyspark.sql import types as t
from torch import nn

from bgmrec.encoders.batches import KINDS
from bgmrec.encoders.state import EncoderState
from bgmrec.errors import InputError, TrainingError
from bgmrec.feed.rows import decode
from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import to_cell

_SCHEMA = t.StructType([t.StructField(c.IDX, t.IntegerType()), t.StructField(c.FEATURES, t.BinaryType())])
MAX_BROADCAST_BYTES = 2**31 - 2**20  # largest size of an encoder's weights


@contextmanager
def encode_priors(
    inputs: DataFrame, state: EncoderState, *, batch_rows: int = 512, threads: int = 1
) -> Iterator[DataFrame]:
    """The prior mean of every entity, cold ones included: one row (idx, features: float32 (width,)) per input row.

    Run the result inside the context: leaving it destroys the broadcast weights. Running it raises TrainingError where
    a prior mean is not finite.

    Args:
        inputs: from `feed.tables`, with or without targets.
        state: state of the encoder; its calibration is applied.
        batch_rows: rows that pass the network together.
        threads: Torch threads in a task.

    Raises:
        InputError: the weights are too large to broadcast.
    """
    content = state.to_bytes()
    if len(content) > MAX_BROADCAST_BYTES:
        raise InputError(
            f"the weights of the {state.kind} encoder are too large to broadcast",
            expected=f"at most {MAX_BROADCAST_BYTES} bytes",
            found=f"{len(content)} bytes",
            hint="lower user_encoder.hidden, or set user_encoder.use_ratings = false",
        )
    with broadcast_value(inputs.sparkSession, content) as weights:

        def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            torch.set_num_threads(threads)
            encoder = EncoderState.from_bytes(weights.value)
            network = encoder.network()
            for batch in batches:
                for begin in range(0, batch.num_rows, batch_rows):
                    yield _encode(network, encoder, batch.slice(begin, batch_rows))

        yield inputs.select(*KINDS[state.kind].columns).mapInArrow(encode, _SCHEMA)


@torch.inference_mode()
def _encode(network: nn.Module, encoder: EncoderState, batch: pa.RecordBatch) -> pa.RecordBatch:
    kind = KINDS[encoder.kind]
    rows = decode({name: batch.column(name).to_numpy(zero_copy_only=False) for name in kind.columns})
    priors = kind.prior(network, rows).numpy()
    if encoder.calibration is not None:
        priors = encoder.calibration.apply(priors)
    finite = np.isfinite(priors).all(1)
    if not finite.all():
        raise TrainingError(
            "an encoder computed a prior mean that is not finite",
            where=f"{encoder.kind} encoder, idx {rows.dense[c.IDX][~finite][0]}",
            expected="finite numbers",
            found=str(priors[~finite][0][:5]),
            hint="look for very large or infinite values in this entity's features, or lower the fit's learning_rate",
        )
    cells = [to_cell(prior) for prior in priors]
    return pa.RecordBatch.from_arrays([batch.column(c.IDX), pa.array(cells, pa.binary())], names=[c.IDX, c.FEATURES])
