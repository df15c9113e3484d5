"""Exact top-N of a block of queries against a block of items: sgemm, then a running threshold per query.

Almost all of the n_items scores of a query are below its n-th best so far. They are read once, tile by tile, and
only a tile that holds a score above the threshold is looked at again; a candidate is inserted into a short sorted
list. The time is that of the sgemm and one vectorised pass over its result while it is still in the cache.

A BLAS sums in another order at some places of a matrix (which ones depends on the processor), so that items of equal
factors do not have equal scores in it. It only finds candidates, therefore: whatever may be above the threshold, given
the error of its sums, is scored again, every pair in the same order.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

QUERY_ROWS = 512  # scores of 512 x 512 float32 are 1 MiB, about what the second-level cache holds
ITEM_ROWS = 512
_TILE = 64


class Shard(NamedTuple):
    """Candidate items: `idx` rising int32 (n,), `factors` float32 (n, width), `groups` int32 (n,) for the cap."""

    idx: np.ndarray
    factors: np.ndarray
    groups: np.ndarray


class Seen(NamedTuple):
    """Items that a query may not get, as rows of item idx: `offsets` int64 (rows + 1,), `idx` rising in a row."""

    offsets: np.ndarray
    idx: np.ndarray


class TopLists(NamedTuple):
    """Lists of one query each: `scores`, `idx` and `groups` (rows, n), the best first; `counts` (rows,) are filled."""

    scores: np.ndarray
    idx: np.ndarray
    groups: np.ndarray
    counts: np.ndarray


def empty_lists(rows: int, n: int) -> TopLists:
    """Lists without an item."""
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
    """The n best items of every query by the dot product; equal scores by lower idx.

    Args:
        queries: float32 (rows, width).
        shard: the candidates.
        n: length of a list; a list is shorter where fewer candidates are left.
        seen: items to leave out, per query.
        per_group: at most this many items of one group in a list; 0 for no cap.
        query_rows: queries per sgemm at most.
        item_rows: items per sgemm.
    """
    rows, n_items = len(queries), len(shard.idx)
    lists = empty_lists(rows, n)
    begins, hidden = (np.zeros(rows + 1, np.int64), np.empty(0, np.int32)) if seen is None else seen
    begins, ends = begins[:-1].copy(), begins[1:].copy()  # both: a read-only array would be compiled for anew
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
    """The lists of two disjoint item blocks together, equal to the lists of both blocks at once.

    Without a cap that is plain. With at most m per group: greedy accepts exactly the m best of every group, so above
    an item x it accepts Σ_groups min(m, items of the group above x). The sum over one block is never larger than
    that over all blocks. Thus an item that the whole accepts among its n best is accepted by its own block (it is
    among its group's m best there, too) and has fewer than n accepted above it there: no block cuts it off, and
    greedy over the blocks' lists finds it.
    """
    merged = TopLists(*(part.copy() for part in lists))
    _merge(merged, more, per_group)
    return merged


def shift_scores(lists: TopLists, offsets: np.ndarray) -> TopLists:
    """Adds each query's own offset; scores that rounding made equal are put in order of idx."""
    shifted = lists.scores + offsets.astype(np.float32)[:, None]
    idx, groups = lists.idx.copy(), lists.groups.copy()
    _settle_ties(shifted, idx, groups, lists.counts)
    return TopLists(shifted, idx, groups, lists.counts)


def _slack(queries: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """float32 (rows,): by how much two sums of a query's products, in whatever order, differ at most, twice over.

    Each is within width · eps/2 · |query| · |item| of the exact one (Higham 2002, Accuracy and Stability, §3.1).
    """
    longest = np.sqrt(
        np.fmax.reduce(np.einsum("ij,ij->i", factors, factors), initial=0.0)
    )  # an item of NaN has no score
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    return (2 * queries.shape[1] * np.finfo(np.float32).eps * longest * lengths).astype(np.float32)


@numba.njit(cache=True, nogil=True)
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
    """Takes one sgemm's scores of queries `row..row_end` and items `item..item_end` into the lists.

    `begins..ends` of a row are the hidden items that it has not passed yet: both they and the items rise by idx.
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


@numba.njit(cache=True, nogil=True)
def _any_above(line: np.ndarray, start: int, end: int, threshold: float) -> bool:
    tile, found = line[start:end], False
    for column in range(len(tile)):  # no early exit: so this becomes vector compares, 8e9 scores per second and core
        found |= tile[column] > threshold
    return found


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _dot(query: np.ndarray, item: np.ndarray) -> np.float32:
    total = np.float32(0.0)
    for column in range(len(query)):  # reordered into vector sums when it is compiled: in one way for all pairs
        total += query[column] * item[column]
    return total


@numba.njit(cache=True, nogil=True)
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
    """Inserts one item into one sorted list, which stays what greedy makes of all items so far; returns its count."""
    n = len(scores)
    at = count
    while at > 0 and (scores[at - 1] < score or (scores[at - 1] == score and idx[at - 1] > item)):
        at -= 1
    if at == n:
        return count
    last = min(count, n - 1)  # the place that the shift fills: a new one, or that of the list's last item
    if per_group > 0:
        above, total, worst = 0, 0, -1
        for folder in range(count):
            if groups[folder] == group:
                total += 1
                above += folder < at
                worst = folder
        if above >= per_group:
            return count
        if total >= per_group:
            last = worst  # the group's worst makes room, and nobody else
        for folder in range(last, at, -1):
            groups[folder] = groups[folder - 1]
        groups[at] = group
    for folder in range(last, at, -1):
        scores[folder], idx[folder] = scores[folder - 1], idx[folder - 1]
    scores[at], idx[at] = score, item
    return max(count, last + 1)


@numba.njit(cache=True, nogil=True)
def _merge(lists: TopLists, more: TopLists, per_group: int) -> None:
    for row in range(len(lists.counts)):
        scores, idx, groups, count = lists.scores[row], lists.idx[row], lists.groups[row], lists.counts[row]
        for folder in range(more.counts[row]):
            score, item, group = more.scores[row, folder], more.idx[row, folder], more.groups[row, folder]
            count = _insert(scores, idx, groups, count, score, item, group, per_group)
        lists.counts[row] = count


@numba.njit(cache=True, nogil=True)
def _settle_ties(scores: np.ndarray, idx: np.ndarray, groups: np.ndarray, counts: np.ndarray) -> None:
    for row in range(len(counts)):
        for start in range(1, counts[row]):
            folder = start
            while (
                folder > 0
                and scores[row, folder - 1] == scores[row, folder]
                and idx[row, folder - 1] > idx[row, folder]
            ):
                idx[row, folder - 1], idx[row, folder] = idx[row, folder], idx[row, folder - 1]
                groups[row, folder - 1], groups[row, folder] = groups[row, folder], groups[row, folder - 1]
                folder -= 1
