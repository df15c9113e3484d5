"""Permuted side information: every set of fields once, none or few where they were, whatever the partitioning."""

from __future__ import annotations

from bgmrec.study.permuted import permuted


def entities(spark, n, partitions):
    rows = [(f"u{number}", f"field of {number}", number) for number in range(n)]
    return spark.createDataFrame(rows, "user_id string, field string, number int").repartition(partitions)


def as_dict(df):
    return {row["user_id"]: (row["field"], row["number"]) for row in df.collect()}


def test_every_set_of_fields_is_given_once_and_stays_together(spark):
    found = as_dict(permuted(entities(spark, 200, 3), "user_id", seed=1))
    assert set(found) == {f"u{number}" for number in range(200)}
    assert sorted(found.values()) == sorted((f"field of {number}", number) for number in range(200))


def test_hardly_anybody_keeps_their_own_fields(spark):
    found = as_dict(permuted(entities(spark, 200, 3), "user_id", seed=1))
    kept = sum(user == f"u{number}" for user, (_, number) in found.items())
    assert kept <= 6  # of a random permutation one on average


def test_the_seed_decides_and_the_partitioning_does_not(spark):
    first, same, other = (
        as_dict(permuted(entities(spark, 50, parts), "user_id", seed)) for parts, seed in ((1, 1), (7, 1), (7, 2))
    )
    assert first == same
    assert first != other
