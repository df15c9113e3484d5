"""How the fixed side's factors reach the blocks of the solved side: by broadcast where they fit, else by shuffle.

Broadcast: every worker gets the whole table once. Shuffle: every source block sends each block of the solved side only
the rows that the block uses:

    source blocks, each with its requests (solved block, local rows) → messages (solved block, source block, rows)
    rating blocks, each with its messages

Both lines are the same operation: owners and their parts are partitioned by block and sorted by Spark, on disk if
necessary. Java and Python hold the rows of one block at a time, however many blocks a partition has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import TrainingError
from bgmrec.factorize.blocks.cells import OnBatches, one_row, read_rows
from bgmrec.factorize.blocks.factors import collect_table, count_rows
from bgmrec.factorize.kernels.conjugate import Basis
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import source_gram
from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT, INT, from_cell

_OTHER, _CELL = "other_block", "cell"
_PART = f"{c.BLOCK} int, {_OTHER} int, {_CELL} binary"  # belongs to `block` and comes from, or goes to, `other_block`

_OWNER = -1  # `other_block` of an owner, so that it is sorted before its parts

# terms.source_gram -> the basis of a half step
BasisOf = Callable[[np.ndarray], Basis]
# a block's row with the joined cells, the block, source rows (n, width), each rating's position in the source rows
Joined = tuple[dict[str, Any], RatingBlock, np.ndarray, np.ndarray]
ReadJoined = Callable[[Iterable[pa.RecordBatch]], Iterator[Joined]]


@dataclass(frozen=True)
class SourceFactors:
    """The fixed side's factors, as tasks receive them.

    Args:
        factors: `schemas.FACTOR_BLOCKS`.
        num_blocks: blocks of the side.
        width: floats per row.
        table: the broadcast table (n, width); None: the factor blocks are shuffled.
        gram: `terms.source_gram` of the whole side; None where it is not needed.
        basis: if not None, tasks receive its design rows instead of factors.
    """

    factors: DataFrame
    num_blocks: int
    width: int
    table: Broadcast[np.ndarray] | None
    gram: np.ndarray | None = None
    basis: Basis | None = None


@contextmanager
def broadcast_or_shuffle(
    factors: DataFrame,
    num_blocks: int,
    shape: ModelShape,
    *,
    broadcast_bytes: int,
    with_gram: bool = False,
    basis_of: BasisOf | None = None,
    n: int | None = None,
) -> Iterator[SourceFactors]:
    """Broadcasts the fixed side's factors if they fit, else prepares their shuffle; leaving destroys the broadcast.

    Actions: counts the rows, and collects the factors where they fit.

    Args:
        factors: `schemas.FACTOR_BLOCKS`, written or cached.
        num_blocks: blocks of the side.
        shape: shape of the model.
        broadcast_bytes: a larger table is shuffled; it never goes through the driver.
        with_gram: whether to compute `terms.source_gram`, which implicit mode needs.
        basis_of: from the Gram matrix to the basis whose design rows tasks receive; None: tasks receive factors.
        n: rows of the side; None: they are counted, which costs a job.
    """
    n = count_rows(factors) if n is None else n
    shuffled = n * shape.width * FLOAT.itemsize > broadcast_bytes
    table = None if shuffled else collect_table(factors, n, num_blocks, shape.width)
    gram = None
    if with_gram:
        gram = _shuffled_gram(factors, shape) if table is None else source_gram(table, shape)
    basis = None if basis_of is None or gram is None else basis_of(gram)
    if table is None:
        yield SourceFactors(factors, num_blocks, shape.width, None, gram, basis)
        return
    rows = table if basis is None else basis.design(table)
    with broadcast_value(factors.sparkSession, rows) as sent:
        yield SourceFactors(factors, num_blocks, shape.width, sent, gram, basis)


def _shuffled_gram(factors: DataFrame, shape: ModelShape) -> np.ndarray:
    """Σ of the blocks' Gram matrices, one (rank + 2)² sum per task."""
    size = shape.rank + 2

    def partial(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        blocks = (from_cell(row[c.FACTORS], shape.width) for row in read_rows(batches))
        yield one_row(gram=sum((source_gram(block, shape) for block in blocks), np.zeros((size, size))))

    parts = factors.select(c.FACTORS).mapInArrow(partial, "gram binary").collect()
    return sum((np.frombuffer(part["gram"]).reshape(size, size) for part in parts), np.zeros((size, size)))


def join_source(rating_blocks: DataFrame, source: SourceFactors, *cells: DataFrame) -> tuple[DataFrame, ReadJoined]:
    """The rating blocks joined with the source rows that they use, and the function that reads them in a task.

    Args:
        rating_blocks: `schemas.RATING_BLOCKS`, with any further columns.
        source: the fixed side, from `broadcast_or_shuffle`.
        *cells: tables (block, column) to join to the blocks, each with a join hint; null where a block has no row.

    Returns:
        (joined blocks; batches of a task → one `Joined` per block)
    """
    blocks = rating_blocks
    for table in cells:
        blocks = blocks.join(table, c.BLOCK, "left")
    if source.table is not None:
        return blocks, _from_table(source.table)
    return _with_parts(blocks, _messages(source, rating_blocks)), _from_messages(source)


def _with_parts(owners: DataFrame, parts: DataFrame) -> DataFrame:
    """Every owner's row, followed by its parts, in the form that `_read_parts` reads."""
    rows = owners.withColumn(_OTHER, f.lit(_OWNER)).unionByName(parts, allowMissingColumns=True)
    return rows.repartition(c.BLOCK).sortWithinPartitions(c.BLOCK, _OTHER)


def _read_parts(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[dict[str, Any], list[tuple[int, Any]]]]:
    """Owners, each with the (other block, cell) of its parts."""
    owner: dict[str, Any] | None = None
    parts: list[tuple[int, Any]] = []
    for row in read_rows(batches):
        if row[_OTHER] == _OWNER:
            if owner is not None:
                yield owner, parts
            owner, parts = row, []
        elif owner is not None and owner[c.BLOCK] == row[c.BLOCK]:
            parts.append((row[_OTHER], row[_CELL]))
        else:
            raise _unknown_source(row[_OTHER], "no such block", f"factors of source block {row[c.BLOCK]}")
    if owner is not None:
        yield owner, parts


def _messages(source: SourceFactors, rating_blocks: DataFrame) -> DataFrame:
    basis, width = source.basis, source.width

    def send(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for owner, requests in _read_parts(batches):
            rows = from_cell(owner[c.FACTORS], width)
            rows = rows if basis is None else basis.design(rows)
            for dst_block, cell in requests:
                used = np.frombuffer(cell, INT)
                if used[-1] >= len(rows):
                    found = f"local row {used[-1]} of source block {owner[c.BLOCK]}"
                    raise _unknown_source(dst_block, found, f"local rows below {len(rows)}")
                yield one_row(**{c.BLOCK: dst_block, _OTHER: owner[c.BLOCK], _CELL: rows[used]})

    requests = rating_blocks.select(c.BLOCK, "src_ids").mapInArrow(_request_writer(source.num_blocks), _PART)
    return _with_parts(source.factors.select(c.BLOCK, c.FACTORS), requests).mapInArrow(send, _PART)


def _request_writer(src_num_blocks: int) -> OnBatches:
    """For every source block, the local rows that each block of the solved side uses."""

    def request(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            ids = np.frombuffer(row["src_ids"], INT)
            for src_block, members in _by_source_block(ids, src_num_blocks):
                local = (ids[members] // src_num_blocks).astype(INT)
                yield one_row(**{c.BLOCK: src_block, _OTHER: row[c.BLOCK], _CELL: local})

    return request


def _by_source_block(ids: np.ndarray, num_blocks: int) -> Iterator[tuple[int, np.ndarray]]:
    """(source block, ascending positions of its entities in ids) for every source block that occurs in ids."""
    of_id = ids % num_blocks
    order = np.argsort(of_id, kind="stable")
    used, firsts = np.unique(of_id[order], return_index=True)
    if used.size:  # np.split of an empty array returns one empty part
        yield from zip(used.tolist(), np.split(order, firsts[1:]), strict=True)


def _from_table(table: Broadcast[np.ndarray]) -> ReadJoined:
    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[Joined]:
        for row in read_rows(batches):
            block = RatingBlock.from_cells(row)
            if block.src_ids.size and block.src_ids[-1] >= len(table.value):
                raise _unknown_source(block.block, f"idx {block.src_ids[-1]}", f"idx below {len(table.value)}")
            yield row, block, table.value, block.src_ids[block.src_pos]

    return read


def _from_messages(source: SourceFactors) -> ReadJoined:
    num_blocks, width = source.num_blocks, source.width if source.basis is None else source.basis.design_width

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[Joined]:
        for row, messages in _read_parts(batches):
            block = RatingBlock.from_cells(row)
            rows = np.empty((block.src_ids.size, width), FLOAT)
            missing = dict(_by_source_block(block.src_ids, num_blocks))
            for src_block, cell in messages:
                rows[missing.pop(src_block)] = from_cell(cell, width)
            if missing:
                raise _unknown_source(
                    block.block,
                    f"no rows from source blocks {sorted(missing)[:5]}",
                    "rows from every source block used",
                )
            yield row, block, rows, block.src_pos

    return read


def _unknown_source(block: int, found: str, expected: str) -> TrainingError:
    return TrainingError(
        "a rating block refers to entities of the other side that have no factors",
        where=f"rating block {block}",
        expected=expected,
        found=found,
        hint="rating blocks and factors come from different indices: delete the run's scratch and train again",
    )
