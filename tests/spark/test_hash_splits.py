"""Splits by hashes: shares, rows that move to train, cold items and users, independence of the partitioning."""

from __future__ import annotations

import pytest

from bgmrec.study.hash_splits import cold_parts, random_parts

USERS, ITEMS = 60, 40


@pytest.fixture(scope="module")
def ratings(spark):
    """Every user rated every item but those where the sum of the indices is divisible by three."""
    rows = [(u, i, float(1 + (u + i) % 5)) for u in range(USERS) for i in range(ITEMS) if (u + i) % 3]
    return spark.createDataFrame(rows, "user_idx int, item_idx int, rating float").cache()


def by_part(df):
    parts = {}
    for row in df.select("part", "user_idx", "item_idx", "rating").collect():
        parts.setdefault(row["part"], set()).add((row["user_idx"], row["item_idx"], row["rating"]))
    return parts


def test_random_parts_have_their_shares_and_all_rows(ratings):
    parts = by_part(random_parts(ratings, fraction=0.6, valid_share=0.25, seed=3))
    n = ratings.count()
    assert sum(len(rows) for rows in parts.values()) == n
    # of 1,600 rows a share is off by .012 at one standard deviation
    for part, share in {"train": 0.6, "valid": 0.1, "test": 0.3}.items():
        assert len(parts[part]) / n == pytest.approx(share, abs=0.05)


def test_the_only_rating_of_a_user_moves_to_train(spark):
    rows = [(u, u, 1.0) for u in range(40)]  # every user and item has one rating: none may be held out
    ratings = spark.createDataFrame(rows, "user_idx int, item_idx int, rating float")
    assert set(by_part(random_parts(ratings, fraction=0.5, valid_share=0.5, seed=1))) == {"train"}


def test_without_a_valid_share_the_rest_is_test(ratings):
    assert set(by_part(random_parts(ratings, fraction=0.5, valid_share=0.0, seed=1))) == {"train", "test"}


def cold_split(ratings, **changes):
    return cold_parts(ratings, **{"item_share": 0.2, "user_share": 0.2, "seed": 5, "part": "test", **changes})


def test_every_rating_of_cold_items_and_users_leaves_training(ratings):
    split = cold_split(ratings)
    items = {row["item_idx"] for row in split.items.collect()}
    parts = by_part(split.ratings)
    warm_users = {user for user, _, _ in parts["train"]}
    users = set(range(USERS)) - warm_users
    assert 2 <= len(items) <= 16 and 3 <= len(users) <= 24  # 8 of 40, 12 of 60
    everything = {(row["user_idx"], row["item_idx"], row["rating"]) for row in ratings.collect()}
    assert parts["train"] == {row for row in everything if row[0] not in users and row[1] not in items}
    assert parts["test"] == {row for row in everything if (row[0] in users) != (row[1] in items)}


def test_cold_items_of_valid_are_drawn_from_the_training_rows_of_test(ratings):
    test, valid = cold_split(ratings), cold_split(ratings, part="valid")
    trained = by_part(test.ratings)["train"]
    parts = by_part(valid.ratings)
    assert set(parts) == {"train", "valid"}
    assert parts["train"] | parts["valid"] < trained
    assert not {row["item_idx"] for row in test.items.collect()} & {row["item_idx"] for row in valid.items.collect()}


def test_a_rating_without_a_warm_side_is_dropped(spark):
    """Item 1 has one rating, by a user who is made cold: neither side of it trains."""
    rows = [(u, 0, 1.0) for u in range(200)] + [(u, 1 + u, 2.0) for u in range(200)]
    ratings = spark.createDataFrame(rows, "user_idx int, item_idx int, rating float")
    parts = by_part(cold_split(ratings, item_share=0.0).ratings)
    trained = {user for user, _, _ in parts["train"]}
    assert 0 < len(trained) < 200
    assert parts["test"] == {(user, 0, 1.0) for user in range(200) if user not in trained}


@pytest.mark.parametrize("partitions", [1, 7, 50])
def test_splits_do_not_depend_on_the_partitioning(ratings, partitions):
    repartitioned = ratings.repartition(partitions)
    drawn = {"fraction": 0.6, "valid_share": 0.5, "seed": 3}
    assert by_part(random_parts(repartitioned, **drawn)) == by_part(random_parts(ratings, **drawn))
    assert by_part(cold_split(repartitioned).ratings) == by_part(cold_split(ratings).ratings)
