"""Readers of the catalogue and of the manifests see the previous version or the new one, never a mix."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t

from bgmrec.errors import PublishingError
from bgmrec.publish import contracts, promotion
from bgmrec.publish.catalogue import Catalogue
from bgmrec.publish.promotion import promote, unpublish_after
from bgmrec.publish.versions import LATEST, MANIFESTS, Versions
from bgmrec.storage.schemas import TABLES
from bgmrec.storage.tables import Tables

DAY_BEFORE, DS, DAY_AFTER = "2025-01-30", "2025-01-31", "2025-02-01"
DATABASE = "publish_test"


@pytest.fixture
def versions(spark: SparkSession, tmp_path: Path) -> Versions:
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    return Versions(Tables(spark, f"file://{tmp_path}/published"), DATABASE)


def lists(spark: SparkSession, run_id: str, users: int, ds: str = DS) -> DataFrame:
    rows = [(ds, f"u{u}", 1, "m1", 0.5, "warm", run_id) for u in range(users)]
    return spark.createDataFrame(
        rows, "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
    )


def record(versions: Versions, run_id: str, users: int, ds: str = DS) -> dict[str, Any]:
    """The record of a staged version, ready to be promoted."""
    location = versions.stage(lists(versions.tables.spark, run_id, users, ds), "recommendations", ds, run_id)
    tables = {"recommendations": {"location": location, "rows": users}}
    return {"ds": ds, "run_id": run_id, "tables": tables, "model": {"run_id": run_id}}


def publish(versions: Versions, run_id: str, users: int, ds: str = DS) -> None:
    promote(versions, record(versions, run_id, users, ds))


def by_date(versions: Versions, where: str = f"recommendations WHERE ds = '{DS}'") -> tuple[set[str], int]:
    rows = versions.tables.spark.sql(f"SELECT run_id FROM {DATABASE}.{where}").collect()
    return {row.run_id for row in rows}, len(rows)


def current(versions: Versions) -> tuple[set[str], int]:
    return by_date(versions, "recommendations_current")


def latest_by_path(versions: Versions) -> tuple[set[str], int]:
    """What a reader without Spark sees."""
    root = Path(versions.tables.root.removeprefix("file://"))
    manifest = json.loads((root / "_manifests" / "latest.json").read_text())
    rows = pd.read_parquet(manifest["tables"]["recommendations"]["location"])
    assert {manifest["run_id"], manifest["model"]["run_id"]} == set(rows["run_id"])
    return set(rows["run_id"]), len(rows)


def test_a_rerun_replaces_the_partition_for_both_kinds_of_readers(versions: Versions) -> None:
    publish(versions, f"{DS}-001", users=3)
    assert by_date(versions) == current(versions) == latest_by_path(versions) == ({f"{DS}-001"}, 3)
    publish(versions, f"{DS}-002", users=2)
    assert by_date(versions) == current(versions) == latest_by_path(versions) == ({f"{DS}-002"}, 2)
    assert {row.run_id for row in versions.read("recommendations", DS).collect()} == {f"{DS}-002"}
    assert versions.manifest(DS)["replaced"] == f"{DS}-001"


def test_current_is_the_newest_date_whatever_is_published_after_it(versions: Versions) -> None:
    publish(versions, f"{DS}-001", users=3)
    publish(versions, f"{DAY_AFTER}-001", users=1, ds=DAY_AFTER)
    publish(versions, f"{DAY_BEFORE}-001", users=5, ds=DAY_BEFORE)
    publish(versions, f"{DS}-002", users=2)
    assert by_date(versions) == ({f"{DS}-002"}, 2)
    assert current(versions) == latest_by_path(versions) == ({f"{DAY_AFTER}-001"}, 1)
    assert versions.dates() == [DAY_BEFORE, DS, DAY_AFTER]
    assert versions.manifest_before(DAY_AFTER)["run_id"] == f"{DS}-002"
    assert versions.manifest_before(DAY_BEFORE) is None


def test_publishing_deletes_no_replaced_version(versions: Versions) -> None:
    runs = [f"{DS}-{number:03d}" for number in (1, 2, 3)]
    publish(versions, runs[0], users=3)
    opened = versions.read("recommendations", DS)
    for run_id in runs[1:]:
        publish(versions, run_id, users=1)
    assert opened.count() == 3
    assert versions.runs() == runs


def test_a_published_version_is_never_overwritten(versions: Versions) -> None:
    publish(versions, f"{DS}-001", users=3)
    with pytest.raises(PublishingError, match="never overwritten"):
        versions.stage(lists(versions.tables.spark, f"{DS}-001", 9), "recommendations", DS, f"{DS}-001")
    assert latest_by_path(versions) == ({f"{DS}-001"}, 3)


@pytest.mark.parametrize("before", [True, False])
def test_a_catalogue_that_refuses_leaves_the_previous_version_published(versions: Versions, before: bool) -> None:
    spark = versions.tables.spark
    if before:
        publish(versions, f"{DS}-001", users=3)
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    spark.sql(f"CREATE VIEW {DATABASE}.similar_items AS SELECT 1 AS x")  # a view cannot take a partition
    second = record(versions, f"{DS}-002", users=2)
    second["tables"]["similar_items"] = second["tables"]["recommendations"]
    with pytest.raises(PublishingError, match="refused"):
        promote(versions, second)
    if before:
        assert by_date(versions) == current(versions) == latest_by_path(versions) == ({f"{DS}-001"}, 3)
    else:
        assert by_date(versions) == (set(), 0)
        assert versions.manifest(DS) is None and versions.latest() is None
    spark.sql(f"DROP VIEW {DATABASE}.similar_items")
    del second["tables"]["similar_items"]
    promote(versions, second)
    assert by_date(versions) == current(versions) == latest_by_path(versions) == ({f"{DS}-002"}, 2)


# where promoting is killed: function, and the folder whose document is not written
STEPS: dict[str, tuple[Any, str, str]] = {
    "before the record": (Tables, "write_json", "runs"),
    "before the manifest": (Tables, "write_json", MANIFESTS),
    "before latest": (promotion, "_update_latest", ""),
    "before the partition": (Catalogue, "set_partition", ""),
    "before the view": (Catalogue, "set_current", ""),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_promotion_ends_in_the_same_state_when_it_is_repeated(
    versions: Versions, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(versions, f"{DS}-001", users=3)
    second = record(versions, f"{DS}-002", users=2)
    owner, name, store = STEPS[step]
    real = getattr(owner, name)

    def killed(self: Any, *arguments: Any) -> Any:
        if store and not self.root.endswith(store):
            return real(self, *arguments)
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        with pytest.raises(RuntimeError, match="killed"):
            promote(versions, second)
    whole = [({f"{DS}-001"}, 3), ({f"{DS}-002"}, 2)]
    assert by_date(versions) in whole and current(versions) in whole and latest_by_path(versions) in whole
    promote(versions, second)
    assert by_date(versions) == current(versions) == latest_by_path(versions) == whole[1]
    assert versions.manifest(DS)["replaced"] == f"{DS}-001"


@pytest.mark.parametrize("step", ["before latest", "before the view"])
def test_of_two_dates_published_at_once_the_newer_one_is_current(
    versions: Versions, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = record(versions, f"{DS}-001", 3), record(versions, f"{DAY_AFTER}-001", 1, DAY_AFTER)
    owner, name = {"before latest": (Tables, "write_json"), "before the view": (Catalogue, "set_current")}[step]
    real = getattr(owner, name)

    def meanwhile(self: Any, *arguments: Any) -> Any:
        if owner is Catalogue or arguments[0] == LATEST:
            monkeypatch.setattr(owner, name, real)
            promote(versions, newer)
        return real(self, *arguments)

    monkeypatch.setattr(owner, name, meanwhile)
    promote(versions, older)
    assert current(versions) == latest_by_path(versions) == ({f"{DAY_AFTER}-001"}, 1)
    assert by_date(versions) == ({f"{DS}-001"}, 3)


@contextmanager
def polling(*readers: Any) -> Iterator[list[tuple[set[str], int]]]:
    """Everything that readers see who poll inside the block."""
    observed: list[tuple[set[str], int]] = []
    failures: list[Exception] = []
    over = threading.Event()

    def poll(read: Any) -> None:
        try:
            while not over.is_set():
                observed.append(read())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=poll, args=(read,)) for read in readers]
    for thread in threads:
        thread.start()
    try:
        yield observed
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures, "\n".join(map(str, failures))


def test_readers_that_poll_see_whole_versions_only(versions: Versions) -> None:
    sizes = {f"{DS}-00{n}": 50 + n for n in range(1, 5)}
    publish(versions, f"{DS}-001", users=sizes[f"{DS}-001"])
    with polling(lambda: by_date(versions), lambda: current(versions), lambda: latest_by_path(versions)) as observed:
        for run_id in list(sizes)[1:]:
            publish(versions, run_id, users=sizes[run_id])
    assert len(observed) > 9
    for run_ids, rows in observed:
        assert len(run_ids) == 1 and sizes[run_ids.pop()] == rows


def test_a_table_of_an_older_contract_gains_the_new_columns(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = contracts.RECOMMENDATIONS
    short = t.StructType([field for field in newer.schema if field.name != "source"])
    older = replace(newer, schema=short, model_sources=())
    with monkeypatch.context() as patched:
        patched.setitem(contracts.CONTRACTS, "recommendations", older)
        patched.setitem(TABLES, "recommendations", short)
        publish(versions, f"{DS}-001", users=3)
        with_old = versions.tables.spark.table(f"{DATABASE}.recommendations_current").columns
    publish(versions, f"{DAY_AFTER}-001", users=2, ds=DAY_AFTER)
    rows = versions.tables.spark.sql(f"SELECT ds, source FROM {DATABASE}.recommendations").collect()
    assert sorted((row.ds, row.source) for row in rows) == [(DS, None)] * 3 + [(DAY_AFTER, "warm")] * 2
    old_query = f"SELECT {', '.join(with_old)} FROM {DATABASE}.recommendations WHERE ds = '{DS}'"
    assert versions.tables.spark.sql(old_query).count() == 3
    assert versions.tables.spark.table(f"{DATABASE}.recommendations_current").columns == newer.schema.names


def test_a_table_that_is_no_longer_published_leaves_the_catalogue_with_its_date(versions: Versions) -> None:
    """Else its partition and its view would point to files that jobs/retain.py deletes."""
    spark = versions.tables.spark
    publish(versions, f"{DAY_BEFORE}-001", users=1, ds=DAY_BEFORE)
    first = record(versions, f"{DS}-001", users=3)
    columns = "ds string, item_id string, position int, similar_item_id string, score float, run_id string"
    rows = spark.createDataFrame([(DS, "m1", 1, "m2", 0.5, f"{DS}-001")], columns)
    location = versions.stage(rows, "similar_items", DS, f"{DS}-001")
    first["tables"]["similar_items"] = {"location": location, "rows": 1}
    promote(versions, first)
    assert by_date(versions, "similar_items") == by_date(versions, "similar_items_current") == ({f"{DS}-001"}, 1)
    publish(versions, f"{DS}-002", users=2)
    assert by_date(versions, "similar_items") == (set(), 0)
    assert not spark.catalog.tableExists(f"{DATABASE}.similar_items_current")
    assert by_date(versions) == current(versions) == ({f"{DS}-002"}, 2)
    promote(versions, versions.record(f"{DS}-001"), rolled_back=True)
    assert by_date(versions, "similar_items") == by_date(versions, "similar_items_current") == ({f"{DS}-001"}, 1)


def test_a_column_of_another_type_is_refused(versions: Versions) -> None:
    spark = versions.tables.spark
    spark.sql(f"CREATE DATABASE {DATABASE}")
    spark.sql(f"CREATE TABLE {DATABASE}.recommendations (score string, ds string) USING PARQUET PARTITIONED BY (ds)")
    with pytest.raises(PublishingError) as caught:
        publish(versions, f"{DS}-001", users=1)
    assert "column score" in caught.value.found
    assert versions.manifest(DS) is None


def test_later_dates_can_be_unpublished_and_published_again(versions: Versions) -> None:
    publish(versions, f"{DS}-001", users=3)
    publish(versions, f"{DAY_AFTER}-001", users=1, ds=DAY_AFTER)
    assert versions.dates_after(DS) == [DAY_AFTER]
    unpublish_after(versions, DS, [DAY_AFTER])
    assert versions.dates_after(DS) == []
    assert current(versions) == latest_by_path(versions) == ({f"{DS}-001"}, 3)
    assert by_date(versions, "recommendations") == ({f"{DS}-001"}, 3)
    promote(versions, versions.record(f"{DAY_AFTER}-001"))
    assert current(versions) == latest_by_path(versions) == ({f"{DAY_AFTER}-001"}, 1)


def test_without_a_catalogue_the_files_are_published(versions: Versions) -> None:
    by_path_only = replace(versions, database=None)
    publish(by_path_only, f"{DS}-001", users=3)
    publish(by_path_only, f"{DAY_AFTER}-001", users=1, ds=DAY_AFTER)
    assert by_path_only.dates_after(DS) == [DAY_AFTER]
    unpublish_after(by_path_only, DS, [DAY_AFTER])
    assert latest_by_path(by_path_only) == ({f"{DS}-001"}, 3)


def test_published_files_take_the_mode_of_the_settings(versions: Versions) -> None:
    with_mode = replace(versions, database=None, mode="640")
    publish(with_mode, f"{DS}-001", users=3)
    root = Path(versions.tables.root.removeprefix("file://"))
    version = root / "recommendations" / f"ds={DS}" / f"run_id={DS}-001"
    documents = list((root / MANIFESTS).rglob("*.json"))
    assert {path.stat().st_mode & 0o777 for path in (*version.iterdir(), *documents)} == {0o640}
    assert version.stat().st_mode & 0o777 == 0o750
    assert len(documents) == 3 and latest_by_path(with_mode) == ({f"{DS}-001"}, 3)


def test_reading_an_unpublished_date_is_a_clear_error(versions: Versions) -> None:
    with pytest.raises(PublishingError, match="nothing is published"):
        versions.read("recommendations", DS)
