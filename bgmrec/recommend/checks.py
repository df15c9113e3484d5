"""Checks of finished top-N lists, independent of the code that makes them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.packing import PACKED, PACKED_SCHEMA, packer
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT, INT, from_cell

_RULES = {
    "long": "lists longer than n",
    "gaps": "positions that are not 1, 2, 3, …",
    "order": "items after a lower score, or after a higher idx with the same score",
    "repeated": "items that occur twice in a list",
    "seen": "items that the user has already seen",
}
_LIST_ROW = np.dtype([(c.USER_IDX, INT), (c.POSITION, INT), (c.ITEM_IDX, INT), (c.SCORE, FLOAT)])
_SCHEMA = ", ".join(f"{name} long" for name in _RULES)


def pack_lists(lists: DataFrame, num_blocks: int) -> DataFrame:
    """The lists by user block, `packing.PACKED_SCHEMA`; write them before `list_violations` reads them.

    Args:
        lists: `schemas.TOP_N`.
        num_blocks: blocks of the user side.
    """
    return lists.select(*(_LIST_ROW.names or ())).mapInArrow(packer(_records, c.USER_IDX, num_blocks), PACKED_SCHEMA)


def _records(batch: pa.RecordBatch) -> np.ndarray:
    rows = np.empty(batch.num_rows, _LIST_ROW)
    for name in _LIST_ROW.names or ():
        rows[name] = batch.column(batch.schema.get_field_index(name)).to_numpy()
    return rows


def list_violations(packed: DataFrame, rating_blocks: DataFrame | None, *, num_blocks: int, n: int) -> DataFrame:
    """Per user block, how often each rule of a list is broken: length, positions, order, repeated and seen items.

    Run the plan inside `session.arrow_batch`.

    Args:
        packed: from `pack_lists`.
        rating_blocks: `schemas.RATING_BLOCKS` of seen items; None: seen items are allowed.
        num_blocks: blocks of the user side.
        n: length of a list, at most.
    """

    def check(block: pd.DataFrame) -> pd.DataFrame:
        return count_violations(_unpacked(block), None, num_blocks, n)

    def check_seen(block: pd.DataFrame, rated: pd.DataFrame) -> pd.DataFrame:
        return count_violations(_unpacked(block), rated, num_blocks, n)

    by_block = packed.groupBy(c.BLOCK)
    if rating_blocks is None:
        return by_block.applyInPandas(check, _SCHEMA)
    seen = rating_blocks.select(c.BLOCK, "row_offsets", "src_ids", "src_pos").groupBy(c.BLOCK)
    return by_block.cogroup(seen).applyInPandas(check_seen, _SCHEMA)


def _unpacked(packed: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.frombuffer(b"".join(packed[PACKED]), _LIST_ROW))


def list_faults(violations: DataFrame) -> dict[str, int]:
    """How often each rule is broken over all blocks, by the rule's text. An action.

    Args:
        violations: from `list_violations`.
    """
    sums = [f.coalesce(f.sum(name), f.lit(0)).alias(name) for name in _RULES]
    totals = violations.agg(*sums).collect()[0]
    return {text: int(totals[name]) for name, text in _RULES.items()}


def count_violations(block: pd.DataFrame, rated: pd.DataFrame | None, num_blocks: int, n: int) -> pd.DataFrame:
    """One row of counts for one block's lists: how often each rule is broken.

    Args:
        block: user_idx, position, item_idx, score.
        rated: the block's row of row_offsets, src_ids, src_pos; empty or None: no item is seen.
        num_blocks: blocks of the user side.
        n: length of a list, at most.
    """
    block = block.sort_values([c.USER_IDX, c.POSITION], kind="stable")
    user, item, position = (block[name].to_numpy(np.int64) for name in (c.USER_IDX, c.ITEM_IDX, c.POSITION))
    score = block[c.SCORE].to_numpy(np.float32)
    first = np.r_[True, user[1:] != user[:-1]][: len(user)]
    expected = np.arange(len(user)) - np.maximum.accumulate(np.where(first, np.arange(len(user)), 0))
    falls = (score[1:] < score[:-1]) | ((score[1:] == score[:-1]) & (item[1:] > item[:-1]))
    pairs = _pairs(user // num_blocks, item)
    counts = {
        "long": (expected == n).sum(),
        "gaps": (position != expected + 1).sum(),
        "order": (~first[1:] & ~falls).sum(),
        "repeated": len(pairs) - len(np.unique(pairs)),
        "seen": 0 if rated is None else np.isin(pairs, _rated_pairs(rated)).sum(),
    }
    return pd.DataFrame({name: [int(count)] for name, count in counts.items()})


def _pairs(local_user: np.ndarray, item: np.ndarray) -> np.ndarray:
    return (local_user << 32) | item


def _rated_pairs(rated: pd.DataFrame) -> np.ndarray:
    if rated.empty:
        return np.empty(0, np.int64)
    offsets = from_cell(rated["row_offsets"].iloc[0], dtype=np.dtype("<i8"))
    src_ids, src_pos = (from_cell(rated[name].iloc[0], dtype=INT) for name in ("src_ids", "src_pos"))
    return _pairs(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), src_ids[src_pos].astype(np.int64))
