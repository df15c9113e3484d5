"""Exact top-N of a block of queries against a block of items: sgemm, then a running threshold per query.

Almost all of the n_items scores of a query are below its n-th best so far. They are read once, tile by tile, and
only a tile that holds a score above the threshold is looked at again; a candidate is inserted into a short sorted
list. The time is that of the sgemm and one vectorised pass over its result while it is still in the cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

QUERY_ROWS = 512  # scores of 512 x 512 float32 are 1 MiB, about what the second-level cache holds
ITEM_ROWS = 512
_TILE = 64


class Shard(NamedTuple):
    """Candidate items: `idx` rising int32 (n,), `factors` float32 (n, width), `groups` int32 (n,) for the cap.

    `factors` may end in rows of zeros, so that padding to whole panels is not done again for every block of queries.
    """

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

    Every sgemm has the same shape, the last ones padded with zeros: a BLAS may sum in another order at an edge,
    and then two items of equal factors would not have equal scores.

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
    query_rows = _even(rows, query_rows)
    lists = empty_lists(rows, n)
    hidden = _seen_positions(seen, shard.idx, rows)
    panels, padded = pad_rows(shard.factors, item_rows), pad_rows(queries, query_rows)
    scores = np.empty((query_rows, item_rows), np.float32)
    for row in range(0, rows, query_rows):
        panel = padded[row : row + query_rows]
        for item in range(0, n_items, item_rows):
            np.matmul(panel, panels[item : item + item_rows].T, out=scores)  # (query_rows, item_rows)
            span = (row, min(row + query_rows, rows), item, min(item + item_rows, n_items))
            _take(scores, span, shard.idx, shard.groups, *hidden, per_group, *lists)
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


def _even(rows: int, most: int) -> int:
    """Rows of equal panels, so that little is padded; a multiple of 16, which no vector register cuts."""
    panels = max(1, -(-rows // most))
    return min(most, max(16, -(-rows // panels // 16) * 16))


def pad_rows(rows: np.ndarray, multiple: int = ITEM_ROWS) -> np.ndarray:
    """The float32 rows with rows of zeros behind them, up to a multiple of rows."""
    missing = -len(rows) % multiple
    rows = np.ascontiguousarray(rows, np.float32)
    return rows if not missing else np.concatenate([rows, np.zeros((missing, rows.shape[1]), np.float32)])


def _seen_positions(seen: Seen | None, idx: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each row's positions in the shard begin (it moves on as they are used) and end, and the positions."""
    if seen is None or not len(idx):
        return np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.empty(0, np.int32)
    at = np.searchsorted(idx, seen.idx)
    at[at == len(idx)] = 0
    present = idx[at] == seen.idx
    offsets = np.concatenate([[0], np.cumsum(present)])[seen.offsets]
    return offsets[:-1].copy(), offsets[1:], at[present].astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _take(
    scores: np.ndarray,
    span: tuple[int, int, int, int],
    item_idx: np.ndarray,
    item_groups: np.ndarray,
    begins: np.ndarray,
    ends: np.ndarray,
    seen: np.ndarray,
    per_group: int,
    top_scores: np.ndarray,
    top_idx: np.ndarray,
    top_groups: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Takes one sgemm's scores of queries `row..row_end` and items `item..item_end` into the lists."""
    row_start, row_end, item_start, item_end = span
    width, n = item_end - item_start, top_scores.shape[1]
    for row in range(row_start, row_end):
        line = scores[row - row_start, :width]
        while begins[row] < ends[row] and seen[begins[row]] < item_end:
            line[seen[begins[row]] - item_start] = -np.inf
            begins[row] += 1
        row_scores, row_idx, row_groups, count = top_scores[row], top_idx[row], top_groups[row], counts[row]
        threshold = row_scores[n - 1]  # -inf until the list is full
        for start in range(0, width, _TILE):
            end = min(start + _TILE, width)
            if not _any_above(line, start, end, threshold):
                continue
            for column in range(start, end):
                if line[column] > threshold:
                    item = item_start + column
                    group = item_groups[item] if per_group > 0 else -1
                    score, idx = line[column], item_idx[item]
                    count = _insert(row_scores, row_idx, row_groups, count, score, idx, group, per_group)
                    threshold = row_scores[n - 1]
        counts[row] = count


@numba.njit(cache=True, nogil=True)
def _any_above(line: np.ndarray, start: int, end: int, threshold: float) -> bool:
    tile, found = line[start:end], False
    for column in range(len(tile)):  # no early exit: so this becomes vector compares, 8e9 scores per second and core
        found |= tile[column] > threshold
    return found


@numba.njit(cache=True, nogil=True)
def _insert(
    scores: np.ndarray,
    idx: np.ndarray,
    groups: np.ndarray,
    count: int,
    score: float,
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
        for place in range(count):
            if groups[place] == group:
                total += 1
                above += place < at
                worst = place
        if above >= per_group:
            return count
        if total >= per_group:
            last = worst  # the group's worst makes room, and nobody else
    for place in range(last, at, -1):
        scores[place], idx[place], groups[place] = scores[place - 1], idx[place - 1], groups[place - 1]
    scores[at], idx[at], groups[at] = score, item, group
    return max(count, last + 1)


@numba.njit(cache=True, nogil=True)
def _merge(lists: TopLists, more: TopLists, per_group: int) -> None:
    for row in range(len(lists.counts)):
        scores, idx, groups, count = lists.scores[row], lists.idx[row], lists.groups[row], lists.counts[row]
        for place in range(more.counts[row]):
            score, item, group = more.scores[row, place], more.idx[row, place], more.groups[row, place]
            count = _insert(scores, idx, groups, count, score, item, group, per_group)
        lists.counts[row] = count


@numba.njit(cache=True, nogil=True)
def _settle_ties(scores: np.ndarray, idx: np.ndarray, groups: np.ndarray, counts: np.ndarray) -> None:
    for row in range(len(counts)):
        for start in range(1, counts[row]):
            place = start
            while place > 0 and scores[row, place - 1] == scores[row, place] and idx[row, place - 1] > idx[row, place]:
                idx[row, place - 1], idx[row, place] = idx[row, place], idx[row, place - 1]
                groups[row, place - 1], groups[row, place] = groups[row, place], groups[row, place - 1]
                place -= 1
