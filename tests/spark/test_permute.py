"""Permuted side information: every set of fields is used once, few stay, the partitioning does not matter."""

from __future__ import annotations

from bgmrec.study.permute import permuted


def entities(spark, n, partitions):
    rows = [(f"u{number}", f"field of {number}", number) for number in range(n)]
    return spark.createDataFrame(rows, "user_id string, field string, number int").repartition(partitions)


def as_dict(df):
    return {row["user_id"]: (row["field"], row["number"]) for row in df.collect()}


def test_every_set_of_fields_is_used_once_and_stays_together(spark):
    fields = as_dict(permuted(entities(spark, 200, 3), "user_id", seed=1))
    assert set(fields) == {f"u{number}" for number in range(200)}
    assert sorted(fields.values()) == sorted((f"field of {number}", number) for number in range(200))


def test_few_entities_keep_their_fields(spark):
    fields = as_dict(permuted(entities(spark, 200, 3), "user_id", seed=1))
    unchanged = sum(user == f"u{number}" for user, (_, number) in fields.items())
    assert unchanged <= 6  # of a random permutation one on average


def test_the_permutation_depends_on_the_seed_alone(spark):
    first, same, other = (
        as_dict(permuted(entities(spark, 50, parts), "user_id", seed)) for parts, seed in ((1, 1), (7, 1), (7, 2))
    )
    assert first == same
    assert first != other
