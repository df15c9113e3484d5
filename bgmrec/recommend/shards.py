"""Shards of the candidate items: their factors, in one shard where they fit a broadcast, otherwise in several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.errors import QualityGateError
from bgmrec.factorize.blocks.cells import one_row, read_rows
from bgmrec.factorize.blocks.factors import collect_cells
from bgmrec.recommend.kernel import Shard
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT, INT, from_cell

SHARDS = t.StructType(
    [
        t.StructField("shard", t.IntegerType()),
        t.StructField(c.ITEM_IDX, t.BinaryType()),
        t.StructField(c.FACTORS, t.BinaryType()),
        t.StructField("groups", t.BinaryType()),
    ]
)


def item_shards(item_factors: DataFrame, candidates: DataFrame, *, num_blocks: int) -> DataFrame:
    """`SHARDS`: one shard per factor block that has a candidate.

    Args:
        item_factors: `schemas.FACTOR_BLOCKS` of all items.
        candidates: `item_idx` and `group_idx`, of `candidates.eligible_items`.
        num_blocks: blocks of the item side.
    """
    members = (
        candidates.groupBy((f.col(c.ITEM_IDX) % num_blocks).alias(c.BLOCK))
        .agg(f.sort_array(f.collect_list(f.struct(c.ITEM_IDX, "group_idx"))).alias("members"))
        .select(c.BLOCK, f.col(f"members.{c.ITEM_IDX}").alias("ids"), f.col("members.group_idx").alias("groups"))
    )

    def select(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            ids, groups = row["ids"].to_numpy(), row["groups"].to_numpy()
            factors = from_cell(row[c.FACTORS]).reshape(row[c.N_ROWS], -1)
            yield _shard_batch(row[c.BLOCK], Shard(ids, factors[ids // num_blocks], groups))

    return item_factors.join(members, c.BLOCK, "inner").mapInArrow(select, SHARDS)


def shard_bytes(candidates: DataFrame, width: int) -> int:
    """Bytes of the candidates' factors, 4 per number. An action.

    Args:
        candidates: item_idx.
        width: numbers per item.
    """
    return candidates.count() * width * FLOAT.itemsize


def gather_shards(shards: DataFrame, max_bytes: int, total_bytes: int, *, num_blocks: int) -> Shard:
    """All shards as one on the driver, for a broadcast. An action.

    Args:
        shards: of `item_shards`.
        max_bytes: bytes of factors, at most.
        total_bytes: bytes of factors, of `shard_bytes`.
        num_blocks: blocks of the item side.

    Raises:
        QualityGateError: there are more than `max_bytes`, or no candidates.
    """
    if not 0 < total_bytes <= max_bytes:
        raise QualityGateError(
            "the candidate items cannot be broadcast" if total_bytes else "no item may be recommended",
            where="factors of the candidate items (recommend.allow, recommend.deny)",
            expected=f"1 to {max_bytes:,} bytes",
            found=f"{total_bytes:,} bytes",
            hint="raise factorize.broadcast_bytes"
            if total_bytes
            else "check that the files of recommend.allow and recommend.deny hold ids of this catalogue",
        )
    return join_shards([_shard(row) for row in collect_cells(shards, "shard", num_blocks, total_bytes)])


def regroup_shards(shards: DataFrame, max_bytes: int, total_bytes: int) -> DataFrame:
    """The same items in as few shards of about `max_bytes` as needed; `blocked.make_lists` joins each with every block.

    Args:
        shards: of `item_shards`.
        max_bytes: bytes of factors in a shard, about.
        total_bytes: bytes of factors, of `shard_bytes`.
    """
    count = max(1, math.ceil(total_bytes / max_bytes))
    cells = f.struct(c.ITEM_IDX, c.FACTORS, "groups")
    grouped = shards.groupBy((f.col("shard") % count).alias("shard")).agg(f.collect_list(cells).alias("parts"))

    def combine(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            parts = row["parts"].to_pylist()
            yield _shard_batch(row["shard"], join_shards([_shard(part) for part in parts]))

    return grouped.mapInArrow(combine, SHARDS)


def map_shards(shards: DataFrame, change: Callable[[Shard], Shard]) -> DataFrame:
    """Applies a function to every shard.

    Args:
        shards: `SHARDS`.
        change: shard → shard.
    """

    def apply(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row in read_rows(batches):
            yield _shard_batch(row["shard"], change(_shard(row)))

    return shards.mapInArrow(apply, SHARDS)


def join_shards(shards: list[Shard]) -> Shard:
    """Several shards as one, sorted by idx.

    Args:
        shards: disjoint shards.
    """
    idx = np.concatenate([shard.idx for shard in shards])
    order = np.argsort(idx, kind="stable")
    factors = np.concatenate([shard.factors for shard in shards])
    return Shard(idx[order], factors[order], np.concatenate([shard.groups for shard in shards])[order])


def shard_from_cells(idx: bytes, factors: bytes, groups: bytes) -> Shard:
    """A shard from the cells of a row of `SHARDS`.

    Args:
        idx: int32 (items,).
        factors: float32 (items, width).
        groups: int32 (items,).
    """
    ids = from_cell(idx, dtype=INT)
    return Shard(ids, from_cell(factors).reshape(len(ids), -1), from_cell(groups, dtype=INT))


def _shard(row: Any) -> Shard:
    return shard_from_cells(row[c.ITEM_IDX], row[c.FACTORS], row["groups"])


def _shard_batch(number: int, shard: Shard) -> pa.RecordBatch:
    return one_row(shard=number, **{c.ITEM_IDX: shard.idx, c.FACTORS: shard.factors, "groups": shard.groups})
