"""Generated ratings for measuring: sizes, uneven popularity, heavy rows, and independence of the chunking."""

from __future__ import annotations

import numpy as np

from bgmrec.synthetic.power_law import CHUNK, PowerLaw, chunk_ratings, item_shares, user_counts

SHAPE = PowerLaw(users=3 * CHUNK - 100, items=700, ratings=90_000)


def all_ratings(shape):
    popularity = item_shares(shape)
    parts = [chunk_ratings(shape, chunk, popularity) for chunk in range(-(-shape.users // CHUNK))]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def test_sizes_are_as_asked_and_pairs_are_distinct():
    users, items, rating = all_ratings(SHAPE)
    assert abs(len(users) / SHAPE.ratings - 1) < 0.05
    assert users.min() == 0 and users.max() == SHAPE.users - 1
    assert items.min() >= 0 and items.max() < SHAPE.items
    assert len(np.unique(users.astype(np.int64) * SHAPE.items + items)) == len(users)
    assert rating.min() >= 1 and rating.max() <= 5 and 0.7 < rating.std() < 1.1


def test_a_few_items_and_users_have_most_ratings():
    users, items, _ = all_ratings(SHAPE)
    for counts in (np.bincount(items), np.bincount(users)):
        top = np.sort(counts)[::-1][: len(counts) // 10]
        assert top.sum() > 0.2 * counts.sum()


def test_ratings_have_the_planted_structure():
    shape = PowerLaw(users=CHUNK, items=60, ratings=30_000, user_exponent=0.0, item_exponent=0.0)
    users, items, rating = all_ratings(shape)
    matrix = np.zeros((shape.users, shape.items))
    matrix[users, items] = rating - rating.mean()
    values = np.linalg.svd(matrix, compute_uv=False)
    assert values[7] > 1.3 * values[8]  # eight planted dimensions stand out of the noise


def test_a_chunk_depends_on_seed_and_number_alone():
    popularity = item_shares(SHAPE)
    first, again = (chunk_ratings(SHAPE, 1, popularity) for _ in range(2))
    other = chunk_ratings(PowerLaw(SHAPE.users, SHAPE.items, SHAPE.ratings, seed=2), 1, popularity)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[1][:100], other[1][:100])


def test_heavy_rows_have_their_shares():
    shape = PowerLaw(users=4 * CHUNK, items=700, ratings=20_000, heavy_user=0.01, heavy_item=0.1)
    users, items, _ = all_ratings(shape)
    assert (users == 0).sum() == 200
    assert abs((items == 0).sum() / 2_000 - 1) < 0.1
    assert len(np.unique(users.astype(np.int64) * shape.items + items)) == len(users)


def test_everybody_rates_something():
    assert user_counts(SHAPE, np.arange(SHAPE.users)).min() >= 1
