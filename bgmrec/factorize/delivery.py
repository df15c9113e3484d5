"""How the fixed side's factors reach the blocks of the solved side: broadcast where they fit, else routed.

Broadcast: the table travels to every worker once. Routed: every source block sends each block of the solved
side only the rows that it uses, in one shuffle:

    source blocks ⋈ out-links (block → [(dst block, its local rows)]) → messages (dst block, source block, rows)
    messages, gathered by dst block ⋈ rating blocks

Out-links depend on the ratings alone: for many half steps, compute and cache them once. A rating table that is
partitioned by block (`partition_by_block`, then cached) is not moved by either join.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.arrays import FLOAT, INT, from_cell
from bgmrec.errors import TrainingError
from bgmrec.factorize.cells import one_row, read_rows
from bgmrec.factorize.conjugate import Basis
from bgmrec.factorize.factors import collect_table, count_rows
from bgmrec.factorize.layout import RatingBlock
from bgmrec.factorize.shape import ModelShape
from bgmrec.factorize.terms import source_gram

_LINK = "block int, dst_block int, local_rows binary"
_MESSAGE = "dst_block int, src_block int, rows binary"
_MESSAGES = "messages"

# terms.source_gram -> the basis of a half step
BasisOf = Callable[[np.ndarray], Basis]
# (row, block) -> (source rows (n, width), position of each rating's source row)
Resolve = Callable[[dict[str, Any], RatingBlock], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Source:
    """The fixed side on its way: `table` (n, width) where it is broadcast, the factor blocks where it is routed.

    `gram` is terms.source_gram of the whole side, or None where nobody asked for it. With a `basis`, its design rows
    arrive in place of factors.
    """

    factors: DataFrame
    num_blocks: int
    width: int
    table: Broadcast[np.ndarray] | None
    gram: np.ndarray | None = None
    basis: Basis | None = None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self.free()

    def free(self) -> None:
        """Gives back the memory of a broadcast table, and the file that PySpark keeps of it: nobody reads it again.

        Spark would wait until Java collects its garbage: the tables of some rounds fill a driver.
        """
        if self.table is not None:
            self.table.destroy()


def deliver(
    factors: DataFrame,
    num_blocks: int,
    shape: ModelShape,
    *,
    broadcast_bytes: int,
    with_gram: bool = False,
    basis_of: BasisOf | None = None,
    n: int | None = None,
) -> Source:
    """Decides by size and broadcasts what fits. Actions: reads the sizes, and the factors where they fit.

    Args:
        factors: `schemas.FACTOR_BLOCKS`, written or cached.
        broadcast_bytes: the largest table that may go through the driver.
        with_gram: whether implicit mode needs the sum of outer products.
        basis_of: the basis that the Gram matrix asks for, where rows are to arrive as its design rows.
        n: rows of the side; counted where it is not said, which costs a job.
    """
    n = count_rows(factors) if n is None else n
    routed = n * shape.width * FLOAT.itemsize > broadcast_bytes
    table = None if routed else collect_table(factors, n, num_blocks, shape.width)
    gram = None
    if with_gram:
        gram = _routed_gram(factors, shape) if table is None else source_gram(table, shape)
    basis = None if basis_of is None or gram is None else basis_of(gram)
    if table is None:
        return Source(factors, num_blocks, shape.width, None, gram, basis)
    arriving = table if basis is None else basis.design(table)
    sent = factors.sparkSession.sparkContext.broadcast(arriving)
    return Source(factors, num_blocks, shape.width, sent, gram, basis)


def _routed_gram(factors: DataFrame, shape: ModelShape) -> np.ndarray:
    """Σ of the blocks' Gram matrices, one (rank + 2)² sum per task."""
    size = shape.rank + 2

    def partial(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        blocks = (from_cell(row[c.FACTORS], shape.width) for row in read_rows(batches))
        yield one_row(gram=sum((source_gram(block, shape) for block in blocks), np.zeros((size, size))))

    parts = factors.select(c.FACTORS).mapInArrow(partial, "gram binary").collect()
    return sum((np.frombuffer(part["gram"]).reshape(size, size) for part in parts), np.zeros((size, size)))


def partition_by_block(blocks: DataFrame, partitions: int) -> DataFrame:
    """Hash-partitions a table by block: cache the result, and later joins leave it where it is."""
    return blocks.repartition(partitions, c.BLOCK)


def out_links(rating_blocks: DataFrame, src_num_blocks: int) -> DataFrame:
    """For every source block, which of its local rows each block of the solved side uses: (block, links)."""

    def links(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            ids = np.frombuffer(row["src_ids"], INT)
            for src_block, members in _by_source_block(ids, src_num_blocks):
                local = ids[members] // src_num_blocks
                yield one_row(block=src_block, dst_block=row[c.BLOCK], local_rows=local.astype(INT))

    rows = rating_blocks.select(c.BLOCK, "src_ids").mapInArrow(links, _LINK)
    return rows.groupBy(c.BLOCK).agg(f.collect_list(f.struct("dst_block", "local_rows")).alias("links"))


def _by_source_block(ids: np.ndarray, num_blocks: int) -> Iterator[tuple[int, np.ndarray]]:
    """(source block, rising positions of its entities in ids) for every source block that ids use."""
    of_id = ids % num_blocks
    order = np.argsort(of_id, kind="stable")
    used, firsts = np.unique(of_id[order], return_index=True)
    if used.size:  # split would make one empty part of nothing
        yield from zip(used.tolist(), np.split(order, firsts[1:]), strict=True)


def attach(rating_blocks: DataFrame, source: Source, links: DataFrame | None) -> tuple[DataFrame, Resolve]:
    """The rating blocks with what a task needs of the source side, and the function that finds it in a row.

    Args:
        links: of `out_links`; None computes them here, where they are needed.
    """
    if source.table is not None:
        return rating_blocks, _from_table(source.table)
    links = out_links(rating_blocks, source.num_blocks) if links is None else links
    messages = _messages(source, links)
    return rating_blocks.join(messages.hint("shuffle_hash"), c.BLOCK, "left"), _from_messages(source)


def _messages(source: Source, links: DataFrame) -> DataFrame:
    basis, width = source.basis, source.width

    def send(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            rows = from_cell(row[c.FACTORS], width)
            rows = rows if basis is None else basis.design(rows)
            of_block, local = row["links"].field("dst_block"), row["links"].field("local_rows")
            for dst_block, cell in zip(of_block, local, strict=True):
                used = np.frombuffer(cell.as_buffer(), INT)
                if used[-1] >= len(rows):
                    found = f"local row {used[-1]} of source block {row[c.BLOCK]}"
                    raise _unknown_source(dst_block.as_py(), found, f"local rows below {len(rows)}")
                yield one_row(dst_block=dst_block.as_py(), src_block=row[c.BLOCK], rows=rows[used])

    joined = source.factors.select(c.BLOCK, c.FACTORS).join(links.hint("shuffle_hash"), c.BLOCK, "inner")
    sent = joined.mapInArrow(send, _MESSAGE).withColumnRenamed("dst_block", c.BLOCK)
    return sent.groupBy(c.BLOCK).agg(f.collect_list(f.struct("src_block", "rows")).alias(_MESSAGES))


def _from_table(table: Broadcast[np.ndarray]) -> Resolve:
    def resolve(row: dict[str, Any], block: RatingBlock) -> tuple[np.ndarray, np.ndarray]:
        if block.src_ids.size and block.src_ids[-1] >= len(table.value):
            raise _unknown_source(block.block, f"idx {block.src_ids[-1]}", f"idx below {len(table.value)}")
        return table.value, block.src_ids[block.src_pos]

    return resolve


def _from_messages(source: Source) -> Resolve:
    num_blocks, width = source.num_blocks, source.width if source.basis is None else source.basis.design_width

    def resolve(row: dict[str, Any], block: RatingBlock) -> tuple[np.ndarray, np.ndarray]:
        rows = np.empty((block.src_ids.size, width), FLOAT)
        messages, missing = row[_MESSAGES], dict(_by_source_block(block.src_ids, num_blocks))
        if messages is not None:
            for src_block, cell in zip(messages.field("src_block"), messages.field("rows"), strict=True):
                rows[missing.pop(src_block.as_py())] = from_cell(cell.as_buffer(), width)
        if missing:
            raise _unknown_source(
                block.block, f"nothing from source blocks {sorted(missing)[:5]}", "one message from each"
            )
        return rows, block.src_pos

    return resolve


def _unknown_source(block: int, found: str, expected: str) -> TrainingError:
    return TrainingError(
        "a rating block uses source entities that have no factors",
        where=f"block {block}",
        expected=expected,
        found=found,
        cure="build rating blocks and factors from the same index",
    )
