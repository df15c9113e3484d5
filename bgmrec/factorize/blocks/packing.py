"""Packs narrow rows into a few binary cells per block, so that a shuffle moves few large rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from bgmrec.factorize.blocks.cells import OnBatches, lighten_worker, split_binary
from bgmrec.factorize.kernels.layout import stable_order
from bgmrec.storage import columns as c

PACKED = "packed"  # rows of one block as the bytes of a structured array
PACKED_SCHEMA = f"{c.BLOCK} int, {PACKED} binary"

_PACKED_ROWS = 1 << 20  # packed together, 16 MB


def packer(records: Callable[[pa.RecordBatch], np.ndarray], key: str, num_blocks: int) -> OnBatches:
    """The function for `mapInArrow` that packs rows into `PACKED_SCHEMA` by the block of their entity.

    Args:
        records: batch → structured array with a record per row.
        key: the int32 field that holds the entity.
        num_blocks: blocks of the entities.
    """

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lighten_worker()
        waiting: list[np.ndarray] = []
        for batch in batches:
            waiting.append(records(batch))
            if sum(map(len, waiting)) >= _PACKED_ROWS:
                yield _by_block(np.concatenate(waiting), key, num_blocks)
                waiting = []
        if waiting:
            yield _by_block(np.concatenate(waiting), key, num_blocks)

    return pack


def _by_block(rows: np.ndarray, key: str, num_blocks: int) -> pa.RecordBatch:
    block = rows[key] % num_blocks
    counts = np.bincount(block, minlength=num_blocks)
    present = np.flatnonzero(counts)
    cells = split_binary(rows[stable_order(block)].view(np.uint8), counts[present] * rows.dtype.itemsize)
    return pa.RecordBatch.from_arrays([pa.array(present.astype(np.int32)), cells], [c.BLOCK, PACKED])
