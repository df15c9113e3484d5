"""Factor blocks: from rows and back, the first ones, and a small table as one array."""

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

CHUNK_BYTES = 2**26  # collected at once

_ROWS = t.StructType([t.StructField(c.IDX, t.IntegerType()), t.StructField(c.FEATURES, t.BinaryType())])


def initial_factors(
    spark: SparkSession, n: int, num_blocks: int, shape: ModelShape, *, seed: int, side: int, scale: float
) -> DataFrame:
    """Factor blocks of n entities before the first half step; see init.initial_rows."""

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
    """Rows (idx, features) of n entities → factor blocks.

    Raises:
        InputError: an entity is missing, there twice or outside 0..n, or widths differ.
    """
    spark = rows.sparkSession
    placed = rows.select((f.col(c.IDX) % num_blocks).cast("int").alias(c.BLOCK), c.IDX, c.FEATURES)
    every = _every_block(spark, num_blocks).select(
        c.BLOCK, f.lit(None).cast("int").alias(c.IDX), f.lit(None).cast("binary").alias(c.FEATURES)
    )
    partitions = min(num_blocks, int(str(spark.conf.get("spark.sql.shuffle.partitions"))))
    grouped = placed.unionByName(every).repartition(partitions, c.BLOCK).sortWithinPartitions(c.BLOCK)

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
    """The batch cut where the block changes."""
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
            "the rows do not fill their factor block",
            where=f"block {block} of {num_blocks}",
            expected=f"each of {n_rows} entities below {n} once, all of one width",
            found=f"{len(idx)} rows, {len(np.unique(idx))} distinct entities, cells of {sorted(sizes)} bytes",
            hint="give one vector per entity of the index, cold ones included",
        )
    table = from_cell(b"".join(cells)).reshape(n_rows, -1) if n_rows else np.zeros((0, 0), FLOAT)
    return one_row(block=block, n_rows=n_rows, factors=table[np.argsort(idx)])


def unpack_factors(blocks: DataFrame, num_blocks: int) -> DataFrame:
    """Factor blocks → rows (idx, features)."""

    def unpack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            n_rows, cells = row[c.N_ROWS], np.frombuffer(row[c.FACTORS], np.uint8)
            idx = (np.arange(n_rows) * num_blocks + row[c.BLOCK]).astype(np.int32)
            sizes = np.full(n_rows, cells.size // max(n_rows, 1))
            yield pa.RecordBatch.from_arrays([pa.array(idx), split_binary(cells, sizes)], _ROWS.names)

    return blocks.select(c.BLOCK, c.N_ROWS, c.FACTORS).mapInArrow(unpack, _ROWS)


def count_rows(blocks: DataFrame) -> int:
    """Entities of a factor table; reads `n_rows` only. An action."""
    return int(blocks.agg(f.sum(c.N_ROWS)).collect()[0][0] or 0)


def collect_factors(blocks: DataFrame, num_blocks: int, width: int, *, max_bytes: int) -> np.ndarray:
    """A small factor table as one array (n, width). An action; the table should be written or cached.

    Raises:
        TrainingError: it is larger than `max_bytes`, or blocks are missing or of another width.
    """
    n = count_rows(blocks)
    if n * width * FLOAT.itemsize > max_bytes:
        raise TrainingError(
            "a factor table is too large for one machine",
            where="collect_factors",
            expected=f"at most {max_bytes} bytes",
            found=f"{n} rows of {width} floats",
            hint="raise factorize.broadcast_bytes, if driver and executors have the memory",
        )
    return collect_table(blocks, n, num_blocks, width)


def collect_table(blocks: DataFrame, n: int, num_blocks: int, width: int) -> np.ndarray:
    """collect_factors of n entities for a caller who has checked the size."""
    cells = collect_cells(blocks.select(c.BLOCK, c.N_ROWS, c.FACTORS), c.BLOCK, num_blocks, n * width * FLOAT.itemsize)
    return table_of(cells, n, num_blocks, width)


def collect_cells(rows: DataFrame, key: str, n_keys: int, total_bytes: int) -> Iterator[dict[Hashable, Any]]:
    """Rows with large binary cells, by name. Actions; by Arrow, which takes half of collect's time.

    Java holds a result several times over on its way to Python: a large one comes in pieces, a job each.

    Args:
        rows: written in the order of `key`, so that a piece reads its own pages alone; else read again for each piece.
        key: an integer column, of which a piece is a range.
        n_keys: its values are 0..n_keys.
        total_bytes: of all cells, about.
    """
    chunks = max(1, math.ceil(total_bytes / CHUNK_BYTES))
    for chunk in range(chunks):
        low, high = (n_keys * bound // chunks for bound in (chunk, chunk + 1))
        part = rows if chunks == 1 else rows.where((f.col(key) >= low) & (f.col(key) < high))
        frame: pd.DataFrame = part.toPandas()
        yield from frame.to_dict("records")


def table_of(rows: Iterable[dict[Hashable, Any]], n: int, num_blocks: int, width: int) -> np.ndarray:
    """Collected factor blocks of n entities as one array (n, width).

    Raises:
        TrainingError: blocks are missing or of another width.
    """
    table, met = np.empty((n, width), FLOAT), []
    for row in rows:
        block, cell = row[c.BLOCK], row[c.FACTORS]
        met.append(block)
        store = table[block::num_blocks] if 0 <= block < num_blocks else table[:0]
        if len(cell) != store.nbytes or len(store) != row[c.N_ROWS]:
            raise _no_table(n, num_blocks, width, f"block {block} with {row[c.N_ROWS]} rows in {len(cell)} bytes")
        store[:] = from_cell(cell, width)
    if sorted(met) != list(range(num_blocks)):
        raise _no_table(n, num_blocks, width, f"{len(met)} blocks, {len(set(met))} distinct")
    return table


def _no_table(n: int, num_blocks: int, width: int, found: str) -> TrainingError:
    return TrainingError(
        "factor blocks do not make a table",
        where="collect_factors",
        expected=f"blocks 0..{num_blocks - 1}, once each, of {n} rows in all and {width} floats per row",
        found=found,
        hint="write the factor table again with this number of blocks and this rank",
    )


def solved_factors(store: Tables, side: str) -> DataFrame:
    """The factor blocks that a half step left for a side, `schemas.FACTORS`."""
    return store.read(f"{side}_half_step")
