"""The top-N kernel against a full sort: ties, seen items, caps, padding, and merging of item blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmrec.recommend.kernel import Seen, Shard, TopLists, merge_lists, shift_scores, top_lists
from tests.reference.top_n import top_n


def shard_of(factors: np.ndarray, idx: np.ndarray | None = None, groups: np.ndarray | None = None) -> Shard:
    idx = np.arange(len(factors), dtype=np.int32) if idx is None else np.asarray(idx, np.int32)
    return Shard(idx, np.asarray(factors, np.float32), np.asarray(idx if groups is None else groups, np.int32))


def seen_of(rows: list[list[int]]) -> Seen:
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    return Seen(offsets, np.array([item for row in rows for item in sorted(row)], np.int32))


def as_pairs(lists: TopLists) -> list[list[tuple[int, float]]]:
    return [
        [(int(lists.idx[row, at]), float(lists.scores[row, at])) for at in range(lists.counts[row])]
        for row in range(len(lists.counts))
    ]


def test_one_worked_list() -> None:
    # u = (1, 2); scores: item 0: 1*1 + 2*0 = 1, item 1: 0 + 2*1 = 2, item 2: 1 + 2*.5 = 2, item 3: -1 - 2 = -3
    items = shard_of(np.array([[1, 0], [0, 1], [1, 0.5], [-1, -1]]))
    user = np.array([[1, 2]], np.float32)
    assert as_pairs(top_lists(user, items, 3)) == [[(1, 2.0), (2, 2.0), (0, 1.0)]]
    # without item 1 the list moves up, and with only three items left a list of five is three long
    found = top_lists(user, items, 5, seen=seen_of([[1]]))
    assert as_pairs(found) == [[(2, 2.0), (0, 1.0), (3, -3.0)]]


def test_the_cap_takes_the_best_of_every_group() -> None:
    # scores 5 4 3 2 1 of groups a a a b b, at most 2 each: 5 4 of a, then 2 1 of b
    items = shard_of(np.array([[5], [4], [3], [2], [1]]), groups=np.array([7, 7, 7, 9, 9]))
    found = top_lists(np.ones((1, 1), np.float32), items, 4, per_group=2)
    assert as_pairs(found) == [[(0, 5.0), (1, 4.0), (3, 2.0), (4, 1.0)]]


def test_a_later_better_item_of_a_full_group_displaces_the_groups_worst() -> None:
    # scores 1 2 9 of one group capped at 2, and 1.5 alone: 9 2 remain of the group
    items = shard_of(np.array([[1], [2], [1.5], [9]]), groups=np.array([7, 7, 8, 7]))
    found = top_lists(np.ones((1, 1), np.float32), items, 3, per_group=2)
    assert as_pairs(found) == [[(3, 9.0), (1, 2.0), (2, 1.5)]]


@st.composite
def worlds(draw: st.DrawFn) -> dict:
    """Small integer factors: many equal scores, none of which a float32 sum rounds."""
    rows, items = draw(st.integers(1, 7)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.integers(1, 4))
    return {
        "queries": rng.integers(-spread, spread + 1, (rows, 3)).astype(np.float32),
        "factors": rng.integers(-spread, spread + 1, (items, 3)).astype(np.float32),
        "groups": rng.integers(0, draw(st.integers(1, 8)), items).astype(np.int32),
        "seen": [
            sorted(np.flatnonzero(rng.random(items) < draw(st.sampled_from([0.0, 0.4, 1.0])))) for _ in range(rows)
        ],
        "n": draw(st.integers(1, 12)),
        "per_group": draw(st.integers(0, 3)),
        "block_of": rng.integers(0, draw(st.integers(1, 4)), items),
    }


def expected(world: dict) -> list[list[tuple[int, float]]]:
    scores = world["queries"].astype(np.float64) @ world["factors"].T.astype(np.float64)
    return [
        top_n(scores[row], world["n"], seen=set(seen), groups=world["groups"], per_group=world["per_group"])
        for row, seen in enumerate(world["seen"])
    ]


@settings(max_examples=200, deadline=None)
@given(worlds(), st.integers(1, 5), st.sampled_from([3, 16, 128]))
def test_lists_equal_a_full_sort(world: dict, query_rows: int, item_rows: int) -> None:
    shard = shard_of(world["factors"], groups=world["groups"])
    found = top_lists(
        world["queries"],
        shard,
        world["n"],
        seen=seen_of(world["seen"]),
        per_group=world["per_group"],
        query_rows=query_rows,
        item_rows=item_rows,
    )
    assert as_pairs(found) == expected(world)


@settings(max_examples=200, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_merging_item_blocks_in_any_order_changes_nothing(world: dict, random) -> None:
    seen, parts = seen_of(world["seen"]), []
    for block in sorted(set(world["block_of"])):
        members = np.flatnonzero(world["block_of"] == block)
        shard = shard_of(world["factors"][members], members, world["groups"][members])
        parts.append(top_lists(world["queries"], shard, world["n"], seen=seen, per_group=world["per_group"]))
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = merge_lists(merged, part, world["per_group"])
    assert as_pairs(merged) == expected(world)


def test_merging_leaves_its_arguments_alone() -> None:
    one = top_lists(np.ones((1, 1), np.float32), shard_of(np.array([[1.0]])), 2)
    two = top_lists(np.ones((1, 1), np.float32), shard_of(np.array([[2.0]]), np.array([5])), 2)
    assert as_pairs(merge_lists(one, two)) == [[(5, 2.0), (0, 1.0)]]
    assert as_pairs(one) == [[(0, 1.0)]]


@pytest.mark.parametrize("items", [511, 513, 2000])
@pytest.mark.parametrize("rows", [1, 255, 300])
def test_equal_factors_have_equal_scores_everywhere_in_a_panel(rows: int, items: int) -> None:
    # a BLAS adds in different orders in parts of a matrix; equal items must still be sorted by idx
    rng = np.random.default_rng(items)
    queries, one = rng.standard_normal((rows, 64)).astype(np.float32), rng.standard_normal((1, 64)).astype(np.float32)
    found = top_lists(queries, shard_of(np.repeat(one, items, axis=0)), 10)
    assert np.array_equal(found.idx, np.tile(np.arange(10), (rows, 1)))


def test_lists_do_not_depend_on_how_a_blas_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    queries = rng.standard_normal((20, 32)).astype(np.float32)
    # scores closer to each other than what rounding does to them
    items = shard_of(rng.standard_normal(32) + 1e-6 * rng.standard_normal((900, 32)))
    exact = top_lists(queries, items, 30)
    multiply = np.matmul

    def other_rounding(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
        error = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=0) * np.finfo(np.float32).eps
        out[:] = multiply(left, right) + 8 * error * rng.choice([-1, 1], error.shape)

    monkeypatch.setattr(np, "matmul", other_rounding)
    found = top_lists(queries, items, 30)
    assert np.array_equal(found.idx, exact.idx) and np.array_equal(found.scores, exact.scores)


def test_random_lists_hold_the_best_scores() -> None:
    rng = np.random.default_rng(3)
    queries, factors = (
        rng.standard_normal((300, 17)).astype(np.float32),
        rng.standard_normal((1300, 17)).astype(np.float32),
    )
    found = top_lists(queries, shard_of(factors), 25)
    best = -np.sort(-(queries.astype(np.float64) @ factors.T.astype(np.float64)), axis=1)[:, :25]
    np.testing.assert_allclose(found.scores, best, rtol=1e-4, atol=1e-5)


def test_no_items_and_no_queries() -> None:
    none = Shard(np.empty(0, np.int32), np.empty((0, 2), np.float32), np.empty(0, np.int32))
    assert as_pairs(top_lists(np.ones((2, 2), np.float32), none, 3, seen=seen_of([[1], []]))) == [[], []]
    assert as_pairs(top_lists(np.empty((0, 2), np.float32), shard_of(np.ones((4, 2))), 3)) == []


@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")
def test_an_item_whose_score_is_not_a_number_is_in_no_list() -> None:
    items = shard_of(np.array([[np.nan], [1.0], [-np.inf]]))
    assert as_pairs(top_lists(np.ones((1, 1), np.float32), items, 3)) == [[(1, 1.0)]]


def test_ties_that_an_offset_makes_go_to_the_lower_idx() -> None:
    # in float32, 1 + 1e8 == 2 + 1e8: item 5 (score 2) came first and is now equal to item 3 (score 1)
    lists = top_lists(np.ones((1, 1), np.float32), shard_of(np.array([[1.0], [2.0]]), np.array([3, 5])), 4)
    assert as_pairs(lists) == [[(5, 2.0), (3, 1.0)]]
    assert as_pairs(shift_scores(lists, np.array([1e8]))) == [[(3, 1e8), (5, 1e8)]]
