"""Metrics by slice against the reference, missing rows as errors, and baselines as factor tables."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from bgmrec.errors import QualityGateError
from bgmrec.evaluate.baselines import Baseline, TableSizes, als_baseline, bias_baseline, popularity_baseline
from bgmrec.evaluate.ranking import mean_ndcg, ranking_metrics
from bgmrec.evaluate.rating import rating_metrics
from bgmrec.evaluate.table import collect_metrics, headline, metrics_table
from bgmrec.factorize.blocks.factors import collect_factors
from bgmrec.storage import columns as c
from tests.reference import metrics as reference

# user 0 has rated items 0 1 2, user 1 items 0 1, user 2 item 0; user 3 and items 3, 4 are cold
TRAIN = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
# ratings per item: 3, 2, 1; of two popularity slices "2 of 2" holds those with at least half the warm items below:
# item 0 (share 2/3 below); items 1 (1/3) and 2 (0) are in "1 of 2"
POPULARITY = {0: "2 of 2", 1: "1 of 2", 2: "1 of 2"}
ACTIVITY = {0: "2 of 2", 1: "1 of 2", 2: "1 of 2"}  # the same numbers of ratings
LISTS = {0: [3, 4], 1: [2, 3, 4], 2: [1, 2, 3], 3: [0, 1, 4], 4: [1]}  # user 4 has no targets
TARGETS = {0: {4}, 1: {2, 4}, 2: {4, 3}, 3: {0, 2}}
CATALOGUE = range(6)  # item 5 is in no list


def slices_of(user: int, item: int) -> set[tuple[str, str]]:
    warm_item = item in POPULARITY
    slices = {("all", "all"), ("user", "cold" if user == 3 else "warm"), ("item", "warm" if warm_item else "cold")}
    slices |= {("item_popularity", POPULARITY[item])} if warm_item else set()
    return slices | ({("user_activity", ACTIVITY[user])} if user in ACTIVITY else set())


def train_frame(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame(TRAIN, "user_idx int, item_idx int")


@pytest.fixture(scope="module")
def ranked(spark: SparkSession) -> DataFrame:
    """Two models with the same lists, except that `theirs` has none for user 2."""
    lists = [
        (model, user, position, item)
        for model in ("ours", "theirs")
        for user, items in LISTS.items()
        for position, item in enumerate(items, start=1)
        if (model, user) != ("theirs", 2)
    ]
    targets = [(user, item) for user, items in TARGETS.items() for item in items]
    return ranking_metrics(
        spark.createDataFrame(lists, "model string, user_idx int, position int, item_idx int").repartition(5),
        spark.createDataFrame(targets, "user_idx int, item_idx int"),
        spark.createDataFrame([(item,) for item in CATALOGUE], "item_idx int"),
        train_frame(spark),
        models=["ours", "theirs"],
        ks=[1, 3],
        slices=2,
    ).cache()


def test_ranking_metrics_by_slice_equal_the_reference(ranked: DataFrame) -> None:
    rows = collect_metrics(ranked.where("model = 'ours'"))
    found = {(row["slice"], row["value"], row["metric"], row["k"]): row for row in rows}
    pairs = [(user, item) for user, items in TARGETS.items() for item in items]
    for name, value in {part for pair in pairs for part in slices_of(*pair)}:
        within = {
            user: {item for item in items if (name, value) in slices_of(user, item)} for user, items in TARGETS.items()
        }
        users = [user for user, items in within.items() if items]
        for k in (1, 3):
            singles = [reference.list_metrics(LISTS[user], within[user], k) for user in users]
            for metric in singles[0]:
                row = found.pop((name, value, metric, k))
                mean = sum(single[metric] for single in singles) / len(singles)
                assert row["result"] == pytest.approx(mean), (name, value, metric, k)
                assert row["count"] == len(users)
            hits = sum(len(set(LISTS[user][:k]) & within[user]) for user in users)
            total = sum(len(within[user]) for user in users)
            row = found.pop((name, value, "pooled_recall", k))
            assert (row["result"], row["count"]) == (pytest.approx(hits / total), total)
    # at 1, the lists of users 0..3 hold items 3 2 1 0: 4 of 6; at 3 all items but 5
    assert {key: row["result"] for key, row in found.items()} == pytest.approx(
        {
            ("all", "all", "coverage", 1): 4 / 6,
            ("all", "all", "coverage", 3): 5 / 6,
            ("all", "all", "gini", 1): reference.gini([1, 1, 1, 1, 0, 0]),
            ("all", "all", "gini", 3): reference.gini([1, 2, 2, 3, 3, 0]),
        }
    )


def test_mean_ndcg_equals_the_reference(spark: SparkSession) -> None:
    # user 2 has no list, which is 0 here; user 4 has one and no targets, and does not count
    lists = [(u, position, i) for u, items in LISTS.items() if u != 2 for position, i in enumerate(items, start=1)]
    targets = [(user, item) for user, items in TARGETS.items() for item in items]
    frames = (
        spark.createDataFrame(lists, "user_idx int, position int, item_idx int"),
        spark.createDataFrame(targets, "user_idx int, item_idx int"),
    )
    for k in (1, 3):
        singles = [reference.list_metrics(LISTS[u] if u != 2 else [], TARGETS[u], k)["ndcg"] for u in TARGETS]
        assert mean_ndcg(*frames, k) == pytest.approx(sum(singles) / len(singles))
    assert np.isnan(mean_ndcg(frames[0], frames[1].limit(0), 3))


def test_a_user_without_a_list_is_an_error(ranked: DataFrame) -> None:
    with pytest.raises(QualityGateError, match="theirs: 1 missing") as caught:
        collect_metrics(ranked)
    assert "ours" not in str(caught.value)


def test_table_and_headline(ranked: DataFrame) -> None:
    rows = collect_metrics(ranked.where("model = 'ours'"))
    lines = metrics_table(rows).splitlines()
    assert lines[0].split()[:3] == ["slice", "model", "coverage@1"]
    assert lines[1].split()[:3] == ["all", "ours", "0.6667"]
    assert len(lines) == 1 + 9, "all; users and items, warm and cold; two slices by popularity, two by activity"
    assert lines[0].index("gini@1") == lines[1].index("0.3333"), "numbers end where their heads end"
    assert headline(rows, "ours")["coverage@3"] == pytest.approx(5 / 6)
    assert headline(rows, "theirs") == {}


def test_rating_metrics_by_slice_and_missing_scores(spark: SparkSession) -> None:
    # errors 1, -2 (clipped from -3: score 5 for 6), 0.5 on a cold item, 2 for the cold user
    rows = [(0, 0, 4.0, 3.0), (1, 2, 3.0, 6.0), (2, 3, 2.5, 2.0), (3, 1, 5.0, 3.0)]
    pairs = spark.createDataFrame([row[:3] for row in rows], "user_idx int, item_idx int, rating float")
    absent = {"none": None, "nan": float("nan")}
    scores = [
        (model, user, item, absent[model] if model in absent and user == 1 else score)
        for model in ("ours", "none", "nan", "left_out")
        for user, item, _, score in rows
        if (model, user) != ("left_out", 1)
    ]
    metrics = rating_metrics(
        pairs,
        spark.createDataFrame(scores, "model string, user_idx int, item_idx int, score float"),
        train_frame(spark),
        models=["ours", "none", "nan", "left_out"],
        slices=2,
        clip=(1.0, 5.0),
    ).cache()
    found = collect_metrics(metrics.where("model = 'ours'"))
    results = {(row["slice"], row["value"], row["metric"]): row["result"] for row in found}
    expected: dict[tuple[str, str], list[float]] = {
        ("all", "all"): [1, 2, 0.5, 2],
        ("user", "warm"): [1, 2, 0.5],
        ("user", "cold"): [2],
        ("item", "warm"): [1, 2, 2],
        ("item", "cold"): [0.5],
        ("item_popularity", "2 of 2"): [1],
        ("item_popularity", "1 of 2"): [2, 2],
        ("user_activity", "2 of 2"): [1],
        ("user_activity", "1 of 2"): [2, 0.5],
    }
    for part, errors in expected.items():
        assert results.pop((*part, "mae")) == pytest.approx(sum(errors) / len(errors)), part
        assert results.pop((*part, "rmse")) == pytest.approx(sqrt(sum(e * e for e in errors) / len(errors))), part
    assert not results
    for model in ("none", "nan", "left_out"):
        with pytest.raises(QualityGateError, match=f"{model}: 1 missing"):
            collect_metrics(metrics.where(f"model = '{model}'"))


SIZES = TableSizes(users=5, items=6, user_blocks=2, item_blocks=3)


def rated_frame(spark: SparkSession) -> DataFrame:
    rows = [(user, item, float(1 + (3 * user + item) % 5), 1.0 + user) for user, item in TRAIN]
    return spark.createDataFrame(rows, "user_idx int, item_idx int, rating float, weight float")


def scores_of(baseline: Baseline) -> np.ndarray:
    shape = baseline.shape
    users = collect_factors(baseline.user_factors, 2, shape.width, max_bytes=10**6).astype(float)
    items = collect_factors(baseline.item_factors, 3, shape.width, max_bytes=10**6).astype(float)
    scores = shape.mean + users[:, : shape.rank] @ items[:, : shape.rank].T
    return scores + users[:, -1:] + items[:, -1] if shape.bias else scores


def test_bias_baseline_equals_the_reference(spark: SparkSession) -> None:
    train = rated_frame(spark)
    rows = [tuple(row) for row in train.collect()]
    mean = sum(w * r for _, _, r, w in rows) / sum(w for *_, w in rows)
    a, b = np.zeros(5), np.zeros(6)
    for _ in range(2):
        for j in range(6):
            own = [(u, r, w) for u, i, r, w in rows if i == j]
            b[j] = sum(w * (r - mean - a[u]) for u, r, w in own) / (sum(w for *_, w in own) + 3.0)
        for u in range(5):
            own = [(i, r, w) for v, i, r, w in rows if v == u]
            a[u] = sum(w * (r - mean - b[i]) for i, r, w in own) / (sum(w for *_, w in own) + 2.0)
    found = scores_of(bias_baseline(train, SIZES, user_reg=2.0, item_reg=3.0, rounds=2))
    np.testing.assert_allclose(found, mean + a[:, None] + b, atol=1e-5)


def test_popularity_baseline_scores_by_popularity_for_everybody(spark: SparkSession) -> None:
    popular = spark.createDataFrame([(2, 7.0), (0, 3.0)], "item_idx int, score float")
    assert scores_of(popularity_baseline(popular, SIZES)).tolist() == [[3, 0, 7, 0, 0, 0]] * 5


@pytest.mark.parametrize("implicit", [False, True])
def test_als_baseline_answers_for_pairs_that_mllib_does_not_know(spark: SparkSession, implicit: bool) -> None:
    train = rated_frame(spark)
    made = als_baseline(train, SIZES, rank=2, reg=0.1, iterations=3, seed=1, implicit=implicit)
    found, rows = scores_of(made), [tuple(row) for row in train.collect()]
    if implicit:  # a cold user gets the item's share of all weight · preference, a cold item nothing
        total = sum(r * w for _, _, r, w in rows)
        shares = [sum(r * w for _, i, r, w in rows if i == j) / total for j in range(6)]
        np.testing.assert_allclose(found[3:], [shares] * 2, atol=1e-6)
        np.testing.assert_allclose(found[:3, 3:], 0, atol=1e-6)
    else:
        item_means = [np.mean([r for _, i, r, _ in rows if i == j]) for j in range(3)]
        user_means = [np.mean([r for u, _, r, _ in rows if u == v]) for v in range(3)]
        mean = sum(w * r for _, _, r, w in rows) / sum(w for *_, w in rows)
        np.testing.assert_allclose(found[3:, :3], [item_means] * 2, atol=1e-6)
        np.testing.assert_allclose(found[:3, 3:], np.transpose([user_means] * 3), atol=1e-6)
        np.testing.assert_allclose(found[3:, 3:], mean, atol=1e-6)
    known = [found[u, i] for u, i, _, _ in rows]
    if not implicit:
        np.testing.assert_allclose(known, [r for _, _, r, _ in rows], atol=1.0)
    assert np.std(known) > 0.01
    assert c.RATING in train.columns
