"""The distributed draw of one side: one pass over its rating blocks; besides the factors, one small sum per task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.cells import OnBatches, one_row, read_rows
from bgmrec.factorize.half_step import read_cell
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import Noise, draw_block
from bgmrec.factorize.source_tables import ReadJoined, SourceFactors, join_source
from bgmrec.sampler.conditionals.hyper import RowPrior
from bgmrec.sampler.conditionals.row_noise import draw_weights, pair_weights
from bgmrec.sampler.conditionals.sums import SideSums, block_sums
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell

_LAST_DRAW = "last_draw"


@dataclass(frozen=True)
class DrawNumbers:
    """The parameters of one draw of a side.

    Args:
        prior: prior of the rows.
        row_scale: scales of the prior precision.
        alpha: noise precision.
        noise_strength: strength of the prior of the rows' noise weights; 0: all weights are 1.
        weight_scale: factor of the drawn side's stored noise weights.
        source_weight_scale: factor of the fixed side's stored noise weights.
        seed: seed of the run.
        round: number of the draw.
        side: USER_SIDE or ITEM_SIDE.
    """

    prior: RowPrior
    row_scale: RowScale
    alpha: float
    noise_strength: float
    weight_scale: float
    source_weight_scale: float
    seed: int
    round: int
    side: int


def draw_step(
    rating_blocks: DataFrame,
    source: SourceFactors,
    last_draw: DataFrame | None,
    shape: ModelShape,
    numbers: DrawNumbers,
    *,
    num_blocks: int,
    broadcast_last_draw: bool = True,
) -> DataFrame:
    """Draws one side: `schemas.DRAWN_BLOCKS` with rows [u, a, noise weight]. Users and items are symmetric.

    Args:
        rating_blocks: `schemas.LINK_BLOCKS` of the drawn side.
        source: the fixed side's last draw, from `broadcast_or_shuffle_drawn`.
        last_draw: the drawn side's last draw, which holds the noise weights; None: all weights are 1.
        shape: shape of the model.
        numbers: parameters of the draw.
        num_blocks: blocks of the drawn side.
        broadcast_last_draw: whether the last draw is small enough to be broadcast.
    """
    cells = []
    if last_draw is not None:
        last = last_draw.select(c.BLOCK, f.col(c.FACTORS).alias(_LAST_DRAW))
        cells.append(last.hint("broadcast" if broadcast_last_draw else "shuffle_hash"))
    blocks, read = join_source(rating_blocks, source, *cells)
    return blocks.mapInArrow(_drawer(read, last_draw is not None, shape, numbers, num_blocks), schemas.DRAWN_BLOCKS)


def sum_rows(
    rating_blocks: DataFrame, factors: DataFrame, shape: ModelShape, columns: int, row_scale: RowScale
) -> DataFrame:
    """Solved factors as draw 0: `schemas.DRAWN_BLOCKS` with noise weights of 1 and sums without squared errors.

    Args:
        rating_blocks: `schemas.LINK_BLOCKS` of the side.
        factors: `schemas.FACTOR_BLOCKS` of the side.
        shape: shape of the model.
        columns: number of feature columns.
        row_scale: scales of the side's prior precision.
    """

    def add(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def rows() -> Iterator[tuple[RatingBlock, np.ndarray, SideSums]]:
            for row in read_rows(batches):
                block = RatingBlock.from_cells(row)
                table = read_cell(row, _LAST_DRAW, block, shape.width)
                n, ones = np.diff(block.row_offsets), np.ones(block.n_rows)
                yield (
                    block,
                    _with_weights(table, ones),
                    block_sums(table, read_features(row, block, columns), n, row_scale.scales(n), 0 * ones, ones),
                )

        yield from _with_sums(rows())

    cells = factors.select(c.BLOCK, f.col(c.FACTORS).alias(_LAST_DRAW))
    return rating_blocks.join(cells.hint("shuffle_hash"), c.BLOCK, "left").mapInArrow(add, schemas.DRAWN_BLOCKS)


def read_features(row: dict[str, Any], block: RatingBlock, columns: int) -> np.ndarray:
    """The features of a block's rows, float32 (n_rows, columns).

    Args:
        row: row of `schemas.LINK_BLOCKS`.
        block: the row's rating block.
        columns: number of feature columns.
    """
    return from_cell(row[c.FEATURES]).reshape(block.n_rows, columns)


def _drawer(read: ReadJoined, weighted: bool, shape: ModelShape, numbers: DrawNumbers, num_blocks: int) -> OnBatches:
    def rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[RatingBlock, np.ndarray, SideSums]]:
        for row, block, table, positions in read(batches):
            last = read_cell(row, _LAST_DRAW, block, shape.width + 1) if weighted else None
            yield _draw(
                block,
                table,
                positions,
                last,
                read_features(row, block, len(numbers.prior.weights)),
                shape,
                numbers,
                num_blocks,
            )

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _with_sums(rows(batches))

    return draw


def _draw(
    block: RatingBlock, table: np.ndarray, positions: np.ndarray, last: np.ndarray | None, features: np.ndarray,
    shape: ModelShape, numbers: DrawNumbers, num_blocks: int,
) -> tuple[RatingBlock, np.ndarray, SideSums]:  # fmt: skip
    row_weights = np.ones(block.n_rows, FLOAT)
    weighted = block
    if last is not None:
        row_weights = last[:, shape.width] * np.float32(numbers.weight_scale)
        source_weights = table[:, shape.width] * np.float32(numbers.source_weight_scale)
        weighted = replace(block, weights=pair_weights(block, row_weights, source_weights, positions))
    prior, seeds = numbers.prior, (numbers.seed, numbers.round, numbers.side)
    noise = Noise(*seeds, numbers.alpha**-0.5)
    precision = prior.precision / numbers.alpha
    n, means = np.diff(block.row_offsets), prior.means(features)
    scales = numbers.row_scale.scales(n)
    factors, errors = draw_block(
        weighted, table, positions, means, precision, shape, noise, scales=scales, num_blocks=num_blocks
    )
    errors = errors / row_weights
    weights = np.ones(block.n_rows)
    if last is not None:
        seed, round_, side = seeds
        weights = draw_weights(
            block, errors, numbers.noise_strength, alpha=numbers.alpha, seed=seed, round_=round_, side=side,
            num_blocks=num_blocks,
        )  # fmt: skip
    sums = block_sums(factors, features, n, scales, errors, weights)
    return block, _with_weights(factors, weights), sums


def _with_weights(factors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.hstack([factors, weights[:, None].astype(FLOAT)])


def _with_sums(drawn: Iterator[tuple[RatingBlock, np.ndarray, SideSums]]) -> Iterator[pa.RecordBatch]:
    """One row per block; the last row of a task carries the sums of all its rows."""
    waiting: tuple[RatingBlock, np.ndarray] | None = None
    parts: list[SideSums] = []
    for block, factors, sums in drawn:
        if waiting is not None:
            yield one_row(block=waiting[0].block, n_rows=waiting[0].n_rows, factors=waiting[1], sums=b"")
        waiting = block, factors
        parts = [reduce(SideSums.__add__, [*parts, sums])]
    if waiting is not None:
        cell = parts[0].to_cell()
        yield one_row(block=waiting[0].block, n_rows=waiting[0].n_rows, factors=waiting[1], sums=cell)
