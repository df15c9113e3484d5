"""From rating rows to rating blocks, distributed.

Each task packs its rows by block into a few binary cells, so that the shuffle moves few large rows instead of one per
rating. After the shuffle the ratings of a block are sorted by (dst, src), which makes a block independent of the
partitioning. A task holds the packed rows of its partition in memory: use enough partitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.model import FactorizeSettings
from bgmrec.errors import InputError
from bgmrec.factorize.blocks.cells import OnBatches, one_row, read_rows, split_binary
from bgmrec.factorize.blocks.packing import PACKED, PACKED_SCHEMA, packer
from bgmrec.factorize.kernels.layout import LONG, RatingBlock, block_idx, build_block
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, INT, MAX_CELL_BYTES

_TRIPLE = np.dtype([("dst", INT), ("src", INT), ("rating", FLOAT), ("weight", FLOAT)])
_UNPACKED = t.StructType(
    [
        *(t.StructField(name, t.IntegerType()) for name in (c.IDX, "n")),
        *(t.StructField(name, t.BinaryType()) for name in (c.RATED_IDX, c.RATED_VALUES)),
    ]
)


def num_blocks(n_rows: int, n_ratings: int, settings: FactorizeSettings) -> int:
    """The number of blocks of a side: about `block_rows` entities and `block_ratings` ratings per block at most.

    Args:
        n_rows: entities of the side.
        n_ratings: ratings in all.
        settings: `[factorize]`.
    """
    return max(1, -(-n_rows // settings.block_rows), -(-n_ratings // settings.block_ratings))


def rating_blocks(
    ratings: DataFrame, dst: str, src: str, num_blocks: int, n_dst: int, *, partitions: int | None = None
) -> DataFrame:
    """`schemas.RATING_BLOCKS` of one side: every block, also blocks without ratings.

    Args:
        ratings: has the columns `rating`, `weight` and the two index columns; pairs are unique.
        dst: name of the solved side's index column.
        src: name of the fixed side's index column.
        num_blocks: blocks of the solved side.
        n_dst: entities of the solved side.
        partitions: of the result, which is hash-partitioned by block; None: Spark's shuffle partitions.

    Raises:
        InputError: when run: an index is null or not in 0..n-1, a rating or weight is null, or a block exceeds a cell.
    """
    spark = ratings.sparkSession
    partitions = partitions or int(str(spark.conf.get("spark.sql.shuffle.partitions")))
    triples = ratings.select(
        f.col(dst).cast("int").alias("dst"),
        f.col(src).cast("int").alias("src"),
        f.col(c.RATING).cast("float").alias("rating"),
        f.col(c.WEIGHT).cast("float").alias("weight"),
    )
    packed = triples.mapInArrow(packer(lambda batch: _triples(batch, n_dst), "dst", num_blocks), PACKED_SCHEMA)
    every = spark.range(0, num_blocks, 1, min(partitions, num_blocks)).select(
        f.col("id").cast("int").alias(c.BLOCK), f.lit(b"").alias(PACKED)
    )
    rows = packed.unionByName(every).repartition(min(partitions, num_blocks), c.BLOCK).sortWithinPartitions(c.BLOCK)
    return rows.mapInArrow(_builder(num_blocks, n_dst), schemas.RATING_BLOCKS)


def _triples(batch: pa.RecordBatch, n_dst: int) -> np.ndarray:
    rows = np.empty(batch.num_rows, _TRIPLE)
    for name in _TRIPLE.names or ():
        column = batch.column(batch.schema.get_field_index(name))
        if column.null_count:
            raise _bad_rating(f"{column.null_count} nulls in the column {name}", "no nulls")
        rows[name] = column.to_numpy()
    if len(rows) and (rows["dst"].min() < 0 or rows["dst"].max() >= n_dst or rows["src"].min() < 0):
        found = f"dst indices {rows['dst'].min()}..{rows['dst'].max()}, smallest src index {rows['src'].min()}"
        raise _bad_rating(found, f"dst indices 0..{n_dst - 1}, src indices from 0")
    return rows


def _bad_rating(found: str, expected: str) -> InputError:
    hint = "ratings and index come from different runs: run build_features again"
    return InputError(
        "ratings cannot be put into blocks", where="ratings_split", expected=expected, found=found, hint=hint
    )


def _builder(num_blocks: int, n_dst: int) -> OnBatches:
    def finish(block: int, parts: list[np.ndarray]) -> pa.RecordBatch:
        rows = np.concatenate(parts)
        if len(rows) * LONG.itemsize > MAX_CELL_BYTES:
            raise InputError(
                "a rating block is too large for one cell",
                where=f"block {block} of {num_blocks}",
                expected=f"at most {MAX_CELL_BYTES // LONG.itemsize} ratings",
                found=f"{len(rows)} ratings",
                hint="lower factorize.block_ratings; if one user or item has that many ratings, sample its ratings",
            )
        columns = (np.ascontiguousarray(rows[name]) for name in _TRIPLE.names or ())
        return one_row(**build_block(block, num_blocks, n_dst, *columns).cells())

    def build(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        current: int | None = None
        parts: list[np.ndarray] = []
        for row in read_rows(batches):
            if row[c.BLOCK] != current and current is not None:
                yield finish(current, parts)
                parts = []
            current = row[c.BLOCK]
            parts.append(np.frombuffer(row[PACKED], _TRIPLE))
        if current is not None:
            yield finish(current, parts)

    return build


def unpack_ratings(blocks: DataFrame, num_blocks: int) -> DataFrame:
    """One row per entity of the solved side, with its ratings sorted by source index.

    Run the plan inside `session.arrow_batch`.

    Args:
        blocks: `schemas.RATING_BLOCKS`.
        num_blocks: their number.

    Returns:
        (idx, n, rated_idx: int32 (n,), rated_values: float32 (n,))
    """

    def unpack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            block = RatingBlock.from_cells(row)
            idx, n = block_idx(block.n_rows * num_blocks, num_blocks, block.block), np.diff(block.row_offsets)
            cells = (block.src_ids[block.src_pos], block.ratings)
            columns = [pa.array(column.astype(np.int32)) for column in (idx, n)]
            columns += [split_binary(cell.view(np.uint8), n * cell.itemsize) for cell in cells]
            yield pa.RecordBatch.from_arrays(columns, _UNPACKED.names)

    return blocks.mapInArrow(unpack, _UNPACKED)
