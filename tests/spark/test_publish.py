"""Readers see the old version or the new one: through the catalogue, and by path through the manifest."""

import threading
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from bgmrec import files
from bgmrec.errors import PublishingError
from bgmrec.publish import Shelf
from bgmrec.tables import Tables

DS = "2025-01-31"
DATABASE = "shelf_test"


@pytest.fixture
def shelf(spark: SparkSession, tmp_path: Path) -> Shelf:
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    return Shelf(Tables(spark, f"file://{tmp_path}/published"))


def lists(spark: SparkSession, run_id: str, users: int, ds: str = DS) -> DataFrame:
    rows = [(ds, f"u{u}", 1, "m1", 0.5, "warm", run_id) for u in range(users)]
    return spark.createDataFrame(
        rows, "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
    )


def publish(shelf: Shelf, run_id: str, users: int, ds: str = DS) -> None:
    location = shelf.stage(lists(shelf.tables.spark, run_id, users, ds), "recommendations", ds, run_id)
    shelf.switch(ds, run_id, {"recommendations": {"location": location, "rows": users}}, DATABASE)


def seen(shelf: Shelf, ds: str = DS) -> tuple[set[str], int]:
    rows = shelf.tables.spark.sql(f"SELECT run_id FROM {DATABASE}.recommendations WHERE ds = '{ds}'").collect()
    return {row.run_id for row in rows}, len(rows)


def test_a_rerun_replaces_the_partition_for_both_kinds_of_readers(shelf: Shelf) -> None:
    publish(shelf, "r1", users=3)
    assert seen(shelf) == ({"r1"}, 3)
    publish(shelf, "r2", users=2)
    assert seen(shelf) == ({"r2"}, 2)
    assert {row.run_id for row in shelf.read("recommendations", DS).collect()} == {"r2"}
    assert shelf.manifest(DS)["replaced"] == "r1"


def test_other_dates_stay(shelf: Shelf) -> None:
    publish(shelf, "r1", users=3)
    publish(shelf, "r9", users=1, ds="2025-02-01")
    assert seen(shelf) == ({"r1"}, 3)
    assert shelf.dates() == [DS, "2025-02-01"]
    assert shelf.last_run_before("2025-02-01") == "r1"
    assert shelf.last_run_before(DS) is None


def test_the_replaced_version_stays_for_open_readers_and_the_one_before_goes(shelf: Shelf) -> None:
    for run_id in ("r1", "r2", "r3"):
        publish(shelf, run_id, users=1)
    versions = files.glob(shelf.tables.spark, f"{shelf.tables.root}/recommendations/ds={DS}/run_id=*")
    assert [path.rsplit("=", 1)[-1] for path in versions] == ["r2", "r3"]


def test_a_catalogue_that_refuses_leaves_the_former_version_published(shelf: Shelf) -> None:
    publish(shelf, "r1", users=3)
    spark = shelf.tables.spark
    location = shelf.stage(lists(spark, "r2", 2), "recommendations", DS, "r2")
    spark.sql(f"CREATE VIEW {DATABASE}.similar_items AS SELECT 1 AS x")  # no table that can take a partition
    facts = {"location": location, "rows": 2}
    with pytest.raises(PublishingError, match="refused"):
        shelf.switch(DS, "r2", {"recommendations": facts, "similar_items": facts}, DATABASE)
    assert shelf.manifest(DS)["run_id"] == "r1"
    assert seen(shelf) == ({"r1"}, 3)


def test_a_reader_that_polls_sees_whole_versions_only(shelf: Shelf) -> None:
    sizes = {f"r{n}": 50 + n for n in range(4)}
    publish(shelf, "r0", users=sizes["r0"])
    observed: list[tuple[set[str], int]] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            observed.append(seen(shelf))

    reader = threading.Thread(target=poll)
    reader.start()
    for run_id in ("r1", "r2", "r3"):
        publish(shelf, run_id, users=sizes[run_id])
    stop.set()
    reader.join()
    assert len(observed) > 3
    for run_ids, rows in observed:
        assert len(run_ids) == 1 and sizes[run_ids.pop()] == rows


def test_nothing_published_is_a_clear_error(shelf: Shelf) -> None:
    with pytest.raises(PublishingError, match="nothing is published"):
        shelf.read("recommendations", DS)
