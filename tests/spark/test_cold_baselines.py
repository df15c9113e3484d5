"""Baselines for cold items and users, with values worked out by hand."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from bgmrec.evaluate.baselines import TableSizes
from bgmrec.factorize.blocks.factors import collect_factors
from bgmrec.features.text_pairs import value_pairs
from bgmrec.study.cold_baselines import (
    mean_baseline,
    neighbour_scores,
    neighbours,
    popular_lists,
    predicted_popularity,
    scored_lists,
)

# user 2 and item 3 are cold
TRAIN = [(0, 0, 5.0), (0, 1, 2.0), (1, 0, 4.0), (1, 2, 4.0)]


def frame(spark, rows, schema):
    return spark.createDataFrame(rows, schema)


def feature_rows(spark, table):
    rows = [(idx, bytearray(row.astype(np.float32).tobytes())) for idx, row in enumerate(np.asarray(table))]
    return frame(spark, rows, "idx int, features binary")


def test_a_cold_item_gets_the_users_mean_and_a_cold_user_the_items(spark):
    train = frame(spark, TRAIN, "user_idx int, item_idx int, rating float")
    baseline = mean_baseline(train, TableSizes(users=3, items=4, user_blocks=2, item_blocks=3))
    users, items = (
        collect_factors(table, blocks, 2, max_bytes=10**6)
        for table, blocks in ((baseline.user_factors, 2), (baseline.item_factors, 3))
    )
    scores = users @ items.T
    assert scores[:2, 3].tolist() == [3.5, 4.0]
    assert scores[2, :3].tolist() == [4.5, 2.0, 4.0]


def test_popularity_is_predicted_from_features(spark):
    """Two kinds of items, with 7 and with 1 likes each: a new item of a kind gets nearly e^log(1 + likes)."""
    features = feature_rows(spark, [[1, 0]] * 10 + [[0, 1]] * 10 + [[1, 0], [0, 1]])
    rows = [(item, int(like < (7 if item < 10 else 1))) for item in range(20) for like in range(8)]
    train = frame(spark, rows, "item_idx int, liked int")
    values = {r["item_idx"]: r["popularity"] for r in predicted_popularity(features, train, np.arange(2)).collect()}
    assert values[20] == pytest.approx(exp(log(8)), rel=0.1)
    assert values[21] == pytest.approx(exp(log(2)), rel=0.1)
    without_features = predicted_popularity(features, train, np.arange(0)).where("item_idx >= 20").collect()
    assert without_features[0]["popularity"] == without_features[1]["popularity"]


def test_neighbours_are_the_most_similar_warm_items(spark):
    """Items 0 1 2 are warm, 3 is cold: cos(3, 0) = .6, cos(3, 1) = .8, cos(3, 2) = 0."""
    vectors = frame(
        spark,
        [(0, 7, 1.0), (1, 8, 1.0), (2, 9, 1.0), (3, 7, 0.6), (3, 8, 0.8)],
        "item_idx int, word int, rating float",
    )
    cold, warm = frame(spark, [(3,)], "item_idx int"), frame(spark, [(0,), (1,), (2,)], "item_idx int")
    values = {r["neighbour_idx"]: r["similarity"] for r in neighbours(vectors, cold, warm, 5).collect()}
    assert values == {0: pytest.approx(0.6), 1: pytest.approx(0.8)}
    assert [r["neighbour_idx"] for r in neighbours(vectors, cold, warm, 1).collect()] == [1]


def test_the_score_of_an_item_sums_its_neighbours_that_the_user_liked(spark):
    near = frame(spark, [(3, 0, 0.6), (3, 1, 0.8), (4, 0, 0.1)], "item_idx int, neighbour_idx int, similarity double")
    train = frame(
        spark, [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (2, 1, 0)], "user_idx int, item_idx int, liked int"
    )
    users = frame(spark, [(0,), (1,), (2,)], "user_idx int")
    scores = neighbour_scores(near, train, users)
    values = {(r["user_idx"], r["item_idx"]): r["score"] for r in scores.collect()}
    assert values == {(0, 3): pytest.approx(1.4), (0, 4): 0.1, (1, 3): 0.6, (1, 4): 0.1}
    popularity = frame(spark, [(3, 1.0), (4, 2.0), (5, 2.0)], "item_idx int, popularity double")
    lists = scored_lists(scores, popular_lists(popularity, users, 2), 2).orderBy("user_idx", "position").collect()
    # user 2 liked nothing and gets the popular ones, ties by idx
    assert [tuple(row) for row in lists] == [(0, 1, 3), (0, 2, 4), (1, 1, 3), (1, 2, 4), (2, 1, 4), (2, 2, 5)]


def test_values_of_features_become_vectors_of_length_one(spark):
    """Column 1 is in two of four items, column 2 in one: tf-idf log 2 and log 4, over √(log² 2 + log² 4)."""
    features = feature_rows(spark, [[9, 1, 1], [9, 1, 0], [9, 0, 0], [9, 0, 0]])
    values = {(r["item_idx"], r["word"]): r["rating"] for r in value_pairs(features, np.array([1, 2]), 4).collect()}
    norm = np.hypot(log(2), log(4))
    assert values == {(0, 1): pytest.approx(log(2) / norm), (0, 2): pytest.approx(log(4) / norm), (1, 1): 1.0}
