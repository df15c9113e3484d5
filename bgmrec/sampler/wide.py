"""The kept draws as one wide factor table, so that the mean of their scores is a single dot product.

    (1/S) Σ_s (mean + u_s·v_s + a_s + b_s) = mean + [u_1/S, …, u_S/S]·[v_1, …, v_S] + ā + b̄

The table has no noise weights. Everything that reads factor blocks can read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.errors import TrainingError
from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import columns as c
from bgmrec.storage import files, schemas
from bgmrec.storage.arrays import FLOAT, from_cell

_DRAW = "draw"


def wide_shape(shape: ModelShape, draws: int) -> ModelShape:
    """The shape of the wide table.

    Args:
        shape: shape of one draw.
        draws: number of draws.
    """
    return ModelShape(shape.rank * draws, shape.bias, shape.mean)


def wide_factors(
    spark: SparkSession, paths: list[str], shape: ModelShape, *, scaled: bool, partitions: int
) -> DataFrame:
    """`schemas.FACTOR_BLOCKS` of a side with all draws side by side.

    Args:
        spark: the session.
        paths: tables of the side's draws, `…/draw-NNNN/…`, in order.
        shape: shape of one draw.
        scaled: whether vectors are divided by the number of draws, as the users' are.
        partitions: partitions of the result.
    """
    count, width = len(paths), shape.width
    # one scan of all draws: Spark plans a union of that many tables longer than it runs it
    number = f.regexp_extract(f.input_file_name(), r"draw-(\d+)/", 1).cast("int").alias(_DRAW)
    draws = spark.read.schema(schemas.DRAWN_BLOCKS).parquet(*map(files.literal, paths))
    drawn = draws.select(c.BLOCK, c.FACTORS, number)
    by_block = drawn.repartition(partitions, c.BLOCK).sortWithinPartitions(c.BLOCK, _DRAW)

    def widen(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = ((row[c.BLOCK], from_cell(row[c.FACTORS], width + 1)[:, :width]) for row in read_rows(batches))
        for block, group in groupby(rows, key=itemgetter(0)):
            yield _widened(block, [part for _, part in group], count, shape.rank, scaled)

    return by_block.mapInArrow(widen, schemas.FACTOR_BLOCKS)


def _widened(block: int, parts: list[np.ndarray], count: int, rank: int, scaled: bool) -> pa.RecordBatch:
    if len(parts) != count:
        raise TrainingError(
            "a block is missing among the kept draws",
            where=f"block {block}",
            expected=f"{count} draws",
            found=str(len(parts)),
            hint="delete the folder work/ds=…/scratch/train/chain of this date and run the training again",
        )
    vectors = np.hstack([part[:, :rank] for part in parts])
    bias = np.mean([part[:, rank:] for part in parts], axis=0, dtype=np.float64)
    return one_row(
        block=block,
        n_rows=len(vectors),
        factors=np.hstack([vectors / FLOAT.type(count) if scaled else vectors, bias.astype(FLOAT)]),
    )
