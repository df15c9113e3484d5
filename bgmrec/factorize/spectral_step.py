"""The distributed half of a power iteration: one pass over a side's rating blocks (spectral.py)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.factorize.kernels.layout import RatingBlock, block_idx
from bgmrec.factorize.kernels.noise import normals
from bgmrec.factorize.kernels.spectral import gram_of, project, row_degrees
from bgmrec.factorize.source_tables import Source, join_source
from bgmrec.storage import schemas


def spectral_start(blocks: DataFrame, width: int, *, normalised: bool, num_blocks: int, seed: int) -> DataFrame:
    """Random rows [y, scale] of a side by counter, `schemas.DRAWN_BLOCKS` with the Gram matrix as sums."""

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def rows() -> Iterator[tuple[RatingBlock, np.ndarray]]:
            for row in read_rows(batches):
                block = RatingBlock.from_cells(row)
                idx = block_idx(block.n_rows * num_blocks, num_blocks, block.block)[: block.n_rows]
                scale = row_degrees(block, normalised).astype(np.float32)
                yield block, np.hstack([normals(seed, 0, 32, idx, width), scale[:, None]])

        yield from _with_gram(rows(), width)

    return blocks.mapInArrow(draw, schemas.DRAWN_BLOCKS)


def spectral_step(blocks: DataFrame, source: Source, transform: np.ndarray, *, normalised: bool) -> DataFrame:
    """Rows [N V T, scale] of a side, `schemas.DRAWN_BLOCKS` with the Gram matrix as sums."""
    joined, read = join_source(blocks, source)

    def multiply(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def rows() -> Iterator[tuple[RatingBlock, np.ndarray]]:
            for _, block, table, positions in read(batches):
                yield block, project(block, table, positions, transform, normalised)

        yield from _with_gram(rows(), transform.shape[1])

    return joined.mapInArrow(multiply, schemas.DRAWN_BLOCKS)


def _with_gram(made: Iterator[tuple[RatingBlock, np.ndarray]], width: int) -> Iterator[pa.RecordBatch]:
    """One row per block; the task's last one carries the Gram matrix of all."""
    waiting: tuple[RatingBlock, np.ndarray] | None = None
    gram = np.zeros((width, width))
    for block, rows in made:
        if waiting is not None:
            yield one_row(block=waiting[0].block, n_rows=waiting[0].n_rows, factors=waiting[1], sums=b"")
        waiting = block, rows
        gram += gram_of(rows)
    if waiting is not None:
        cell = gram.tobytes()
        yield one_row(block=waiting[0].block, n_rows=waiting[0].n_rows, factors=waiting[1], sums=cell)
