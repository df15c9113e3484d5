"""ItemKNN and EASE as baselines of a run: who gets which list."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from bgmrec.evaluate import item_lists
from bgmrec.evaluate.item_lists import item_weights, write_item_lists
from bgmrec.recommend.popularity import PopularItems
from bgmrec.recommend.top_n import ListRules
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from tests.spark.small_run import N_ITEMS, make_run, random_ratings

LISTED = 5
NOBODY = 999  # a user without ratings
POPULAR = PopularItems(np.array([7, 3, 1], np.int32), np.array([9.0, 8.0, 7.0], np.float32))


@pytest.fixture(scope="module")
def run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(
        spark,
        tmp_path_factory.mktemp("lists"),
        random_ratings(),
        factorize={"mode": "implicit", "bias": False, "unobserved_weight": 0.1},
        evaluate={"item_knn_neighbours": N_ITEMS, "ease_reg": 3.0},
    )


@pytest.mark.parametrize("name", ["item_knn", "ease"])
def test_lists_are_those_of_the_dense_scores(spark: SparkSession, run: Run, name: str) -> None:
    train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN).cache()
    model = item_weights(run, train, name)
    targets = spark.createDataFrame([(0, 0), (3, 1), (NOBODY, 2)], "user_idx int, item_idx int")
    catalogue = spark.range(2, N_ITEMS).select(f.col("id").cast("int").alias(c.ITEM_IDX))
    found = write_item_lists(
        run, model, train, targets, catalogue, ListRules(LISTED), POPULAR, run.scratch("evaluate").below(name)
    )
    assert found.columns == schemas.TOP_N.names
    lists: dict[int, list[int]] = {}
    for row in found.orderBy(c.USER_IDX, c.POSITION).collect():
        lists.setdefault(row.user_idx, []).append(row.item_idx)
    assert lists.pop(NOBODY) == POPULAR.idx.tolist()
    weights = np.zeros((N_ITEMS, N_ITEMS))
    weights[np.ix_(model.items, model.items)] = model.weights.toarray()
    for user in (0, 3):
        seen = {row.item_idx for row in train.where(f.col(c.USER_IDX) == user).collect()}
        scores = weights[sorted(seen)].sum(axis=0)
        allowed = [item for item in range(2, N_ITEMS) if item not in seen]
        assert lists.pop(user) == sorted(allowed, key=lambda item: -scores[item])[:LISTED]
    assert not lists
    train.unpersist()


def test_large_data_are_cut_to_popular_items_and_some_users(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN)
    popular = [row.item_idx for row in train.groupBy(c.ITEM_IDX).count().orderBy(f.desc("count"), c.ITEM_IDX).take(6)]
    monkeypatch.setattr(item_lists, "_MOST_ITEMS", 6)
    monkeypatch.setattr(item_lists, "_MOST_PAIRS", 30)
    monkeypatch.setattr(item_lists.logger, "propagate", True)
    model = item_weights(run, train, "ease")
    assert model.items.tolist() == popular
    assert "the baseline ease is fitted on 6 items and" in caplog.text


def test_without_items_that_are_liked_often_all_lists_are_popular(
    spark: SparkSession, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN)
    monkeypatch.setattr(item_lists, "_FEWEST_LIKES", 1000)
    targets = spark.createDataFrame([(0, 0)], "user_idx int, item_idx int")
    for name in ("item_knn", "ease"):
        model, store = item_weights(run, train, name), run.scratch("evaluate").below(f"no_{name}")
        catalogue = train.select(c.ITEM_IDX)
        found = write_item_lists(run, model, train, targets, catalogue, ListRules(LISTED), POPULAR, store)
        assert [row.item_idx for row in found.orderBy(c.POSITION).collect()] == POPULAR.idx.tolist()
