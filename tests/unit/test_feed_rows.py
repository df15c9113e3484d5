"""Decoded rows: gathering lists, padding, and slices of a stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmrec.feed.rows import Ragged, Rows, concatenate, cut, decode
from bgmrec.storage.arrays import INT, to_cell

LISTS = [[4, 5], [], [6], [7, 8, 9]]


def _rows(begin: int, end: int) -> Rows:
    index = range(begin, end)
    cells = {
        "idx": np.array(index),
        "features": np.array([to_cell(np.array([i, -i])) for i in index] + [b""], object)[:-1],
        "tokens": np.array([to_cell(np.full(i % 4, i), INT) for i in index] + [b""], object)[:-1],
    }
    return decode(cells)


def test_decode_reads_what_was_packed():
    rows = _rows(2, 5)
    assert rows.dense["features"].tolist() == [[2, -2], [3, -3], [4, -4]]
    assert rows.ragged["tokens"].values.tolist() == [2, 2, 3, 3, 3] and len(rows) == 3
    assert rows.ragged["tokens"].lengths().tolist() == [2, 3, 0]


def test_cells_of_unlike_width_are_refused():
    with pytest.raises(ValueError, match=r"features.*\[4, 8\]"):
        decode({"idx": np.arange(2), "features": np.array([b"1234", b"12345678"], object)})


def test_features_without_width_keep_their_rows():
    assert decode({"idx": np.arange(2), "features": np.array([b"", b""], object)}).dense["features"].shape == (2, 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3), max_size=8))
def test_take_gathers_lists_in_any_order(index: list[int]):
    values = np.array([v for items in LISTS for v in items], INT)
    taken = Ragged(values, np.array([0, 2, 2, 3, 6])).take(np.array(index, int))
    assert [part.tolist() for part in np.split(taken.values, taken.offsets[1:-1])][: len(index)] == [
        LISTS[i] for i in index
    ]
    width = max((len(LISTS[i]) for i in index), default=0)
    assert taken.padded().tolist() == [LISTS[i] + [0] * (width - len(LISTS[i])) for i in index]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.integers(1, 12), st.integers(-4, 4))
def test_cut_gives_every_row_once_in_equal_steps(sizes: list[int], steps: int, wrong: int):
    ends = np.cumsum(sizes)
    parts = [_rows(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    n_rows = int(ends[-1])
    # however many rows were announced, those that come are all given
    slices = list(cut(iter(parts), max(0, n_rows + wrong), steps))
    assert len(slices) == steps
    assert np.concatenate([part.dense["idx"] for part in slices]).tolist() == list(range(n_rows))
    if wrong == 0:
        assert max(map(len, slices)) - min(map(len, slices)) <= 1


def test_concatenate_keeps_order():
    joined = concatenate([_rows(0, 2), _rows(2, 2), _rows(2, 7)])
    whole = _rows(0, 7)
    assert joined.dense["idx"].tolist() == whole.dense["idx"].tolist()
    assert joined.ragged["tokens"].values.tolist() == whole.ragged["tokens"].values.tolist()
    assert joined.ragged["tokens"].offsets.tolist() == whole.ragged["tokens"].offsets.tolist()
