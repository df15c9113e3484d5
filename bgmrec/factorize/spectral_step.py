"""The distributed step of a power iteration (kernels/spectral.py): one pass over the rating blocks of a side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.factorize.kernels.layout import RatingBlock, block_idx
from bgmrec.factorize.kernels.noise import normal_numbers
from bgmrec.factorize.kernels.spectral import gram_of, project, row_degrees
from bgmrec.factorize.source_tables import SourceFactors, join_source
from bgmrec.storage import schemas

_STREAM = 32  # in place of a side: numbers that no factor row uses


def spectral_start(blocks: DataFrame, width: int, *, normalised: bool, num_blocks: int, seed: int) -> DataFrame:
    """Random rows [y, scale] of a side: `schemas.DRAWN_BLOCKS` with the Gram matrix Yᵀ Y as sums.

    Args:
        blocks: `schemas.RATING_BLOCKS` of the side.
        width: floats of y.
        normalised: whether the matrix is degree-normalised.
        num_blocks: blocks of the side.
        seed: seed of the random numbers.
    """

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def rows() -> Iterator[tuple[RatingBlock, np.ndarray]]:
            for row in read_rows(batches):
                block = RatingBlock.from_cells(row)
                idx = block_idx(block.n_rows * num_blocks, num_blocks, block.block)[: block.n_rows]
                scale = row_degrees(block, normalised).astype(np.float32)
                yield block, np.hstack([normal_numbers(seed, 0, _STREAM, idx, width), scale[:, None]])

        yield from _with_gram(rows(), width)

    return blocks.mapInArrow(draw, schemas.DRAWN_BLOCKS)


def spectral_step(blocks: DataFrame, source: SourceFactors, transform: np.ndarray, *, normalised: bool) -> DataFrame:
    """Rows [N V T, scale] of a side: `schemas.DRAWN_BLOCKS` with their Gram matrix as sums.

    Args:
        blocks: `schemas.RATING_BLOCKS` of the side.
        source: rows [v, scale] of the other side.
        transform: T, (width, columns).
        normalised: whether the matrix is degree-normalised.
    """
    joined, read = join_source(blocks, source)

    def multiply(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def rows() -> Iterator[tuple[RatingBlock, np.ndarray]]:
            for _, block, table, positions in read(batches):
                yield block, project(block, table, positions, transform, normalised)

        yield from _with_gram(rows(), transform.shape[1])

    return joined.mapInArrow(multiply, schemas.DRAWN_BLOCKS)


def _with_gram(projected: Iterator[tuple[RatingBlock, np.ndarray]], width: int) -> Iterator[pa.RecordBatch]:
    """One row per block; the last row of a task carries the Gram matrix of all its rows."""
    waiting: tuple[RatingBlock, np.ndarray] | None = None
    gram = np.zeros((width, width))
    for block, rows in projected:
        if waiting is not None:
            yield one_row(block=waiting[0].block, n_rows=waiting[0].n_rows, factors=waiting[1], sums=b"")
        waiting = block, rows
        gram += gram_of(rows)
    if waiting is not None:
        cell = gram.tobytes()
        yield one_row(block=waiting[0].block, n_rows=waiting[0].n_rows, factors=waiting[1], sums=cell)
