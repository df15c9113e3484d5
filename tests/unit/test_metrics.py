"""Ranking metrics over arrays against worked numbers and the position-by-position reference."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bgmrec.evaluate.metrics import RANKING, gini, list_metrics
from tests.reference import metrics as reference


def metrics_of(lists: list[tuple[list[int], set[int]]], k: int) -> dict[str, float]:
    """Mean metrics of (items, targets) pairs through the arrays that Spark passes."""
    hits = [[position for position, item in enumerate(items, start=1) if item in targets] for items, targets in lists]
    offsets = np.cumsum([0, *map(len, hits)])
    positions = np.array([position for of_user in hits for position in of_user], np.int32)
    parts = list_metrics(offsets, positions, np.array([len(targets) for _, targets in lists]), k)
    assert tuple(parts) == RANKING
    return {name: float(total.sum() / weight.sum()) for name, (total, weight) in parts.items()}


def test_one_worked_list() -> None:
    # list 7 3 9 5, targets {3, 5, 8}, k = 3: one hit at position 2.
    # ndcg = (1/log2 3) / (1/log2 2 + 1/log2 3 + 1/log2 4); map = (1/2)/3; mrr = 1/2; precision = 1/3; recall = 1/3
    found = metrics_of([([7, 3, 9, 5], {3, 5, 8})], 3)
    expected = {
        "ndcg": (1 / log2(3)) / (1 + 1 / log2(3) + 1 / 2),
        "recall": 1 / 3,
        "pooled_recall": 1 / 3,
        "precision": 1 / 3,
        "map": 1 / 6,
        "mrr": 1 / 2,
        "hit_rate": 1.0,
    }
    assert found == pytest.approx(expected)


def test_ideal_and_map_reach_no_further_than_the_targets() -> None:
    # one target at position 1 of a cut of 10: ndcg = map = 1, not 1/10
    assert metrics_of([([4], {4})], 10) == pytest.approx(
        {"ndcg": 1, "recall": 1, "pooled_recall": 1, "precision": 0.1, "map": 1, "mrr": 1, "hit_rate": 1}
    )


def test_recall_is_the_mean_of_users_beside_the_pooled_one() -> None:
    # 1 of 1 target and 1 of 4: pooled 2/5, mean of users (1 + 1/4)/2
    found = metrics_of([([1], {1}), ([1, 9], {1, 2, 3, 4})], 2)
    assert found["pooled_recall"] == pytest.approx(2 / 5)
    assert found["recall"] == pytest.approx(5 / 8)


lists = st.lists(
    st.tuples(st.lists(st.integers(0, 12), max_size=8, unique=True), st.sets(st.integers(0, 12), min_size=1)),
    min_size=1,
    max_size=6,
)


@given(lists, st.integers(1, 10))
def test_equal_to_the_reference(pairs: list[tuple[list[int], set[int]]], k: int) -> None:
    found = metrics_of(pairs, k)
    singles = [reference.list_metrics(items, targets, k) for items, targets in pairs]
    for name in singles[0]:
        assert found[name] == pytest.approx(sum(single[name] for single in singles) / len(singles)), name
    hits = sum(len(set(items[:k]) & targets) for items, targets in pairs)
    assert found["pooled_recall"] == pytest.approx(hits / sum(len(targets) for _, targets in pairs))


def test_gini_of_worked_exposures() -> None:
    # four items, one shown 4 times: (2·4 - 4 - 1)·4 / (4·4) = 3/4
    assert gini(np.array([0, 4]), np.array([3, 1])) == pytest.approx(3 / 4)
    assert gini(np.array([5]), np.array([7])) == pytest.approx(0)
    assert gini(np.array([0]), np.array([7])) == 0.0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_gini_equals_the_mean_difference(exposures: list[int]) -> None:
    values, counts = np.unique(exposures, return_counts=True)
    order = np.random.default_rng(len(exposures)).permutation(len(values))
    assert gini(values[order], counts[order]) == pytest.approx(reference.gini(exposures))
