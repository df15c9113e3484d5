"""Readers see the old version or the new one: through the catalogue, and by path through the manifests."""

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
from bgmrec.publish import contracts
from bgmrec.publish.catalogue import Catalogue
from bgmrec.publish.versions import LATEST, MANIFESTS, Shelf
from bgmrec.storage.schemas import TABLES
from bgmrec.storage.tables import Tables

DAY_BEFORE, DS, DAY_AFTER = "2025-01-30", "2025-01-31", "2025-02-01"
DATABASE = "shelf_test"


@pytest.fixture
def shelf(spark: SparkSession, tmp_path: Path) -> Shelf:
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    return Shelf(Tables(spark, f"file://{tmp_path}/published"), DATABASE)


def lists(spark: SparkSession, run_id: str, users: int, ds: str = DS) -> DataFrame:
    rows = [(ds, f"u{u}", 1, "m1", 0.5, "warm", run_id) for u in range(users)]
    return spark.createDataFrame(
        rows, "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
    )


def record(shelf: Shelf, run_id: str, users: int, ds: str = DS) -> dict[str, Any]:
    """A staged version, ready to be switched to."""
    location = shelf.stage(lists(shelf.tables.spark, run_id, users, ds), "recommendations", ds, run_id)
    tables = {"recommendations": {"location": location, "rows": users}}
    return {"ds": ds, "run_id": run_id, "tables": tables, "model": {"run_id": run_id}}


def publish(shelf: Shelf, run_id: str, users: int, ds: str = DS) -> None:
    shelf.switch(record(shelf, run_id, users, ds))


def seen(shelf: Shelf, where: str = f"recommendations WHERE ds = '{DS}'") -> tuple[set[str], int]:
    rows = shelf.tables.spark.sql(f"SELECT run_id FROM {DATABASE}.{where}").collect()
    return {row.run_id for row in rows}, len(rows)


def current(shelf: Shelf) -> tuple[set[str], int]:
    return seen(shelf, "recommendations_current")


def latest_by_path(shelf: Shelf) -> tuple[set[str], int]:
    """What a reader without Spark sees."""
    root = Path(shelf.tables.root.removeprefix("file://"))
    manifest = json.loads((root / "_manifests" / "latest.json").read_text())
    rows = pd.read_parquet(manifest["tables"]["recommendations"]["location"].removeprefix("file:"))
    assert {manifest["run_id"], manifest["model"]["run_id"]} == set(rows["run_id"])
    return set(rows["run_id"]), len(rows)


def test_a_rerun_replaces_the_partition_for_both_kinds_of_readers(shelf: Shelf) -> None:
    publish(shelf, f"{DS}-001", users=3)
    assert seen(shelf) == current(shelf) == latest_by_path(shelf) == ({f"{DS}-001"}, 3)
    publish(shelf, f"{DS}-002", users=2)
    assert seen(shelf) == current(shelf) == latest_by_path(shelf) == ({f"{DS}-002"}, 2)
    assert {row.run_id for row in shelf.read("recommendations", DS).collect()} == {f"{DS}-002"}
    assert shelf.manifest(DS)["replaced"] == f"{DS}-001"


def test_current_is_the_newest_date_whatever_is_published_after_it(shelf: Shelf) -> None:
    publish(shelf, f"{DS}-001", users=3)
    publish(shelf, f"{DAY_AFTER}-001", users=1, ds=DAY_AFTER)
    publish(shelf, f"{DAY_BEFORE}-001", users=5, ds=DAY_BEFORE)
    publish(shelf, f"{DS}-002", users=2)
    assert seen(shelf) == ({f"{DS}-002"}, 2)
    assert current(shelf) == latest_by_path(shelf) == ({f"{DAY_AFTER}-001"}, 1)
    assert shelf.dates() == [DAY_BEFORE, DS, DAY_AFTER]
    assert shelf.manifest_before(DAY_AFTER)["run_id"] == f"{DS}-002"
    assert shelf.manifest_before(DAY_BEFORE) is None


def test_publishing_deletes_nothing_that_a_reader_may_have_open(shelf: Shelf) -> None:
    runs = [f"{DS}-{number:03d}" for number in (1, 2, 3)]
    publish(shelf, runs[0], users=3)
    opened = shelf.read("recommendations", DS)
    for run_id in runs[1:]:
        publish(shelf, run_id, users=1)
    assert opened.count() == 3
    assert shelf.runs() == runs


def test_what_was_published_is_never_written_over(shelf: Shelf) -> None:
    publish(shelf, f"{DS}-001", users=3)
    with pytest.raises(PublishingError, match="cannot be written over"):
        shelf.stage(lists(shelf.tables.spark, f"{DS}-001", 9), "recommendations", DS, f"{DS}-001")
    assert latest_by_path(shelf) == ({f"{DS}-001"}, 3)


@pytest.mark.parametrize("before", [True, False])
def test_a_catalogue_that_refuses_leaves_the_former_version_published(shelf: Shelf, before: bool) -> None:
    spark = shelf.tables.spark
    if before:
        publish(shelf, f"{DS}-001", users=3)
    spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
    spark.sql(f"CREATE VIEW {DATABASE}.similar_items AS SELECT 1 AS x")  # no table that can take a partition
    made = record(shelf, f"{DS}-002", users=2)
    made["tables"]["similar_items"] = made["tables"]["recommendations"]
    with pytest.raises(PublishingError, match="refused"):
        shelf.switch(made)
    if before:
        assert seen(shelf) == current(shelf) == latest_by_path(shelf) == ({f"{DS}-001"}, 3)
    else:
        assert seen(shelf) == (set(), 0)
        assert shelf.manifest(DS) is None and shelf.latest() is None
    spark.sql(f"DROP VIEW {DATABASE}.similar_items")
    del made["tables"]["similar_items"]
    shelf.switch(made)
    assert seen(shelf) == current(shelf) == latest_by_path(shelf) == ({f"{DS}-002"}, 2)


# where the switch dies: method, and the folder whose document is not written any more
STEPS: dict[str, tuple[type, str, str]] = {
    "before the record": (Tables, "write_json", "runs"),
    "before the manifest": (Tables, "write_json", MANIFESTS),
    "before latest": (Shelf, "_point", ""),
    "before the partition": (Catalogue, "set_partition", ""),
    "before the view": (Catalogue, "set_current", ""),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupted_switch_ends_in_the_same_state_when_it_is_called_again(
    shelf: Shelf, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(shelf, f"{DS}-001", users=3)
    made = record(shelf, f"{DS}-002", users=2)
    owner, name, place = STEPS[step]
    real = getattr(owner, name)

    def dies(self: Any, *arguments: Any) -> Any:
        if place and not self.root.endswith(place):
            return real(self, *arguments)
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, dies)
        with pytest.raises(RuntimeError, match="killed"):
            shelf.switch(made)
    whole = [({f"{DS}-001"}, 3), ({f"{DS}-002"}, 2)]
    assert seen(shelf) in whole and current(shelf) in whole and latest_by_path(shelf) in whole
    shelf.switch(made)
    assert seen(shelf) == current(shelf) == latest_by_path(shelf) == whole[1]
    assert shelf.manifest(DS)["replaced"] == f"{DS}-001"


@pytest.mark.parametrize("step", ["before latest", "before the view"])
def test_two_dates_that_are_published_at_once_leave_the_newer_one_current(
    shelf: Shelf, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = record(shelf, f"{DS}-001", 3), record(shelf, f"{DAY_AFTER}-001", 1, DAY_AFTER)
    owner, name = {"before latest": (Shelf, "_write"), "before the view": (Catalogue, "set_current")}[step]
    real = getattr(owner, name)

    def meanwhile(self: Any, *arguments: Any) -> Any:
        if owner is Catalogue or arguments[1] == LATEST:
            monkeypatch.setattr(owner, name, real)
            shelf.switch(newer)
        return real(self, *arguments)

    monkeypatch.setattr(owner, name, meanwhile)
    shelf.switch(older)
    assert current(shelf) == latest_by_path(shelf) == ({f"{DAY_AFTER}-001"}, 1)
    assert seen(shelf) == ({f"{DS}-001"}, 3)


@contextmanager
def polling(*readers: Any) -> Iterator[list[tuple[set[str], int]]]:
    """What readers saw that never stopped reading."""
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


def test_readers_that_poll_see_whole_versions_only(shelf: Shelf) -> None:
    sizes = {f"{DS}-00{n}": 50 + n for n in range(1, 5)}
    publish(shelf, f"{DS}-001", users=sizes[f"{DS}-001"])
    with polling(lambda: seen(shelf), lambda: current(shelf), lambda: latest_by_path(shelf)) as observed:
        for run_id in list(sizes)[1:]:
            publish(shelf, run_id, users=sizes[run_id])
    assert len(observed) > 9
    for run_ids, rows in observed:
        assert len(run_ids) == 1 and sizes[run_ids.pop()] == rows


def test_a_table_of_an_older_contract_gains_the_new_columns(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = contracts.RECOMMENDATIONS
    short = t.StructType([field for field in newer.schema if field.name != "source"])
    older = replace(newer, schema=short, model_sources=())
    with monkeypatch.context() as patched:
        patched.setitem(contracts.CONTRACTS, "recommendations", older)
        patched.setitem(TABLES, "recommendations", short)
        publish(shelf, f"{DS}-001", users=3)
        with_old = shelf.tables.spark.table(f"{DATABASE}.recommendations_current").columns
    publish(shelf, f"{DAY_AFTER}-001", users=2, ds=DAY_AFTER)
    rows = shelf.tables.spark.sql(f"SELECT ds, source FROM {DATABASE}.recommendations").collect()
    assert sorted((row.ds, row.source) for row in rows) == [(DS, None)] * 3 + [(DAY_AFTER, "warm")] * 2
    old_query = f"SELECT {', '.join(with_old)} FROM {DATABASE}.recommendations WHERE ds = '{DS}'"
    assert shelf.tables.spark.sql(old_query).count() == 3
    assert shelf.tables.spark.table(f"{DATABASE}.recommendations_current").columns == newer.schema.names


def test_a_column_of_another_type_is_refused(shelf: Shelf) -> None:
    spark = shelf.tables.spark
    spark.sql(f"CREATE DATABASE {DATABASE}")
    spark.sql(f"CREATE TABLE {DATABASE}.recommendations (score string, ds string) USING PARQUET PARTITIONED BY (ds)")
    with pytest.raises(PublishingError) as caught:
        publish(shelf, f"{DS}-001", users=1)
    assert "column score" in caught.value.found
    assert shelf.manifest(DS) is None


def test_dates_after_one_can_be_withdrawn_and_come_back(shelf: Shelf) -> None:
    publish(shelf, f"{DS}-001", users=3)
    publish(shelf, f"{DAY_AFTER}-001", users=1, ds=DAY_AFTER)
    assert shelf.withdraw_after(DS) == [DAY_AFTER]
    assert current(shelf) == latest_by_path(shelf) == ({f"{DS}-001"}, 3)
    assert seen(shelf, "recommendations") == ({f"{DS}-001"}, 3)
    shelf.switch(shelf.record(f"{DAY_AFTER}-001"))
    assert current(shelf) == latest_by_path(shelf) == ({f"{DAY_AFTER}-001"}, 1)


def test_without_a_catalogue_files_alone_are_switched(shelf: Shelf) -> None:
    plain = replace(shelf, database=None)
    publish(plain, f"{DS}-001", users=3)
    publish(plain, f"{DAY_AFTER}-001", users=1, ds=DAY_AFTER)
    assert plain.withdraw_after(DS) == [DAY_AFTER]
    assert latest_by_path(plain) == ({f"{DS}-001"}, 3)


def test_published_files_take_the_mode_of_the_settings(shelf: Shelf) -> None:
    guarded = replace(shelf, database=None, mode="640")
    publish(guarded, f"{DS}-001", users=3)
    root = Path(shelf.tables.root.removeprefix("file://"))
    version = root / "recommendations" / f"ds={DS}" / f"run_id={DS}-001"
    documents = list((root / MANIFESTS).rglob("*.json"))
    assert {path.stat().st_mode & 0o777 for path in (*version.iterdir(), *documents)} == {0o640}
    assert version.stat().st_mode & 0o777 == 0o750
    assert len(documents) == 3 and latest_by_path(guarded) == ({f"{DS}-001"}, 3)


def test_nothing_published_is_a_clear_error(shelf: Shelf) -> None:
    with pytest.raises(PublishingError, match="nothing is published"):
        shelf.read("recommendations", DS)
