"""The distributed draw of one side: one pass over its rating blocks, one small sum per task besides the factors."""

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
from bgmrec.factorize.source_tables import ReadJoined, Source, join_source
from bgmrec.sampler.conditionals.hyper import RowPrior
from bgmrec.sampler.conditionals.row_noise import draw_weights, pair_weights
from bgmrec.sampler.conditionals.sums import SideSums, block_sums
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell

OWN = "own"


@dataclass(frozen=True)
class DrawNumbers:
    """What one draw of a side is a function of, besides ratings, features and factors.

    Args:
        prior: of the rows.
        row_scale: how strongly it holds.
        alpha: noise precision.
        noise_strength: prior strength of the rows' noise weights; 0: all are 1.
        own_scale, source_scale: what the stored weights of either side are multiplied with.
        seed, round, side: what the noise is seeded by, with idx.
    """

    prior: RowPrior
    row_scale: RowScale
    alpha: float
    noise_strength: float
    own_scale: float
    source_scale: float
    seed: int
    round: int
    side: int


def draw_step(
    rating_blocks: DataFrame,
    source: Source,
    own: DataFrame | None,
    shape: ModelShape,
    numbers: DrawNumbers,
    *,
    num_blocks: int,
    own_is_small: bool = True,
) -> DataFrame:
    """Draws one side, `schemas.DRAWN_BLOCKS`: rows [u, a, noise weight]. Symmetric in users and items.

    Args:
        rating_blocks: `schemas.RATING_BLOCKS` of the drawn side, with the `features` of its rows.
        source: the fixed side's drawn blocks, delivered.
        own: the side's last draw, where rows have noise weights.
        num_blocks: of the drawn side.
        own_is_small: whether the last draw may be broadcast to the join.
    """
    cells = []
    if own is not None:
        last = own.select(c.BLOCK, f.col(c.FACTORS).alias(OWN))
        cells.append(last.hint("broadcast" if own_is_small else "shuffle_hash"))
    blocks, read = join_source(rating_blocks, source, *cells)
    return blocks.mapInArrow(_drawer(read, own is not None, shape, numbers, num_blocks), schemas.DRAWN_BLOCKS)


def sum_rows(
    rating_blocks: DataFrame, factors: DataFrame, shape: ModelShape, columns: int, row_scale: RowScale
) -> DataFrame:
    """Solved factors as a first draw, `schemas.DRAWN_BLOCKS`: noise weights of 1, and the sums without errors.

    Args:
        rating_blocks: of the side, with the `features` of its rows.
        factors: `schemas.FACTOR_BLOCKS` of the side.
        columns: of the features.
        row_scale: of the side.
    """

    def add(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def rows() -> Iterator[tuple[RatingBlock, np.ndarray, SideSums]]:
            for row in read_rows(batches):
                block = RatingBlock.from_cells(row)
                table = read_cell(row, OWN, block, shape.width)
                n, ones = np.diff(block.row_offsets), np.ones(block.n_rows)
                yield (
                    block,
                    _with_weights(table, ones),
                    block_sums(table, read_features(row, block, columns), n, row_scale.of(n), 0 * ones, ones),
                )

        yield from _with_sums(rows())

    cells = factors.select(c.BLOCK, f.col(c.FACTORS).alias(OWN))
    return rating_blocks.join(cells.hint("shuffle_hash"), c.BLOCK, "left").mapInArrow(add, schemas.DRAWN_BLOCKS)


def read_features(row: dict[str, Any], block: RatingBlock, columns: int) -> np.ndarray:
    """float32 (n_rows, columns) of a rating block with features."""
    return from_cell(row[c.FEATURES]).reshape(block.n_rows, columns)


def _drawer(read: ReadJoined, weighted: bool, shape: ModelShape, numbers: DrawNumbers, num_blocks: int) -> OnBatches:
    def rows(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[RatingBlock, np.ndarray, SideSums]]:
        for row, block, table, positions in read(batches):
            last = read_cell(row, OWN, block, shape.width + 1) if weighted else None
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
    own = np.ones(block.n_rows, FLOAT)
    given = block
    if last is not None:
        own = last[:, shape.width] * np.float32(numbers.own_scale)
        of_source = table[:, shape.width] * np.float32(numbers.source_scale)
        given = replace(block, weights=pair_weights(block, own, of_source, positions))
    prior, seeds = numbers.prior, (numbers.seed, numbers.round, numbers.side)
    noise = Noise(*seeds, numbers.alpha**-0.5)
    precision = prior.precision / numbers.alpha
    n, means = np.diff(block.row_offsets), prior.means(features)
    scales = numbers.row_scale.of(n)
    factors, errors = draw_block(
        given, table, positions, means, precision, shape, noise, scales=scales, num_blocks=num_blocks
    )
    errors = errors / own
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
    """One row per block; the task's last one carries the sums of all."""
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
