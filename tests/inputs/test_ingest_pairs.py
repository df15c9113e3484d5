"""Several ratings of a pair become one, whatever their order; each policy against a plain Python loop."""

from datetime import datetime

import pytest

from bgmrec.ingest.pairs import merge_pairs, without_duplicates

SCHEMA = (
    "state string, user_id string, item_id string, rating double, weight double, rated_at timestamp,"
    " _source_position int, __bgmrec_digest_a long, __bgmrec_digest_b int"
)
EARLY, NOON, LATE = datetime(2024, 3, 1, 8), datetime(2024, 3, 1, 12), datetime(2024, 3, 2, 8)


def merged(spark, rows, policy, held_out_from=None, partitions=3):
    numbered = [("kept", *row, n if digest is None else digest, 0) for n, (*row, digest) in enumerate(rows)]
    df = spark.createDataFrame(numbered, SCHEMA).repartition(partitions)
    found = merge_pairs(without_duplicates(df), policy, held_out_from).collect()
    return {(row.user_id, row.item_id): (row.rating, row.weight, row.rated_at) for row in found}


# user, item, rating, weight, time, place of the source, digest
ROWS = [
    ("a", "x", 3.0, 1.0, NOON, 0, None),
    ("a", "x", 5.0, 2.0, EARLY, 1, None),
    ("a", "x", 5.0, 4.0, LATE, 0, None),
    ("a", "y", 2.0, 1.0, None, 0, None),
    ("a", "y", 1.0, 1.0, None, 1, None),
    ("b", "x", 4.0, 1.0, None, 1, None),
    ("b", "x", 1.0, 3.0, EARLY, 0, None),
    ("b", "y", 2.0, 1.0, NOON, 0, None),
    ("b", "y", 3.0, 1.0, NOON, 0, None),
]


@pytest.mark.parametrize("partitions", [1, 7])
@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]])
def test_last_keeps_the_newest_and_settles_ties_without_row_order(spark, rows, partitions):
    assert merged(spark, rows, "last", partitions=partitions) == {
        ("a", "x"): (5.0, 4.0, LATE),
        ("a", "y"): (1.0, 1.0, None),  # no times: the later source
        ("b", "x"): (1.0, 3.0, EARLY),  # a row with a time is newer than one without
        ("b", "y"): (3.0, 1.0, NOON),  # same time and source: the higher rating
    }


@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1]])
def test_max_keeps_the_highest_at_the_first_time_it_was_given(spark, rows):
    assert merged(spark, rows, "max") == {
        ("a", "x"): (5.0, 2.0, EARLY),
        ("a", "y"): (2.0, 1.0, None),
        ("b", "x"): (4.0, 1.0, None),
        ("b", "y"): (3.0, 1.0, NOON),
    }


def test_sum_adds_weights_from_the_first_time_on(spark):
    assert merged(spark, ROWS, "sum") == {
        ("a", "x"): (5.0, 7.0, EARLY),
        ("a", "y"): (2.0, 2.0, None),
        ("b", "x"): (4.0, 4.0, None),
        ("b", "y"): (3.0, 2.0, NOON),
    }


def test_held_out_days_add_nothing_to_pairs_known_before(spark):
    rows = [*ROWS, ("c", "x", 1.0, 2.0, LATE, 0, None), ("c", "x", 1.0, 2.0, LATE, 1, None)]
    found = merged(spark, rows, "sum", held_out_from=LATE)
    assert found["a", "x"] == (5.0, 3.0, EARLY)  # 1 + 2: the 4 of the held-out day is not seen
    assert found["c", "x"] == (1.0, 4.0, LATE)  # first seen there: it is held out itself, whole


def test_exact_duplicates_are_summed_once(spark):
    rows = [("a", "x", 1.0, 2.0, NOON, 0, 9), ("a", "x", 1.0, 2.0, NOON, 0, 9), ("a", "x", 1.0, 2.0, NOON, 1, 9)]
    assert merged(spark, rows, "sum") == {("a", "x"): (1.0, 4.0, NOON)}


def test_only_kept_rows_count(spark):
    df = spark.createDataFrame([("filtered", "a", "x", 1.0, 1.0, NOON, 0, 1, 1)], SCHEMA)
    assert merge_pairs(without_duplicates(df), "last").count() == 0
