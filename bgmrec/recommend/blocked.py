"""Distributed top-N of query blocks: against one broadcast shard of items, or against many shards with merged lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.recommend.kernel import Seen, Shard, TopLists, empty_lists, merge_lists, shift_scores, top_lists
from bgmrec.recommend.shards import shard_from_cells
from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import INT, from_cell


class Queries(NamedTuple):
    """A block of queries.

    Args:
        block: number of the block.
        idx: int32 (rows,), user_idx or item_idx of the queries.
        vectors: float32 (rows, width).
        offsets: float32 (rows,), added to every score of a query.
        seen: items that a query must not get; None: no item is left out.
        kind: int8 (rows,), passed through to `Lists`.
    """

    block: int
    idx: np.ndarray
    vectors: np.ndarray
    offsets: np.ndarray
    seen: Seen | None
    kind: np.ndarray


class Lists(NamedTuple):
    """The finished lists of a block of queries.

    Args:
        idx: int32 (rows,), of `Queries`.
        kind: int8 (rows,), of `Queries`.
        top: the lists.
    """

    idx: np.ndarray
    kind: np.ndarray
    top: TopLists


Decode = Callable[[dict], Queries]
Finish = Callable[[Lists], pa.RecordBatch]

_PARTIAL_LISTS = t.StructType(
    [
        t.StructField(c.BLOCK, t.IntegerType()),
        *(t.StructField(name, t.BinaryType()) for name in ("query_idx", "kind", "offsets")),
        *(t.StructField(name, t.BinaryType()) for name in ("scores", "idx", "groups", "counts")),
    ]
)


@contextmanager
def block_lists(
    blocks: DataFrame,
    items: Shard | DataFrame,
    *,
    n: int,
    per_group: int,
    decode: Decode,
    finish: Finish,
    schema: t.StructType,
) -> Iterator[DataFrame]:
    """The lists of every query block, by exact search over all items.

    Read the result inside the context: the broadcast is destroyed on exit. One row is one block of megabytes, so build
    and run the plan inside `session.arrow_batch(spark, 1)`.

    Args:
        blocks: one row per query block.
        items: one shard, which is broadcast, or a table of shards, each of which is joined with every block.
        n: length of a list.
        per_group: most items of one group in a list; 0: no limit.
        decode: a row of `blocks` → queries.
        finish: finished lists of one block → rows of `schema`.
        schema: schema of the result.
    """
    if not isinstance(items, Shard):
        yield _streamed(blocks, items, n, per_group, decode, finish, schema)
        return
    with broadcast_value(blocks.sparkSession, items) as shared:

        def search(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for row in read_rows(batches):
                queries = decode(row)
                top = top_lists(queries.vectors, shared.value, n, seen=queries.seen, per_group=per_group)
                yield finish(Lists(queries.idx, queries.kind, shift_scores(top, queries.offsets)))

        yield blocks.mapInArrow(search, schema)


def _streamed(
    blocks: DataFrame,
    shards: DataFrame,
    n: int,
    per_group: int,
    decode: Decode,
    finish: Finish,
    schema: t.StructType,
) -> DataFrame:
    def search(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            queries = decode(row)
            shard = shard_from_cells(row["shard_idx"], row["shard_factors"], row["shard_groups"])
            yield _partial(queries, top_lists(queries.vectors, shard, n, seen=queries.seen, per_group=per_group))

    def merge(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            parts = row["parts"].to_pylist()
            first = parts[0]
            idx, kind = from_cell(first["query_idx"], dtype=INT), np.frombuffer(first["kind"], np.int8)
            merged = empty_lists(len(idx), n)
            for part in parts:
                merged = merge_lists(merged, _top(part, n), per_group)
            yield finish(Lists(idx, kind, shift_scores(merged, from_cell(first["offsets"]))))

    named = shards.select(
        f.col(c.ITEM_IDX).alias("shard_idx"),
        f.col(c.FACTORS).alias("shard_factors"),
        f.col("groups").alias("shard_groups"),
    )
    # with the hint Spark reads both sides from disk; a nested loop join would collect one of them on the driver
    partial = blocks.crossJoin(named.hint("shuffle_replicate_nl")).mapInArrow(search, _PARTIAL_LISTS)
    gathered = partial.groupBy(c.BLOCK).agg(f.collect_list(f.struct(*_PARTIAL_LISTS.names[1:])).alias("parts"))
    return gathered.mapInArrow(merge, schema)


def _partial(queries: Queries, top: TopLists) -> pa.RecordBatch:
    of_queries = {"query_idx": queries.idx, "kind": queries.kind, "offsets": queries.offsets.astype(np.float32)}
    return one_row(**{c.BLOCK: queries.block}, **of_queries, **top._asdict())


def _top(part: dict, n: int) -> TopLists:
    idx, groups = (from_cell(part[name], n, INT) for name in ("idx", "groups"))
    return TopLists(from_cell(part["scores"], n), idx, groups, from_cell(part["counts"], dtype=INT))
