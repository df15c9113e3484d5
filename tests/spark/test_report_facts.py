"""The facts of the report: counts are right, samples have the size that was asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bgmrec.config.serving import ReportSettings
from bgmrec.evaluate.ranking import ranking_metrics
from bgmrec.evaluate.rating import rating_metrics
from bgmrec.factorize.user_step import UserStep
from bgmrec.recommend import explain
from bgmrec.report.facts import data as data_facts
from bgmrec.report.facts import held_out as evaluation_facts
from bgmrec.report.facts import lists as lists_facts
from bgmrec.report.facts import people as people_facts
from bgmrec.report.facts import reasons as reason_facts
from bgmrec.report.facts.field_slices import OTHER, VALUES, field_values, slices
from bgmrec.report.facts.item_names import item_names
from bgmrec.report.facts.later import later_targets, unseen_popular
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from tests.reference import normal_equations as reference
from tests.spark.test_half_step import BROADCAST, NUMBERS, SHAPE, Data, factor_blocks

RANDOM = np.random.default_rng(11)
USERS, ITEMS, N = 12, 30, 6
TARGETS = sorted(
    {(int(u), int(i)) for u, i in zip(RANDOM.integers(0, USERS, 40), RANDOM.integers(0, ITEMS, 40), strict=True)}
)
LISTS = {
    model: [(u, p + 1, int(i)) for u in range(USERS) for p, i in enumerate(RANDOM.permutation(ITEMS)[:N])]
    for model in ("bgmrec", "popularity")
}


def table(spark, rows, schema):
    return spark.createDataFrame(rows, schema)


def test_the_sums_of_all_users_give_the_metrics_of_the_evaluation(spark):
    targets = table(spark, TARGETS, "user_idx int, item_idx int")
    train = table(spark, [(u, i) for u in range(USERS) for i in range(4)], "user_idx int, item_idx int")
    lists = {m: table(spark, rows, "user_idx int, position int, item_idx int") for m, rows in LISTS.items()}
    users = evaluation_facts.sample_users(targets, USERS, seed=3)
    held = evaluation_facts.held_in_lists(lists, targets, users)
    sums = evaluation_facts.ranking_sums(held, k=4)
    catalogue = spark.range(ITEMS).selectExpr("cast(id as int) as item_idx")
    named = [rows.selectExpr("*", f"'{model}' as model") for model, rows in lists.items()]
    expected = ranking_metrics(
        named[0].unionByName(named[1]), targets, catalogue, train, models=list(lists), ks=[4], slices=1
    ).where("slice = 'all' and metric not in ('coverage', 'gini')")
    rows = expected.collect()
    assert len(rows) == len(sums) == 14
    for row in rows:
        assert sums[row["metric"], row["model"]].value() == pytest.approx(row["result"]), row
    # a slice of items is what the evaluation finds where only its items are targets
    few = held.pairs["item_idx"].to_numpy() < 9
    alone = evaluation_facts.held_in_lists(lists, targets.where("item_idx < 9"), users)
    of_slice, of_targets = evaluation_facts.ranking_sums(held, 4, few), evaluation_facts.ranking_sums(alone, 4)
    assert {key: one.value() for key, one in of_slice.items()} == {key: one.value() for key, one in of_targets.items()}


def test_a_sample_has_its_size_and_is_the_same_every_time(spark):
    targets = table(spark, TARGETS, "user_idx int, item_idx int")
    one, other = (evaluation_facts.sample_users(targets, 5, seed=3).collect() for _ in range(2))
    assert len(one) == 5 and one == other
    assert evaluation_facts.sample_users(targets, 5, seed=4).collect() != one
    held = evaluation_facts.held_in_lists(
        {"bgmrec": table(spark, LISTS["bgmrec"], "user_idx int, position int, item_idx int")},
        targets,
        evaluation_facts.sample_users(targets, 5, seed=3),
    )
    sums = evaluation_facts.ranking_sums(held, k=4)
    assert len(sums["ndcg", "bgmrec"].numerator) == 5


def test_rating_sums_give_the_errors_of_the_evaluation_and_bins_the_calibration(spark):
    pairs = table(
        spark, [(u, i, float(1 + (u + i) % 5)) for u, i in TARGETS], "user_idx int, item_idx int, rating float"
    )
    scores = table(spark, [(u, i, 2.0 + (u % 7) / 1.5) for u, i in TARGETS], "user_idx int, item_idx int, score float")
    train = table(spark, [(u, i) for u in range(0, USERS, 2) for i in range(u)], "user_idx int, item_idx int")
    users = evaluation_facts.sample_users(pairs, USERS, seed=3)
    sums = evaluation_facts.rating_sums(evaluation_facts.held_ratings({"bgmrec": scores}, pairs, users, (1.0, 5.0)))
    expected = rating_metrics(
        pairs,
        scores.selectExpr("*", "'bgmrec' as model"),
        train,
        models=["bgmrec"],
        slices=1,
        clip=(1.0, 5.0),
    )
    for row in expected.where("slice = 'all'").collect():
        assert sums[row["metric"], "bgmrec"].value() == pytest.approx(row["result"], rel=1e-6)
    bins = evaluation_facts.calibration(scores, pairs, (1.0, 5.0))
    assert sum(row["ratings"] for row in bins) == len(TARGETS)
    predicted = sum(row["predicted"] * row["ratings"] for row in bins)
    assert predicted == pytest.approx(sum(min(5.0, 2.0 + (u % 7) / 1.5) for u, _ in TARGETS), rel=1e-6)
    levels = evaluation_facts.errors_by_count({"bgmrec": scores}, pairs, train, "user_idx", None)
    # users 0, 1, 3, 5, … have no training rating, 2 has 2, 4 has 4, 6 has 6, 8 has 8, 10 has 10
    assert [row["level"] for row in levels] == [0, 2, 3, 4]
    assert sum(row["ratings"] for row in levels) == len(TARGETS)


@pytest.mark.parametrize("alpha0", [0.0, 0.3])
@pytest.mark.parametrize("counts", [(2, 3), (7, 1)])
def test_the_parts_of_the_scores_of_sample_users_are_summed_by_kind(spark, alpha0, counts):
    data = Data(spark, preference=alpha0 > 0)
    solved, _, _ = data.half_step(dst=counts[0], src=counts[1], alpha0=alpha0)
    newer = data.items + RANDOM.normal(0, 0.1, data.items.shape).astype(np.float32)
    scores = reference.dense_scores(solved.astype(float), newer.astype(float), SHAPE.rank, True, SHAPE.mean)
    model = UserStep(
        ratings=data.user_blocks(counts[0]),
        priors=factor_blocks(spark, data.user_prior, counts[0]),
        before=factor_blocks(spark, data.items, counts[1]),
        served=factor_blocks(spark, newer, counts[1]),
        user_blocks=counts[0],
        item_blocks=counts[1],
        shape=SHAPE,
        regularisation=NUMBERS,
        unobserved_weight=alpha0,
    )
    cold = data.n_users // 2
    entries = ((1, 8), (2, 1), (3, 16))
    lists_of = {
        u: [{"position": p, "item_idx": i, "score": float(scores[u, i]), "source": "warm"} for p, i in entries]
        for u in (0, 5, cold)
    }
    own = reason_facts.blocks_of(model, lists_of)
    assert own.ratings.count() == len({user % counts[0] for user in lists_of})
    with arrow_batch(spark, BLOCKS_PER_BATCH):
        lists = reason_facts.lists_table(own, lists_of)
        with explain.reasons(own, lists, n=3, n_users=data.n_users, broadcast_bytes=BROADCAST) as parts:
            found = reason_facts.reasons(parts, lists_of)
    for user, rows in found.items():
        for (_, item), row in zip(entries, rows, strict=True):
            total = sum(row[kind] for kind in ("item", "ratings", "prior", "rest"))
            assert total == pytest.approx(scores[user, item], abs=1e-4), (user, row)
            # with offsets, unobserved pairs have a part; otherwise only rounding is left
            assert alpha0 > 0 or row["rest"] == pytest.approx(0.0, abs=2e-4), (user, row)
            assert [one["part"] for one in row["top"]] == sorted((one["part"] for one in row["top"]), reverse=True)
    assert all(row["ratings"] == 0 and not row["top"] and abs(row["rest"]) < 2e-4 for row in found[cold])
    named = {one["item_idx"] for row in found[5] for one in row["top"]}
    assert named and named <= set(np.flatnonzero(data.observed[5]))


def test_users_of_every_kind_are_sampled_and_the_most_active_first(spark):
    lists = [(f"u{n}", 1, "t1", "warm" if n < 30 else "cold" if n < 36 else "popular") for n in range(40)]
    ratings = [(f"u{n}", f"t{i}") for n in range(30) for i in range(n + 1)]
    rows = people_facts.sample_people(
        table(spark, lists, "user_id string, position int, item_id string, source string"),
        data_facts.ratings_per(table(spark, ratings, "user_id string, item_id string"), "user_id"),
        n=20,
        seed=1,
    )
    assert rows[0]["user_id"] == "u29" and rows[0]["ratings"] == 30
    assert {row["source"] for row in rows} == {"warm", "cold", "popular"}
    assert len(rows) <= 20


def test_items_without_a_title_are_shown_by_their_id(spark):
    items = table(
        spark,
        [("a", "One", ["x", "y"], "Who"), ("b", " ", [], None), ("c", None, None, "Me")],
        "item_id string, title string, tags array<string>, artist string",
    )
    index = table(spark, [("a", 0), ("b", 1), ("c", 2), ("d", 3)], "item_id string, item_idx int")
    settings = ReportSettings(title_field="title", label_fields=["artist", "tags"], group_field="tags")
    rows = {row["item_id"]: row for row in item_names(items, index, settings).collect()}
    assert {name: row["title"] for name, row in rows.items()} == {"a": "One", "b": "b", "c": "c", "d": "d"}
    assert rows["a"]["label"] == "Who · x" and rows["a"]["group"] == "x"
    assert rows["b"]["label"] == rows["d"]["label"] == "" and rows["b"]["group"] is None


def test_a_field_is_cut_into_its_values_and_numbers_at_their_quartiles(spark):
    users = table(
        spark,
        [(f"u{n}", n + 20, "f" if n % 3 else None, ["a", "b"] if n == 1 else ["b"]) for n in range(12)],
        "user_id string, age int, gender string, tags array<string>",
    )
    index = table(spark, [(f"u{n}", n) for n in range(13)], "user_id string, user_idx int")
    known = field_values(users, index, "user_idx", np.array([12, 1, 3, 5]), ["age", "gender", "tags"])
    assert list(known.index) == [12, 1, 3, 5]
    found = {field: {value: own.tolist() for value, own in slices(known[field]).items()} for field in known}
    assert found["gender"] == {"f": [False, True, False, True], "unknown": [True, False, True, False]}
    assert found["tags"]["b"] == [False, True, True, True] and found["tags"]["a"] == [False, True, False, False]
    assert list(found["age"]) == ["21", "23", "25", "unknown"]
    ages = slices(field_values(users, index, "user_idx", np.arange(13), ["age"])["age"])
    assert list(ages) == ["≤ 22", "> 22, ≤ 25", "> 25, ≤ 28", "> 28", "unknown"]
    assert [int(own.sum()) for own in ages.values()] == [3, 3, 3, 3, 1]


def test_rare_values_of_a_field_share_a_slice():
    values = pd.Series([f"v{n}" for n in range(12)] + ["v0", "v1"])
    found = slices(values)
    assert len(found) == VALUES + 1 and list(found)[-1] == OTHER and list(found)[:2] == ["v0", "v1"]
    assert sum(int(own.sum()) for own in found.values()) == len(values)


def test_the_value_unknown_and_missing_values_share_a_slice():
    found = slices(pd.Series(["unknown", None, "f"]))
    assert {value: own.tolist() for value, own in found.items()} == {
        "f": [False, False, True],
        "unknown": [True, True, False],
    }


def test_ratings_users_items_and_fields_are_counted(spark):
    rows = [("u1", "a", 4.0, "2025-01-01 10:00:00"), ("u1", "b", 5.0, "2025-01-02 10:00:00"), ("u2", "a", 5.0, None)]
    ratings = table(spark, rows, "user_id string, item_id string, rating float, at string").selectExpr(
        "user_id", "item_id", "rating", "cast(at as timestamp) as rated_at"
    )
    assert data_facts.rating_values(ratings) == [{"low": 4.0, "high": 4.0, "n": 1}, {"low": 5.0, "high": 5.0, "n": 2}]
    assert data_facts.ratings_by_day(ratings) == [{"day": "2025-01-01", "n": 1}, {"day": "2025-01-02", "n": 1}]
    per_user, per_item = (data_facts.ratings_per(ratings, side) for side in ("user_id", "item_id"))
    assert data_facts.count_levels(per_user) == [
        {"level": 0, "ratings": 1, "n": 1},
        {"level": 2, "ratings": 2, "n": 1},
    ]
    items = table(spark, [("a", "folk", []), ("b", None, ["x"])], "item_id string, genre string, tags array<string>")
    coverage = data_facts.field_coverage(items, "item_id", per_item)
    assert coverage["genre"] == {"entities": 0.5, "ratings": pytest.approx(2 / 3)}
    assert coverage["tags"] == {"entities": 0.5, "ratings": pytest.approx(1 / 3)}
    groups = table(spark, [("a", "folk"), ("b", "rock"), ("c", "jazz")], "item_id string, group string")
    assert data_facts.group_shares(per_item, groups) == {"folk": pytest.approx(2 / 3), "rock": pytest.approx(1 / 3)}
    many = spark.range(100).selectExpr("cast(id as float) / 10 as rating")
    bins = data_facts.rating_values(many)
    assert len(bins) == data_facts.BINS and sum(row["n"] for row in bins) == 100


def test_rejects_come_with_examples_of_bounded_length(spark):
    rows = [("log", "f", "no time", "a" * 900), ("log", "f", "no time", "b"), ("log", "f", "no user", "c")]
    found = data_facts.reject_examples(
        table(spark, rows, "source string, source_file string, reason string, record string")
    )
    assert [(row["reason"], row["rows"], len(row["examples"])) for row in found] == [
        ("no time", 2, 2),
        ("no user", 1, 1),
    ]
    assert max(len(text) for row in found for text in row["examples"]) < 300


def test_lists_of_equal_tracks_are_not_diverse(spark):
    names = table(
        spark, [("a", 0, "A", "x", "g"), ("b", 1, "B", "y", "h"), ("c", 2, "C", "x", "g")],
        "item_id string, item_idx int, title string, label string, group string",
    )  # fmt: skip
    train = table(spark, [(0, 0), (1, 0), (2, 1)], "user_idx int, item_idx int")
    lists = {
        "same": table(spark, [(0, 1, 0), (0, 2, 2)], "user_idx int, position int, item_idx int"),
        "other": table(spark, [(0, 1, 0), (0, 2, 1)], "user_idx int, position int, item_idx int"),
    }
    positions = lists_facts.list_positions(
        lists, spark.range(3).selectExpr("cast(id as int) user_idx"), names, train, k=2
    )
    factors = {0: np.array([1.0, 0.0]), 1: np.array([0.0, 2.0]), 2: np.array([3.0, 0.0])}
    facts = lists_facts.list_facts(positions, factors, users=3)
    assert facts["same"]["diversity"] == pytest.approx(0.0) and facts["other"]["diversity"] == pytest.approx(1.0)
    assert (facts["same"]["labels"], facts["other"]["labels"]) == (1.0, 2.0)
    # item 0 has two ratings of three users, item 2 none: −log2 3/4 and −log2 1/4
    assert facts["same"]["novelty"] == pytest.approx((np.log2(4 / 3) + 2.0) / 2)


def test_later_targets_are_new_pairs_of_users_with_a_list(spark):
    pair = "user_idx int, item_idx int"
    later = table(spark, [(0, 1), (0, 1), (0, 2), (1, 1), (2, 5)], pair)
    seen, lists = table(spark, [(0, 2), (1, 3)], pair), table(spark, [(0, 9), (0, 8), (1, 9)], pair)
    found = {tuple(row) for row in later_targets(later, seen, lists).collect()}
    assert found == {(0, 1), (1, 1)}, "(0, 2) was seen before, user 2 has no list"
    repeats = {tuple(row) for row in later_targets(later, None, lists).collect()}
    assert repeats == {(0, 1), (0, 2), (1, 1)}, "lists may hold seen tracks"


def test_popularity_lists_skip_what_a_user_has_seen():
    rows = unseen_popular(np.array([7, 3, 5, 9]), {0: [3], 1: []}, k=2)
    assert rows == [(0, 7, 1), (0, 5, 2), (1, 7, 1), (1, 3, 2)]
