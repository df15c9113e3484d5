"""Factor blocks: random ones, from rows and back to rows, and a small table as one array."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.errors import InputError, TrainingError
from bgmrec.factorize.blocks.cells import lighten_worker, one_row, read_rows, split_binary
from bgmrec.factorize.kernels.init import initial_rows
from bgmrec.factorize.kernels.layout import block_idx, rows_in_block
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell
from bgmrec.storage.tables import Tables

CHUNK_BYTES = 2**26  # collected in one job

_ROWS = t.StructType([t.StructField(c.IDX, t.IntegerType()), t.StructField(c.FEATURES, t.BinaryType())])


def initial_factors(
    spark: SparkSession, n: int, num_blocks: int, shape: ModelShape, *, seed: int, side: int, scale: float
) -> DataFrame:
    """`schemas.FACTOR_BLOCKS` of n entities before the first half step: random, see `init.initial_rows`.

    Args:
        spark: the session.
        n: entities.
        num_blocks: their blocks.
        shape: shape of the model.
        seed: seed of the run.
        side: USER_SIDE or ITEM_SIDE.
        scale: standard deviation of a coordinate.
    """

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            idx = block_idx(n, num_blocks, row[c.BLOCK])
            factors = initial_rows(idx, shape, seed=seed, side=side, scale=scale)
            yield one_row(block=row[c.BLOCK], n_rows=len(idx), factors=factors)

    return _every_block(spark, num_blocks).mapInArrow(draw, schemas.FACTOR_BLOCKS)


def _every_block(spark: SparkSession, num_blocks: int) -> DataFrame:
    partitions = min(num_blocks, int(str(spark.conf.get("spark.sql.shuffle.partitions"))))
    return spark.range(0, num_blocks, 1, partitions).select(f.col("id").cast("int").alias(c.BLOCK))


def pack_factors(rows: DataFrame, n: int, num_blocks: int) -> DataFrame:
    """`schemas.FACTOR_BLOCKS` from one row (idx, features) per entity.

    Args:
        rows: (idx, features), in any order.
        n: entities.
        num_blocks: their blocks.

    Raises:
        InputError: when run: an entity is missing, occurs twice or is not in 0..n-1, or widths differ.
    """
    spark = rows.sparkSession
    with_block = rows.select((f.col(c.IDX) % num_blocks).cast("int").alias(c.BLOCK), c.IDX, c.FEATURES)
    every = _every_block(spark, num_blocks).select(
        c.BLOCK, f.lit(None).cast("int").alias(c.IDX), f.lit(None).cast("binary").alias(c.FEATURES)
    )
    partitions = min(num_blocks, int(str(spark.conf.get("spark.sql.shuffle.partitions"))))
    grouped = with_block.unionByName(every).repartition(partitions, c.BLOCK).sortWithinPartitions(c.BLOCK)

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lighten_worker()
        current: int | None = None
        parts: list[pa.RecordBatch] = []
        for batch in batches:
            for block, part in _runs(batch):
                if block != current and current is not None:
                    yield _packed(current, parts, n, num_blocks)
                    parts = []
                current = block
                parts.append(part)
        if current is not None:
            yield _packed(current, parts, n, num_blocks)

    return grouped.mapInArrow(pack, schemas.FACTOR_BLOCKS)


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batch, split where the block changes."""
    blocks = batch.column(0).to_numpy()
    ends = [*(np.flatnonzero(np.diff(blocks)) + 1).tolist(), len(blocks)] if len(blocks) else []
    first = 0
    for end in ends:
        yield int(blocks[first]), batch.slice(first, end - first)
        first = end


def _packed(block: int, parts: list[pa.RecordBatch], n: int, num_blocks: int) -> pa.RecordBatch:
    rows = pa.Table.from_batches(parts).combine_chunks()
    rows = rows.filter(rows.column(c.IDX).is_valid())
    idx, cells = rows.column(c.IDX).to_numpy(), rows.column(c.FEATURES).to_pylist()
    n_rows, sizes = rows_in_block(n, num_blocks, block), {len(cell) for cell in cells}
    if len(idx) != n_rows or not np.array_equal(np.sort(idx), block_idx(n, num_blocks, block)) or len(sizes) > 1:
        raise InputError(
            "a factor block does not have one row per entity",
            where=f"block {block} of {num_blocks}",
            expected=f"each of its {n_rows} entities (idx below {n}) once, all rows of one width",
            found=f"{len(idx)} rows, {len(np.unique(idx))} distinct entities, cells of {sorted(sizes)} bytes",
            hint="the table needs one row for every entity of the index, cold ones included",
        )
    table = from_cell(b"".join(cells)).reshape(n_rows, -1) if n_rows else np.zeros((0, 0), FLOAT)
    return one_row(block=block, n_rows=n_rows, factors=table[np.argsort(idx)])


def unpack_factors(blocks: DataFrame, num_blocks: int) -> DataFrame:
    """One row (idx, features) per entity from `schemas.FACTOR_BLOCKS`.

    Args:
        blocks: `schemas.FACTOR_BLOCKS`.
        num_blocks: their number.
    """

    def unpack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            n_rows, cells = row[c.N_ROWS], np.frombuffer(row[c.FACTORS], np.uint8)
            idx = (np.arange(n_rows) * num_blocks + row[c.BLOCK]).astype(np.int32)
            sizes = np.full(n_rows, cells.size // max(n_rows, 1))
            yield pa.RecordBatch.from_arrays([pa.array(idx), split_binary(cells, sizes)], _ROWS.names)

    return blocks.select(c.BLOCK, c.N_ROWS, c.FACTORS).mapInArrow(unpack, _ROWS)


def count_rows(blocks: DataFrame) -> int:
    """The number of entities of a factor table. An action that reads `n_rows` only."""
    return int(blocks.agg(f.sum(c.N_ROWS)).collect()[0][0] or 0)


def collect_factors(blocks: DataFrame, num_blocks: int, width: int, *, max_bytes: int) -> np.ndarray:
    """A small factor table as one array, float32 (n, width). An action; the table should be written or cached.

    Args:
        blocks: `schemas.FACTOR_BLOCKS`.
        num_blocks: their number.
        width: floats per row.
        max_bytes: the largest table to collect.

    Raises:
        TrainingError: the table is larger than `max_bytes`, or blocks are missing or have another width.
    """
    n = count_rows(blocks)
    if n * width * FLOAT.itemsize > max_bytes:
        raise TrainingError(
            "a factor table is too large to be collected to the driver",
            where="collect_factors",
            expected=f"at most {max_bytes} bytes",
            found=f"{n} rows of {width} floats, {n * width * FLOAT.itemsize} bytes",
            hint="lower factorize.rank, or set user_encoder.prediction_weight = 0 (its encoder reads all item factors)",
        )
    return collect_table(blocks, n, num_blocks, width)


def collect_table(blocks: DataFrame, n: int, num_blocks: int, width: int) -> np.ndarray:
    """`collect_factors` of n entities, for callers that have checked the size. An action.

    Args:
        blocks: `schemas.FACTOR_BLOCKS`.
        n: entities.
        num_blocks: their blocks.
        width: floats per row.
    """
    cells = collect_cells(blocks.select(c.BLOCK, c.N_ROWS, c.FACTORS), c.BLOCK, num_blocks, n * width * FLOAT.itemsize)
    return table_of(cells, n, num_blocks, width)


def collect_cells(rows: DataFrame, key: str, n_keys: int, total_bytes: int) -> Iterator[dict[Hashable, Any]]:
    """Collects rows with large binary cells as dicts, by Arrow, which takes half of the time of collect(). Actions.

    Java holds several copies of a result on its way to Python: a large result is collected in several jobs.

    Args:
        rows: a table written in the order of `key`, so that each job reads only its own pages.
        key: an integer column; each job collects a range of it.
        n_keys: values of `key` are 0..n_keys-1.
        total_bytes: approximate size of all cells.
    """
    chunks = max(1, math.ceil(total_bytes / CHUNK_BYTES))
    for chunk in range(chunks):
        low, high = (n_keys * bound // chunks for bound in (chunk, chunk + 1))
        part = rows if chunks == 1 else rows.where((f.col(key) >= low) & (f.col(key) < high))
        frame: pd.DataFrame = part.toPandas()
        yield from frame.to_dict("records")


def table_of(rows: Iterable[dict[Hashable, Any]], n: int, num_blocks: int, width: int) -> np.ndarray:
    """Collected factor blocks of n entities as one array, float32 (n, width).

    Args:
        rows: rows of `schemas.FACTOR_BLOCKS` as dicts.
        n: entities.
        num_blocks: their blocks.
        width: floats per row.

    Raises:
        TrainingError: blocks are missing or have another width.
    """
    table, block_numbers = np.empty((n, width), FLOAT), []
    for row in rows:
        block, cell = row[c.BLOCK], row[c.FACTORS]
        block_numbers.append(block)
        target = table[block::num_blocks] if 0 <= block < num_blocks else table[:0]
        if len(cell) != target.nbytes or len(target) != row[c.N_ROWS]:
            raise _no_table(n, num_blocks, width, f"block {block} with {row[c.N_ROWS]} rows in {len(cell)} bytes")
        target[:] = from_cell(cell, width)
    if sorted(block_numbers) != list(range(num_blocks)):
        raise _no_table(n, num_blocks, width, f"{len(block_numbers)} blocks, {len(set(block_numbers))} distinct")
    return table


def _no_table(n: int, num_blocks: int, width: int, found: str) -> TrainingError:
    return TrainingError(
        "factor blocks do not form one table",
        where="collect_factors",
        expected=f"blocks 0..{num_blocks - 1}, once each, with {n} rows in all and {width} floats per row",
        found=found,
        hint="the table comes from another number of blocks or another rank: delete the run's scratch and train again",
    )


def solved_factors(store: Tables, side: str) -> DataFrame:
    """The factors of a side as a half step wrote them: `schemas.HALF_STEP`, which holds factor blocks.

    Args:
        store: folder of a round.
        side: user or item.
    """
    return store.read(f"{side}_half_step")
