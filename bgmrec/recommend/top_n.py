"""The top-N lists of all users: warm users by their factors, cold ones by their prior mean, others by popularity."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.blocked import Decode, Finish, Lists, Queries, block_lists
from bgmrec.recommend.kernel import Seen, Shard
from bgmrec.recommend.popularity import PopularItems
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import INT, from_cell

_SOURCES = np.array([c.WARM, c.COLD, c.POPULAR], dtype=object)
_WARM, _COLD, _POPULAR = 0, 1, 2
_MEMBERS = "members"
_WITH_SIDE_INFORMATION, _QUERY = "with_side_information", "query_users"


class ListRules(NamedTuple):
    """Rules of a list.

    Args:
        n: length of a list.
        filter_seen: leave out the user's seen items.
        per_group: most items of one group in a list; 0: no limit.
    """

    n: int
    filter_seen: bool = True
    per_group: int = 0


def members_by_block(users: DataFrame, num_blocks: int) -> DataFrame:
    """`block` and `members`, an array of user_idx; blocks without any of the users are absent.

    Write the result before `user_blocks` reads it: that plan runs inside `session.arrow_batch(spark, 1)`, where a table
    with a row per user takes ten times as long to read.

    Args:
        users: `user_idx`.
        num_blocks: blocks of the user side.
    """
    block = (f.col(c.USER_IDX) % num_blocks).alias(c.BLOCK)
    return users.groupBy(block).agg(f.collect_list(c.USER_IDX).alias(_MEMBERS))


def user_blocks(
    user_factors: DataFrame,
    rating_blocks: DataFrame,
    with_side_information: DataFrame | None,
    query_users: DataFrame | None = None,
    *,
    partitions: int,
) -> DataFrame:
    """One row per user block: factors, seen items, users with side information, and users who get a list.

    Args:
        user_factors: `schemas.FACTOR_BLOCKS` of all users.
        rating_blocks: seen items, `schemas.RATING_BLOCKS` of the user side with the same blocks.
        with_side_information: from `members_by_block`, users with side information; None: no user has any.
        query_users: from `members_by_block`, the users who get a list; None: all.
        partitions: number of tasks; equal partitions on both sides save the join a second shuffle.
    """
    rated = rating_blocks.select(c.BLOCK, "row_offsets", "src_ids", "src_pos").repartition(partitions, c.BLOCK)
    blocks = user_factors.repartition(partitions, c.BLOCK).join(rated, c.BLOCK, "left")
    for users, name in ((with_side_information, _WITH_SIDE_INFORMATION), (query_users, _QUERY)):
        if users is None:
            blocks = blocks.withColumn(name, f.lit(None).cast("array<int>"))
            continue
        # a block without query users is dropped; one without side information still gets lists
        blocks = blocks.join(users.withColumnRenamed(_MEMBERS, name), c.BLOCK, "inner" if name == _QUERY else "left")
    return blocks


def top_n(
    blocks: DataFrame,
    items: Shard | DataFrame,
    *,
    shape: ModelShape,
    num_blocks: int,
    rules: ListRules,
    popular: PopularItems,
) -> AbstractContextManager[DataFrame]:
    """The best n items of every user: `schemas.TOP_N`. Read the result inside the context.

    score = mean + u·v + a + b, or the popularity where `source` is popular. Of equal scores the lower item_idx comes
    first. Run the plan inside `session.arrow_batch(spark, 1)`.

    Args:
        blocks: from `user_blocks`.
        items: the candidates: one shard of `shards.gather_shards`, or a table of `shards.regroup_shards`.
        shape: rank, bias and mean of the model.
        num_blocks: blocks of the user side.
        rules: rules of a list.
        popular: the list of users without ratings and without side information.
    """
    return block_lists(
        blocks,
        items,
        n=rules.n,
        per_group=rules.per_group,
        decode=_decoder(shape, num_blocks, rules.filter_seen),
        finish=_finisher(popular),
        schema=schemas.TOP_N,
    )


def _decoder(shape: ModelShape, num_blocks: int, filter_seen: bool) -> Decode:
    def decode(row: dict) -> Queries:
        rows = row[c.N_ROWS]
        factors = from_cell(row[c.FACTORS], shape.width)
        idx = (np.arange(rows) * num_blocks + row[c.BLOCK]).astype(np.int32)
        rated = _rated(row, rows)
        vectors, offsets = factors, np.full(rows, shape.mean, np.float32)
        if shape.bias:  # [u, a] -> [u, 1], which meets [v, b]
            vectors, offsets = factors.copy(), offsets + factors[:, -1]
            vectors[:, -1] = 1.0
        kind = _kinds(np.diff(rated.offsets) > 0, _members(idx, row[_WITH_SIDE_INFORMATION]))
        queries = Queries(row[c.BLOCK], idx, vectors, offsets, rated if filter_seen else None, kind)
        return queries if row[_QUERY] is None else _selected(queries, np.flatnonzero(_members(idx, row[_QUERY])))

    return decode


def _selected(queries: Queries, rows: np.ndarray) -> Queries:
    """Some of a block's queries."""
    seen = None if queries.seen is None else _selected_rows(queries.seen, rows)
    idx, vectors, offsets = (part[rows] for part in (queries.idx, queries.vectors, queries.offsets))
    return Queries(queries.block, idx, vectors, offsets, seen, queries.kind[rows])


def _selected_rows(seen: Seen, rows: np.ndarray) -> Seen:
    lengths = np.diff(seen.offsets)[rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Seen(offsets, seen.idx[np.repeat(seen.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])])


def _members(idx: np.ndarray, with_side_information: pa.Array | None) -> np.ndarray:
    return np.zeros(len(idx), bool) if with_side_information is None else np.isin(idx, with_side_information.to_numpy())


def _rated(row: dict, rows: int) -> Seen:
    if row["row_offsets"] is None:
        return Seen(np.zeros(rows + 1, np.int64), np.empty(0, np.int32))
    offsets = from_cell(row["row_offsets"], dtype=np.dtype("<i8"))
    return Seen(offsets, from_cell(row["src_ids"], dtype=INT)[from_cell(row["src_pos"], dtype=INT)])


def _kinds(rated: np.ndarray, with_side_information: np.ndarray) -> np.ndarray:
    return np.where(rated, _WARM, np.where(with_side_information, _COLD, _POPULAR)).astype(np.int8)


def _finisher(popular: PopularItems) -> Finish:
    def finish(lists: Lists) -> pa.RecordBatch:
        scores, idx, counts = lists.top.scores.copy(), lists.top.idx.copy(), lists.top.counts.copy()
        is_popular, length = lists.kind == _POPULAR, len(popular.idx)
        scores[is_popular, :length], idx[is_popular, :length], counts[is_popular] = popular.scores, popular.idx, length
        filled = np.arange(scores.shape[1]) < counts[:, None]
        user, column = np.nonzero(filled)
        arrays = [
            pa.array(lists.idx[user], pa.int32()),
            pa.array(column + 1, pa.int32()),
            pa.array(idx[filled], pa.int32()),
            pa.array(scores[filled], pa.float32()),
            pa.array(_SOURCES[lists.kind[user]], pa.string()),
        ]
        return pa.RecordBatch.from_arrays(arrays, schemas.TOP_N.names)

    return finish
