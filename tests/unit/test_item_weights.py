"""ItemKNN and EASE against dense formulas, and lists against sorting."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from bgmrec.evaluate import item_weights
from bgmrec.evaluate.item_weights import ItemWeights, best_items, cosine_weights, ease_weights


@pytest.fixture
def likes() -> sparse.csr_array:
    generator = np.random.default_rng(3)
    return sparse.csr_array((generator.random((40, 17)) < 0.3).astype(np.float32))


@pytest.fixture(params=[1024, 5])
def column_steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_weights, "_COLUMNS", request.param)


@pytest.mark.usefixtures("column_steps")
def test_all_cosines_are_those_of_the_items_users(likes: sparse.csr_array) -> None:
    dense = likes.toarray().astype(np.float64)
    norms = np.linalg.norm(dense, axis=0)
    expected = dense.T @ dense / np.outer(norms, norms)
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(cosine_weights(likes, 17).toarray(), expected, atol=1e-6)


def test_the_nearest_neighbours_of_each_item_are_kept(likes: sparse.csr_array) -> None:
    every, kept = cosine_weights(likes, 17).toarray(), cosine_weights(likes, 3).toarray()
    assert ((kept > 0).sum(axis=0) == 3).all()
    assert np.allclose(np.sort(kept, axis=0)[-3:], np.sort(every, axis=0)[-3:])


def test_an_item_that_nobody_likes_has_no_neighbours() -> None:
    likes = sparse.csr_array(np.array([[1, 1, 0], [1, 0, 0]], np.float32))
    assert np.allclose(cosine_weights(likes, 3).toarray(), [[0, 0.5**0.5, 0], [0.5**0.5, 0, 0], [0, 0, 0]])


@pytest.mark.usefixtures("column_steps")
def test_ease_is_the_least_squares_solution_without_a_diagonal(likes: sparse.csr_array) -> None:
    """Each column by itself: the ridge regression of an item's likes on those of all others."""
    dense, reg = likes.toarray().astype(np.float64), 7.0
    weights = ease_weights(likes, reg).toarray()
    for item in range(17):
        others = np.delete(np.arange(17), item)
        gram = dense[:, others].T @ dense[:, others] + reg * np.eye(16)
        assert np.allclose(weights[others, item], np.linalg.solve(gram, dense[:, others].T @ dense[:, item]), atol=1e-6)
        assert weights[item, item] == 0.0


def test_lists_hold_the_best_candidates_and_no_excluded_item(likes: sparse.csr_array) -> None:
    model = ItemWeights(ease_weights(likes, 5.0), np.arange(17, dtype=np.int32))
    candidates = np.arange(17) % 5 != 0
    columns, scores = best_items(model, likes, likes, candidates, 4)
    expected = likes.toarray() @ model.weights.toarray()
    for user in range(40):
        allowed = [item for item in range(17) if candidates[item] and not likes[user, item]]
        best = sorted(allowed, key=lambda item: -expected[user, item])[:4]
        assert columns[user, : len(best)].tolist() == best
        assert np.isneginf(scores[user, len(best) :]).all()


def test_of_equal_scores_the_more_popular_item_comes_first() -> None:
    model = ItemWeights(sparse.csr_array((4, 4), dtype=np.float32), np.array([8, 2, 5, 1], np.int32))
    nothing = sparse.csr_array((1, 4), dtype=np.float32)
    columns, _ = best_items(model, nothing, nothing, np.ones(4, bool), 3)
    assert model.items[columns[0]].tolist() == [8, 2, 5]
