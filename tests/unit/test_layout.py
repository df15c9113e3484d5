"""Blocks of ratings: the worked example of layout.py, ratings in any order, and cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmrec.errors import InputError
from bgmrec.factorize.kernels.layout import RatingBlock, block_idx, build_block, rows_in_block


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_the_worked_example():
    block = build_block(0, 2, 3, ints(2, 0, 0), ints(3, 2, 0), floats(2, 3, 5), floats(1, 1, 1))
    assert (block.block, block.n_rows) == (0, 2)
    np.testing.assert_array_equal(block.row_offsets, [0, 2, 3])
    np.testing.assert_array_equal(block.src_ids, [0, 2, 3])
    np.testing.assert_array_equal(block.src_pos, [0, 1, 2])
    np.testing.assert_array_equal(block.ratings, [5, 3, 2])
    assert block.weights.size == 0


@settings(max_examples=60, deadline=None)
@given(
    n_dst=st.integers(1, 40), n_src=st.sampled_from([1, 5, 2047, 2048, 2049, 5_000_000]), num_blocks=st.integers(1, 5),
    share=st.floats(0, 1), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_a_block_holds_its_triples_sorted(n_dst, n_src, num_blocks, share, seed):
    random = np.random.default_rng(seed)
    block_id = int(random.integers(num_blocks))
    entities = block_idx(n_dst, num_blocks, block_id)
    n_pairs = int(share * 60) if entities.size else 0
    pairs = (
        np.unique(np.stack([random.choice(entities, n_pairs), random.integers(0, n_src, n_pairs)]), axis=1)
        if n_pairs
        else None
    )
    dst, src = (np.zeros(0, np.int32),) * 2 if pairs is None else pairs.astype(np.int32)
    ratings, weights = random.random((2, dst.size), dtype=np.float32)
    order = random.permutation(dst.size)
    block = build_block(block_id, num_blocks, n_dst, *(array[order] for array in (dst, src, ratings, weights)))

    assert block.n_rows == rows_in_block(n_dst, num_blocks, block_id) == entities.size
    rows = np.repeat(np.arange(block.n_rows), np.diff(block.row_offsets))
    np.testing.assert_array_equal(entities[rows], dst)  # np.unique sorted the expected triples by (dst, src)
    np.testing.assert_array_equal(block.src_ids[block.src_pos], src)
    np.testing.assert_array_equal(block.ratings, ratings)
    np.testing.assert_array_equal(block.weights, weights)
    np.testing.assert_array_equal(block.src_ids, np.unique(src))


def test_every_entity_is_in_exactly_one_block():
    entities = np.concatenate([block_idx(11, 4, block) for block in range(4)])
    assert [rows_in_block(11, 4, block) for block in range(4)] == [3, 3, 3, 2]
    assert sorted(entities) == list(range(11))


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_cells_give_the_block_back(weight):
    block = build_block(1, 2, 4, ints(3, 1), ints(7, 9), floats(1, 2), floats(weight, weight))
    again = RatingBlock.from_cells(block.cells())
    for name, value in vars(block).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_cells_of_contradicting_lengths_are_refused():
    cells = build_block(0, 1, 2, ints(0, 1), ints(7, 9), floats(1, 2), floats(1, 1)).cells()
    with pytest.raises(InputError, match="block 0"):
        RatingBlock.from_cells({**cells, "ratings": cells["ratings"][:-4]})
