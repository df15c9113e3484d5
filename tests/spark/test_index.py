"""Dense indices: an id keeps its number, new ones are appended, and partitions decide nothing."""

import pytest

from bgmrec.features.index import all_ids, extend_index


def ids(spark, names, partitions=3):
    return spark.createDataFrame([(name,) for name in names], "item_id string").repartition(partitions)


def index(spark, names, previous=None, partitions=3):
    found = extend_index(ids(spark, names, partitions), previous, "item_id", "item_idx")
    return dict(found.collect()), found


@pytest.mark.parametrize("partitions", [1, 2, 7, 300])
def test_the_first_index_is_dense_and_depends_on_the_ids_alone(spark, partitions):
    names = [f"m{n}" for n in range(100)]
    numbered, _ = index(spark, names, partitions=partitions)
    assert sorted(numbered.values()) == list(range(100))
    again, _ = index(spark, names[::-1] * 2, partitions=2)
    assert numbered == again


def test_a_known_id_keeps_its_number_and_new_ones_follow(spark):
    first, previous = index(spark, ["a", "b", "gone"])
    second, _ = index(spark, ["a", "b", "c", "d"], previous)
    assert {name: second[name] for name in first} == first
    assert sorted([second["c"], second["d"]]) == [3, 4]
    third, _ = index(spark, ["d", "c", "b", "a"], previous, partitions=1)
    assert third == second


def test_nothing_new_changes_nothing(spark):
    first, previous = index(spark, ["a", "b"])
    assert index(spark, [], previous)[0] == first


def test_missing_ids_get_no_number(spark):
    assert index(spark, ["a", None])[0] == {"a": 0}


def test_no_ids_give_an_empty_index(spark):
    assert index(spark, [])[0] == {}


def test_ids_of_all_tables_count_once(spark):
    tables = [ids(spark, ["a", "b"]), ids(spark, ["b", "c"]).selectExpr("1 as rating", "item_id")]
    assert sorted(row.item_id for row in all_ids(tables, "item_id").collect()) == ["a", "b", "c"]
