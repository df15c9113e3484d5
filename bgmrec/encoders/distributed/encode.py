"""Prior means of a whole table: the encoder in eval mode over batches of rows, in every task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import to_cell

_SCHEMA = t.StructType([t.StructField(c.IDX, t.IntegerType()), t.StructField(c.FEATURES, t.BinaryType())])
MAX_BROADCAST_BYTES = 2**31 - 2**20  # of the weights


def encode_priors(inputs: DataFrame, state: EncoderState, *, batch_rows: int = 512, threads: int = 1) -> DataFrame:
    """The prior mean of every entity, cold ones included: one row for each row that comes in.

    Args:
        inputs: from `feed.tables`, with or without targets.
        state: the encoder.
        batch_rows: rows that go through the network at once.
        threads: of Torch in a task.

    Returns:
        (idx, features): float32 (width,); running it raises TrainingError where a prior mean is not finite

    Raises:
        InputError: the weights are too large to broadcast.
    """
    content = state.to_bytes()
    if len(content) > MAX_BROADCAST_BYTES:
        raise InputError(
            "the encoder's weights are too large to broadcast",
            expected=f"at most {MAX_BROADCAST_BYTES} bytes",
            found=f"{len(content)} bytes",
            hint="lower the encoder's hidden widths, or leave the ratings out of it",
        )
    weights = inputs.sparkSession.sparkContext.broadcast(content)

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(threads)
        encoder = EncoderState.from_bytes(weights.value)
        network = encoder.network()
        for batch in batches:
            for begin in range(0, batch.num_rows, batch_rows):
                yield _encode(network, encoder, batch.slice(begin, batch_rows))

    return inputs.select(*KINDS[state.kind].columns).mapInArrow(encode, _SCHEMA)


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
            "an encoder gives a prior mean that is not finite",
            where=f"idx {rows.dense[c.IDX][~finite][0]}",
            hint="look for values that are not finite in the entity's features, or lower the fit's learning_rate",
        )
    cells = [to_cell(prior) for prior in priors]
    return pa.RecordBatch.from_arrays([batch.column(c.IDX), pa.array(cells, pa.binary())], names=[c.IDX, c.FEATURES])
