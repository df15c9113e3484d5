"""Scores of (dst, src) pairs, for validation and evaluation; distributed like the half step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from bgmrec.factorize.blocks.cells import one_row
from bgmrec.factorize.half_step import block_cells, read_cell
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import score_block
from bgmrec.factorize.source_tables import SourceFactors, join_source

_FACTORS = "dst_factors"
_PAIR = "dst_idx int, src_idx int, rating float, weight float, score float"
_ERRORS = "block int, pairs double, squared_error double, absolute_error double"


def score_pairs(
    pair_blocks: DataFrame, source: SourceFactors, dst_factors: DataFrame, shape: ModelShape, *,
    dst_num_blocks: int, broadcast_bytes: int, clip: tuple[float, float] | None = None,
) -> DataFrame:  # fmt: skip
    """One row per pair: (dst_idx, src_idx, rating, weight, score).

    Args:
        pair_blocks: the pairs as `schemas.RATING_BLOCKS`.
        source: the src side's factors, from `broadcast_or_shuffle`.
        dst_factors: `schemas.FACTOR_BLOCKS` of the dst side.
        shape: shape of the model.
        dst_num_blocks: blocks of the dst side.
        broadcast_bytes: a larger table of dst factors is shuffled, not broadcast.
        clip: lowest and highest score; None: scores are not clipped.

    Raises:
        TrainingError: when run: an entity of a pair has no factors.
    """

    def rows(block: RatingBlock, scores: np.ndarray) -> pa.RecordBatch:
        local = np.repeat(np.arange(block.n_rows), np.diff(block.row_offsets))
        dst = (local * dst_num_blocks + block.block).astype(np.int32)
        weights = block.weights if block.weights.size else np.ones_like(scores)
        columns = dst, block.src_ids[block.src_pos], block.ratings, weights, scores
        return pa.RecordBatch.from_arrays(
            list(map(pa.array, columns)), [column.split()[0] for column in _PAIR.split(", ")]
        )

    return _scored(pair_blocks, source, dst_factors, shape, broadcast_bytes, clip, rows, _PAIR)


def pair_errors(
    pair_blocks: DataFrame, source: SourceFactors, dst_factors: DataFrame, shape: ModelShape, *,
    broadcast_bytes: int, clip: tuple[float, float] | None = None,
) -> DataFrame:  # fmt: skip
    """One row per block: (block, pairs, squared_error, absolute_error), unweighted sums.

    Args:
        pair_blocks: the pairs as `schemas.RATING_BLOCKS`.
        source: the src side's factors, from `broadcast_or_shuffle`.
        dst_factors: `schemas.FACTOR_BLOCKS` of the dst side.
        shape: shape of the model.
        broadcast_bytes: a larger table of dst factors is shuffled, not broadcast.
        clip: lowest and highest score; None: scores are not clipped.

    Raises:
        TrainingError: when run: an entity of a pair has no factors.
    """

    def sums(block: RatingBlock, scores: np.ndarray) -> pa.RecordBatch:
        error = block.ratings.astype(np.float64) - scores
        return one_row(
            block=block.block,
            pairs=float(error.size),
            squared_error=float((error**2).sum()),
            absolute_error=float(np.abs(error).sum()),
        )

    return _scored(pair_blocks, source, dst_factors, shape, broadcast_bytes, clip, sums, _ERRORS)


def _scored(
    pair_blocks: DataFrame,
    source: SourceFactors,
    dst_factors: DataFrame,
    shape: ModelShape,
    broadcast_bytes: int,
    clip: tuple[float, float] | None,
    result: Callable[[RatingBlock, np.ndarray], pa.RecordBatch],
    schema: str,
) -> DataFrame:
    blocks, read = join_source(pair_blocks, source, block_cells(dst_factors, _FACTORS, shape.width, broadcast_bytes))

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row, block, table, positions in read(batches):
            scores = score_block(block, table, positions, read_cell(row, _FACTORS, block, shape.width), shape)
            yield result(block, scores if clip is None else np.clip(scores, *clip))

    return blocks.mapInArrow(score, schema)
