"""Exact top-N of a block of queries against a block of items: sgemm, then a running threshold per query.

Almost all scores of a query are below its n-th best so far. They are read once, tile by tile; only a tile with a
score above the threshold is read again, and its candidates are inserted into a short sorted list. The time is that of
the sgemm and of one vectorised pass over its result while that is in the cache.

A BLAS adds in different orders in different parts of a matrix (which ones depends on the processor), so that items
with equal factors can have unequal scores. Therefore sgemm only selects candidates: every pair that may be above the
threshold, given the rounding error, is scored again, always in the same order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bgmrec.factorize.kernels.kernel_cache import njit

QUERY_ROWS = 512  # scores of 512 x 512 float32 are 1 MiB, about what the second-level cache holds
ITEM_ROWS = 512
_TILE = 64


class Shard(NamedTuple):
    """Candidate items.

    Args:
        idx: int32 (items,), rising.
        factors: float32 (items, width).
        groups: int32 (items,), equal for items that `per_group` counts together.
    """

    idx: np.ndarray
    factors: np.ndarray
    groups: np.ndarray


class Seen(NamedTuple):
    """Items that a query must not get.

    Args:
        offsets: int64 (rows + 1,), where each query's items begin in `idx`.
        idx: int32 (pairs,), item_idx, rising within a query.
    """

    offsets: np.ndarray
    idx: np.ndarray


class TopLists(NamedTuple):
    """One list per query, the best item first.

    Args:
        scores: float32 (rows, n); −inf beyond the end of a list.
        idx: int32 (rows, n), item_idx; −1 beyond the end of a list.
        groups: int32 (rows, n), of the items; −1 beyond the end of a list.
        counts: int32 (rows,), lengths of the lists.
    """

    scores: np.ndarray
    idx: np.ndarray
    groups: np.ndarray
    counts: np.ndarray


def empty_lists(rows: int, n: int) -> TopLists:
    """Empty lists.

    Args:
        rows: number of queries.
        n: length of a list, at most.
    """
    scores = np.full((rows, n), -np.inf, np.float32)
    idx, groups = np.full((rows, n), -1, np.int32), np.full((rows, n), -1, np.int32)
    return TopLists(scores, idx, groups, np.zeros(rows, np.int32))


def top_lists(
    queries: np.ndarray,
    shard: Shard,
    n: int,
    *,
    seen: Seen | None = None,
    per_group: int = 0,
    query_rows: int = QUERY_ROWS,
    item_rows: int = ITEM_ROWS,
) -> TopLists:
    """The n best items of every query by the dot product; of equal scores the lower idx comes first.

    Args:
        queries: float32 (rows, width).
        shard: the candidates.
        n: length of a list; a list is shorter where fewer candidates are left.
        seen: items to leave out, per query; None: none.
        per_group: most items of one group in a list; 0: no limit.
        query_rows: queries per sgemm, at most.
        item_rows: items per sgemm, at most.
    """
    rows, n_items = len(queries), len(shard.idx)
    lists = empty_lists(rows, n)
    begins, hidden = (np.zeros(rows + 1, np.int64), np.empty(0, np.int32)) if seen is None else seen
    begins, ends = begins[:-1].copy(), begins[1:].copy()  # numba would compile a second version for read-only arrays
    queries, factors = np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(shard.factors, np.float32)
    slack = _slack(queries, factors)
    scores = np.empty((query_rows, item_rows), np.float32)
    for row in range(0, rows, query_rows):
        panel = queries[row : row + query_rows]
        for item in range(0, n_items, item_rows):
            items = factors[item : item + item_rows]
            np.matmul(panel, items.T, out=scores[: len(panel), : len(items)])
            span = (row, row + len(panel), item, item + len(items))
            _take(
                scores, span, queries, factors, slack, shard.idx, shard.groups, begins, ends, hidden, per_group, *lists
            )  # fmt: skip
    return lists


def merge_lists(lists: TopLists, more: TopLists, per_group: int = 0) -> TopLists:
    """Merges the lists of two disjoint item blocks; equal to the lists of both blocks searched at once.

    Without a limit per group this is obvious. With at most m items per group: the greedy rule accepts exactly the m
    best of every group, so above an item x it accepts Σ_groups min(m, items of the group above x). That sum over one
    block is never larger than over all blocks. An item that belongs to the merged list is therefore accepted by its
    own block (it is among its group's m best there, too) and has fewer than n accepted items above it there. No block
    drops it, and the greedy rule over the blocks' lists finds it.

    Args:
        lists: lists of one block; not changed.
        more: lists of the same queries of the other block.
        per_group: most items of one group in a list; 0: no limit.
    """
    merged = TopLists(*(part.copy() for part in lists))
    _merge(merged, more, per_group)
    return merged


def shift_scores(lists: TopLists, offsets: np.ndarray) -> TopLists:
    """Adds each query's offset to its scores; scores that rounding made equal are sorted by idx.

    Args:
        lists: the lists; not changed.
        offsets: float (rows,).
    """
    shifted = lists.scores + offsets.astype(np.float32)[:, None]
    idx, groups = lists.idx.copy(), lists.groups.copy()
    _settle_ties(shifted, idx, groups, lists.counts)
    return TopLists(shifted, idx, groups, lists.counts)


def _slack(queries: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """float32 (rows,): twice the largest difference between two sums of a query's products in different orders.

    Each sum is within width · eps/2 · |query| · |item| of the exact one (Higham 2002, Accuracy and Stability, §3.1).
    """
    longest = np.sqrt(
        np.fmax.reduce(np.einsum("ij,ij->i", factors, factors), initial=0.0)
    )  # fmax skips NaN: an item with NaN factors has no score
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    return (2 * queries.shape[1] * np.finfo(np.float32).eps * longest * lengths).astype(np.float32)


@njit()
def _take(
    scores: np.ndarray,
    span: tuple[int, int, int, int],
    queries: np.ndarray,
    factors: np.ndarray,
    slack: np.ndarray,
    item_idx: np.ndarray,
    item_groups: np.ndarray,
    begins: np.ndarray,
    ends: np.ndarray,
    hidden: np.ndarray,
    per_group: int,
    top_scores: np.ndarray,
    top_idx: np.ndarray,
    top_groups: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Inserts one sgemm's scores of queries `row_start..row_end` and items `item_start..item_end` into the lists.

    `begins..ends` of a row are the hidden items that are not passed yet: both hidden items and items rise by idx.
    """
    row_start, row_end, item_start, item_end = span
    width, n = item_end - item_start, top_scores.shape[1]
    for row in range(row_start, row_end):
        line = scores[row - row_start, :width]
        row_scores, row_idx, row_groups, count = top_scores[row], top_idx[row], top_groups[row], counts[row]
        floor = row_scores[n - 1] - slack[row]  # -inf until the list is full
        at, end_at = begins[row], ends[row]
        for start in range(0, width, _TILE):
            end = min(start + _TILE, width)
            if not _any_above(line, start, end, floor):
                continue
            for column in range(start, end):
                if line[column] > floor:
                    item = item_start + column
                    idx = item_idx[item]
                    while at < end_at and hidden[at] < idx:
                        at += 1
                    if at < end_at and hidden[at] == idx:
                        continue
                    score = _dot(queries[row], factors[item])
                    if score > row_scores[n - 1]:
                        group = item_groups[item] if per_group > 0 else -1
                        count = _insert(row_scores, row_idx, row_groups, count, score, idx, group, per_group)
                        floor = row_scores[n - 1] - slack[row]
        counts[row], begins[row] = count, at


@njit()
def _any_above(line: np.ndarray, start: int, end: int, threshold: float) -> bool:
    tile, is_above = line[start:end], False
    for column in range(len(tile)):  # no early exit: compiles to vector compares, 8e9 scores/s and core
        is_above |= tile[column] > threshold
    return is_above


@njit(fastmath={"reassoc", "contract"})
def _dot(query: np.ndarray, item: np.ndarray) -> np.float32:
    total = np.float32(0.0)
    for column in range(len(query)):  # the compiler reorders it into vector sums, in the same way for all pairs
        total += query[column] * item[column]
    return total


@njit()
def _insert(
    scores: np.ndarray,
    idx: np.ndarray,
    groups: np.ndarray,
    count: int,
    score: np.float32,
    item: int,
    group: int,
    per_group: int,
) -> int:
    """Inserts one item into one sorted list, which stays the greedy list of all items so far; returns its length."""
    n = len(scores)
    at = count
    while at > 0 and (scores[at - 1] < score or (scores[at - 1] == score and idx[at - 1] > item)):
        at -= 1
    if at == n:
        return count
    last = min(count, n - 1)  # the position that the shift fills: a new one, or that of the list's last item
    if per_group > 0:
        above, total, worst = 0, 0, -1
        for position in range(count):
            if groups[position] == group:
                total += 1
                above += position < at
                worst = position
        if above >= per_group:
            return count
        if total >= per_group:
            last = worst  # the group is full: its worst item is dropped
        for position in range(last, at, -1):
            groups[position] = groups[position - 1]
        groups[at] = group
    for position in range(last, at, -1):
        scores[position], idx[position] = scores[position - 1], idx[position - 1]
    scores[at], idx[at] = score, item
    return max(count, last + 1)


@njit()
def _merge(lists: TopLists, more: TopLists, per_group: int) -> None:
    for row in range(len(lists.counts)):
        scores, idx, groups, count = lists.scores[row], lists.idx[row], lists.groups[row], lists.counts[row]
        for position in range(more.counts[row]):
            score, item, group = more.scores[row, position], more.idx[row, position], more.groups[row, position]
            count = _insert(scores, idx, groups, count, score, item, group, per_group)
        lists.counts[row] = count


@njit()
def _settle_ties(scores: np.ndarray, idx: np.ndarray, groups: np.ndarray, counts: np.ndarray) -> None:
    for row in range(len(counts)):
        for start in range(1, counts[row]):
            at = start
            while at > 0 and scores[row, at - 1] == scores[row, at] and idx[row, at - 1] > idx[row, at]:
                idx[row, at - 1], idx[row, at] = idx[row, at], idx[row, at - 1]
                groups[row, at - 1], groups[row, at] = groups[row, at], groups[row, at - 1]
                at -= 1
