"""Splits of the generic studies: shares, what moves to train, who is cold, and no dependence on the partitioning."""

from __future__ import annotations

import pytest

from bgmrec.study.splits import cold_parts, random_parts

USERS, ITEMS = 60, 40


@pytest.fixture(scope="module")
def ratings(spark):
    """Every user rated every item but those where the sum of the indices is divisible by three."""
    rows = [(u, i, float(1 + (u + i) % 5)) for u in range(USERS) for i in range(ITEMS) if (u + i) % 3]
    return spark.createDataFrame(rows, "user_idx int, item_idx int, rating float").cache()


def by_part(df):
    found = {}
    for row in df.select("part", "user_idx", "item_idx", "rating").collect():
        found.setdefault(row["part"], set()).add((row["user_idx"], row["item_idx"], row["rating"]))
    return found


def test_random_parts_have_their_shares_and_lose_nothing(ratings):
    found = by_part(random_parts(ratings, fraction=0.6, valid_share=0.25, seed=3))
    n = ratings.count()
    assert sum(len(rows) for rows in found.values()) == n
    # of 1,600 rows a share is off by .012 at one standard deviation
    for part, share in {"train": 0.6, "valid": 0.1, "test": 0.3}.items():
        assert len(found[part]) / n == pytest.approx(share, abs=0.05)


def test_a_rating_that_train_cannot_know_moves_there(spark):
    rows = [(u, u, 1.0) for u in range(40)]  # everybody and everything has one rating: nothing may be held out
    alone = spark.createDataFrame(rows, "user_idx int, item_idx int, rating float")
    assert set(by_part(random_parts(alone, fraction=0.5, valid_share=0.5, seed=1))) == {"train"}


def test_without_a_valid_share_the_rest_is_test(ratings):
    assert set(by_part(random_parts(ratings, fraction=0.5, valid_share=0.0, seed=1))) == {"train", "test"}


def made_cold(ratings, **changes):
    return cold_parts(ratings, **{"item_share": 0.2, "user_share": 0.2, "seed": 5, "part": "test", **changes})


def test_every_rating_of_cold_items_and_users_leaves_training(ratings):
    split = made_cold(ratings)
    items = {row["item_idx"] for row in split.items.collect()}
    found = by_part(split.ratings)
    warm_users = {user for user, _, _ in found["train"]}
    users = set(range(USERS)) - warm_users
    assert 2 <= len(items) <= 16 and 3 <= len(users) <= 24  # 8 of 40, 12 of 60
    everything = {(row["user_idx"], row["item_idx"], row["rating"]) for row in ratings.collect()}
    assert found["train"] == {row for row in everything if row[0] not in users and row[1] not in items}
    assert found["test"] == {row for row in everything if (row[0] in users) != (row[1] in items)}


def test_cold_of_valid_are_drawn_from_what_test_leaves_to_train(ratings):
    test, valid = made_cold(ratings), made_cold(ratings, part="valid")
    trained = by_part(test.ratings)["train"]
    found = by_part(valid.ratings)
    assert set(found) == {"train", "valid"}
    assert found["train"] | found["valid"] < trained
    assert not {row["item_idx"] for row in test.items.collect()} & {row["item_idx"] for row in valid.items.collect()}


def test_a_rating_between_two_strangers_is_left_out(spark):
    """Item 1 has one rating, by a user who is made cold: neither side of it trains."""
    rows = [(u, 0, 1.0) for u in range(200)] + [(u, 1 + u, 2.0) for u in range(200)]
    lonely = spark.createDataFrame(rows, "user_idx int, item_idx int, rating float")
    found = by_part(made_cold(lonely, item_share=0.0).ratings)
    trained = {user for user, _, _ in found["train"]}
    assert 0 < len(trained) < 200
    assert found["test"] == {(user, 0, 1.0) for user in range(200) if user not in trained}


@pytest.mark.parametrize("partitions", [1, 7, 50])
def test_splits_do_not_depend_on_the_partitioning(ratings, partitions):
    again = ratings.repartition(partitions)
    drawn = {"fraction": 0.6, "valid_share": 0.5, "seed": 3}
    assert by_part(random_parts(again, **drawn)) == by_part(random_parts(ratings, **drawn))
    assert by_part(made_cold(again).ratings) == by_part(made_cold(ratings).ratings)
