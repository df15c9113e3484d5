"""Delta and Iceberg tables of the published versions: commits, rollback, retention, conflicts, and every reader."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import types as t

from bgmrec.errors import PublishingError
from bgmrec.publish import contracts
from bgmrec.publish.formats.table import RUN_ID
from bgmrec.publish.promotion import promote, unpublish, unpublish_after
from bgmrec.publish.versions import Versions
from bgmrec.storage.schemas import TABLES
from tests.warehouse.lakes import NAMES, Dates, iceberg_table, make_versions, newest, read
from tests.warehouse.versions import counts, run_id, tables

DAY_BEFORE, DS, DAY_AFTER = "2025-01-30", "2025-01-31", "2025-02-01"
LISTS, SIMILAR = "recommendations", "similar_items"
FORMATS = ("delta", "iceberg")


@pytest.fixture(params=FORMATS)
def versions(spark: SparkSession, tmp_path: Path, request: pytest.FixtureRequest) -> Versions:
    return make_versions(spark, tmp_path, request.param)


def root_of(versions: Versions) -> Path:
    return Path(versions.tables.root.removeprefix("file://")).parent


def record(versions: Versions, run: str, users: int, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """The record of a staged version, ready to be promoted."""
    frames = tables(versions.tables.spark, run, users)
    staged = {
        name: {"location": versions.stage(frames[name], name, run[:10], run), "rows": counts(users)[name]}
        for name in names
    }
    return {"ds": run[:10], "run_id": run, "tables": staged, "model": {"run_id": run}}


def publish(versions: Versions, run: str, users: int, names: tuple[str, ...] = NAMES) -> None:
    promote(versions, record(versions, run, users, names))


def contents(versions: Versions, table: str = LISTS, version: int | None = None) -> Dates:
    """Date → runs and number of rows, as the format's library reads them."""
    return newest(root_of(versions), versions.format_name, table, version)


def commit_count(versions: Versions, table: str = LISTS) -> int:
    root = root_of(versions)
    if versions.format_name == "delta":
        return DeltaTable(root / "published" / table).version()
    return len(iceberg_table(root, table).snapshots())


def test_a_date_is_one_commit_that_a_rerun_replaces(versions: Versions) -> None:
    publish(versions, run_id(1, DAY_BEFORE), 2)
    publish(versions, run_id(1), 3)
    assert contents(versions) == {DAY_BEFORE: ({run_id(1, DAY_BEFORE)}, 4), DS: ({run_id(1)}, 6)}
    before = commit_count(versions)
    publish(versions, run_id(2), 4)
    assert commit_count(versions) == before + 1
    assert contents(versions) == {DAY_BEFORE: ({run_id(1, DAY_BEFORE)}, 4), DS: ({run_id(2)}, 8)}
    assert contents(versions, SIMILAR)[DS] == ({run_id(2)}, 4)


def test_a_run_that_is_committed_is_not_committed_again(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    before, manifest = commit_count(versions), versions.manifest(DS)
    promote(versions, versions.record(run_id(1)))
    assert commit_count(versions) == before and versions.manifest(DS) == manifest


def test_the_manifest_names_table_version_and_location(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    publish(versions, run_id(2), 4)
    first = versions.latest()["tables"]
    publish(versions, run_id(1, DAY_AFTER), 5)
    names = {"delta": f"{root_of(versions)}/published/{LISTS}/", "iceberg": f"bgm.{LISTS}"}
    assert first[LISTS]["table"] == names[versions.format_name]
    assert contents(versions, LISTS, first[LISTS]["version"]) == {DS: ({run_id(2)}, 8)}
    assert first[LISTS]["location"] == f"{root_of(versions)}/published/{LISTS}/ds={DS}/{run_id(2)}/"
    assert versions.latest()["format"] == versions.format_name
    assert versions.tables.spark.read.parquet(first[LISTS]["location"]).count() == 8
    assert versions.read(LISTS, DS).count() == 8


def test_no_second_folder_name_has_an_equals_sign(versions: Versions) -> None:
    """Polars' scan_delta takes each of them for a column."""
    publish(versions, run_id(1), 3)
    parts = (root_of(versions) / "published").rglob("part-*.parquet")
    assert {str(part).count("=") for part in parts} == {1}


def test_commits_have_the_run_and_statistics(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    root = root_of(versions)
    if versions.format_name == "delta":
        table = DeltaTable(root / "published" / LISTS)
        assert table.history(1)[0][RUN_ID] == run_id(1)
        files = pa.table(table.get_add_actions(flatten=True)).to_pylist()
        assert sum(file["num_records"] for file in files) == 6
        assert min(file["min.user_id"] for file in files) == "u0"
        assert max(file["max.score"] for file in files) == pytest.approx(1 / 3)
        assert {file["null_count.item_id"] for file in files} == {0}
        return
    committed = iceberg_table(root, LISTS)
    assert committed.current_snapshot().summary.additional_properties[RUN_ID] == run_id(1)
    parts = [task.file for task in committed.scan().plan_files()]
    assert {part.partition[0] for part in parts} == {DS} and sum(part.record_count for part in parts) == 6
    assert all(part.lower_bounds and part.upper_bounds for part in parts)


def test_the_contract_is_in_the_table(versions: Versions) -> None:
    publish(versions, run_id(1), 1)
    root, fields = root_of(versions), contracts.RECOMMENDATIONS.schema.fields
    expected = [(field.name, field.metadata["comment"]) for field in fields]
    if versions.format_name == "delta":
        delta = DeltaTable(root / "published" / LISTS).schema()
        assert [(field.name, field.metadata["comment"]) for field in delta.fields] == expected
    else:
        iceberg = iceberg_table(root, LISTS).schema()
        assert [(field.name, field.doc) for field in iceberg.fields] == expected


def test_a_rollback_is_a_new_commit_of_the_former_files(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    publish(versions, run_id(2), 4)
    before = commit_count(versions)
    for _ in range(2):  # repeating changes nothing
        promote(versions, versions.record(run_id(1)), rolled_back=True)
        assert commit_count(versions) == before + 1
        assert contents(versions) == {DS: ({run_id(1)}, 6)} and contents(versions, SIMILAR) == {DS: ({run_id(1)}, 3)}
    assert versions.latest()["run_id"] == run_id(1)


def test_later_dates_can_be_unpublished_and_published_again(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    publish(versions, run_id(1, DAY_AFTER), 4)
    assert versions.dates_after(DS) == [DAY_AFTER]
    unpublish_after(versions, DS, [DAY_AFTER])
    assert contents(versions) == {DS: ({run_id(1)}, 6)} and versions.dates_after(DS) == []
    promote(versions, versions.record(run_id(1, DAY_AFTER)))
    assert contents(versions)[DAY_AFTER] == ({run_id(1, DAY_AFTER)}, 8)


def test_an_interrupted_unpublication_is_found_by_the_table(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    publish(versions, run_id(1, DAY_AFTER), 4)
    (root_of(versions) / "published" / "_manifests" / f"{DAY_AFTER}.json").unlink()
    assert versions.dates_after(DS) == [DAY_AFTER]


def test_a_table_that_is_no_longer_published_loses_the_date(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    publish(versions, run_id(2), 4, names=(LISTS,))
    assert contents(versions, SIMILAR) == {} and contents(versions) == {DS: ({run_id(2)}, 8)}


def test_a_version_without_rows_empties_the_date(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    publish(versions, run_id(2), 0)
    assert contents(versions) == {}
    promote(versions, versions.record(run_id(2)))
    assert contents(versions) == {} and versions.read(LISTS, DS).count() == 0


@contextmanager
def interposed(versions: Versions, other: Callable[[], None]) -> Iterator[None]:
    """Another writer commits right before the next commit, after its table was opened."""
    kind = type(versions.format.connection.open(versions.commits._target(LISTS)))
    real, waiting = kind.replace, [other]

    def replaced(self: Any, *arguments: Any) -> None:
        if waiting:
            waiting.pop()()
        real(self, *arguments)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kind, "replace", replaced)
        yield


def test_a_stale_writer_of_the_same_date_fails_clearly_and_changes_nothing(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    mine, others = record(versions, run_id(2), 4), record(versions, run_id(3), 5, names=(LISTS,))
    commits = make_versions(versions.tables.spark, root_of(versions), versions.format_name).commits
    with (
        interposed(versions, lambda: commits.publish(others, None)),
        pytest.raises(PublishingError, match="another writer changed the same date") as caught,
    ):
        promote(versions, mine)
    assert run_id(3) in caught.value.found and "only one job" in caught.value.hint
    assert contents(versions) == {DS: ({run_id(3)}, 10)}
    assert versions.manifest(DS)["run_id"] == run_id(1)


def test_a_writer_of_another_date_is_no_conflict(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    mine, others = record(versions, run_id(2), 4), record(versions, run_id(1, DAY_AFTER), 5, names=(LISTS,))
    commits = make_versions(versions.tables.spark, root_of(versions), versions.format_name).commits
    with interposed(versions, lambda: commits.publish(others, None)):
        promote(versions, mine)
    assert contents(versions) == {DS: ({run_id(2)}, 8), DAY_AFTER: ({run_id(1, DAY_AFTER)}, 10)}


def test_a_refusal_at_the_second_table_takes_the_first_commit_back(versions: Versions) -> None:
    publish(versions, run_id(1), 3)
    mine = record(versions, run_id(2), 4)
    kind = type(versions.format.connection.open(versions.commits._target(LISTS)))
    real, calls = kind.replace, []

    def refused(self: Any, *arguments: Any) -> None:
        calls.append(self.target.contract.table)
        if len(calls) == 2:
            raise OSError("the store is full of s3cret")
        real(self, *arguments)

    secret = replace(versions, format=replace(versions.format, secrets=("s3cret",)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kind, "replace", refused)
        with pytest.raises(PublishingError, match="could not be read or changed") as caught:
            promote(secret, mine)
    assert caught.value.found == "OSError: the store is full of ***" and calls == [LISTS, SIMILAR, LISTS]
    assert contents(versions)[DS] == ({run_id(1)}, 6) and contents(versions, SIMILAR)[DS] == ({run_id(1)}, 3)
    assert versions.latest()["run_id"] == run_id(1)
    promote(versions, mine)
    assert contents(versions)[DS] == ({run_id(2)}, 8) and contents(versions, SIMILAR)[DS] == ({run_id(2)}, 4)


def test_a_table_of_an_older_contract_gains_the_new_columns(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = contracts.RECOMMENDATIONS
    short = t.StructType([field for field in newer.schema if field.name != "source"])
    rows = tables(versions.tables.spark, run_id(1), 3)[LISTS].collect()
    with monkeypatch.context() as patched:
        patched.setitem(contracts.CONTRACTS, LISTS, replace(newer, schema=short, model_sources=()))
        patched.setitem(TABLES, LISTS, short)
        columns = [row[:5] + row[6:] for row in rows]
        frame = versions.tables.spark.createDataFrame(columns, short)
        facts = {"location": versions.stage(frame, LISTS, DS, run_id(1)), "rows": 6}
        promote(versions, {"ds": DS, "run_id": run_id(1), "tables": {LISTS: facts}, "model": {"run_id": run_id(1)}})
        assert read(root_of(versions), versions.format_name, LISTS).column_names == short.names
    publish(versions, run_id(1, DAY_AFTER), 2)
    rows = read(root_of(versions), versions.format_name, LISTS).select(["ds", "source"]).to_pylist()
    found = sorted((row["ds"], row["source"] or "") for row in rows)
    assert found == [(DS, "")] * 6 + [(DAY_AFTER, "warm")] * 4


def test_a_column_of_another_type_is_refused(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = contracts.RECOMMENDATIONS
    texts = [
        t.StructField(field.name, t.StringType(), True, field.metadata) if field.name == "score" else field
        for field in newer.schema
    ]
    with monkeypatch.context() as patched:
        patched.setitem(contracts.CONTRACTS, LISTS, replace(newer, schema=t.StructType(texts)))
        patched.setitem(TABLES, LISTS, t.StructType(texts))
        publish(versions, run_id(1), 3)
    with pytest.raises(PublishingError, match="column score"):
        publish(versions, run_id(1, DAY_AFTER), 2)
    assert versions.manifest(DAY_AFTER) is None


def test_a_version_of_another_format_is_not_committed(versions: Versions) -> None:
    plain = replace(versions, format=None)
    publish(plain, run_id(1), 3)
    assert "format" not in plain.manifest(DS)
    publish(versions, run_id(2), 4)
    assert versions.read_version(LISTS, run_id(1)).count() == 6 and versions.missing(plain.record(run_id(1))) == []
    with pytest.raises(PublishingError, match="were written as parquet"):
        promote(versions, versions.record(run_id(1)), rolled_back=True)
    assert sorted(versions.stored(LISTS)) == [run_id(1), run_id(2)]
    versions.delete_version(LISTS, run_id(1))
    assert versions.stored(LISTS) == [run_id(2)]


LATER = timedelta(days=1)


def test_files_that_a_reader_may_still_read_are_in_use(versions: Versions) -> None:
    for number in (1, 2):
        publish(versions, run_id(number), 3)
    publish(versions, run_id(1, DAY_AFTER), 3)
    unpublish_after(versions, DS, [DAY_AFTER])
    now = datetime.now(UTC)
    everything = {run_id(1), run_id(2), run_id(1, DAY_AFTER)}
    assert versions.commits.runs_in_use(None, None) == versions.commits.runs_in_use(now - LATER, None) == everything
    assert versions.commits.runs_in_use(now + LATER, None) == {run_id(2)}


def test_files_of_the_version_that_latest_names_are_in_use_with_all_its_dates(versions: Versions) -> None:
    publish(versions, run_id(1, DAY_BEFORE), 2)
    publish(versions, run_id(1), 3)
    unpublish(versions, DAY_BEFORE)
    later, latest = datetime.now(UTC) + LATER, versions.latest()
    assert versions.commits.runs_in_use(later, latest) == {run_id(1, DAY_BEFORE), run_id(1)}
    publish(versions, run_id(2), 3)
    assert versions.commits.runs_in_use(later, versions.latest()) == {run_id(2)}


def test_versions_that_a_manifest_names_survive_expiry(versions: Versions) -> None:
    for day in range(10, 30):
        publish(versions, run_id(1, f"2025-01-{day}"), day, names=(LISTS,))
    named = versions.manifest("2025-01-20")
    commits, root = commit_count(versions), root_of(versions)
    metadata = set((root / "published" / LISTS / "metadata").glob("*.avro"))
    versions.commits.expire(datetime.now(UTC) - LATER, [named])
    assert commit_count(versions) == commits, "all of them are younger"
    versions.commits.expire(datetime.now(UTC) + LATER, [named])
    version = named["tables"][LISTS]["version"]
    assert len(contents(versions, LISTS, version)) == 11 and len(contents(versions)) == 20
    if versions.format_name == "iceberg":
        assert len(iceberg_table(root, LISTS).snapshots()) == 2
        gone = metadata - set((root / "published" / LISTS / "metadata").glob("*.avro"))
        assert len(gone) == 18, "the manifest lists of the other snapshots"
    publish(versions, run_id(1), 3)
    assert len(contents(versions)) == 21


def aged(log: Path, days: int) -> None:
    """Lets version n of a Delta table be committed `days` - n days ago."""
    for file in log.glob("0*"):
        then = time.time() - 86_400 * (days - int(file.name[:20]))
        if file.suffix == ".json":
            actions = [json.loads(line) for line in file.read_text().splitlines()]
            for action in actions:
                action.get("commitInfo", {})["timestamp"] = int(then * 1000)
            file.write_text("\n".join(map(json.dumps, actions)))
        os.utime(file, (then, then))


def test_the_log_of_delta_is_cleaned_up_to_the_oldest_version_that_is_needed(
    spark: SparkSession, tmp_path: Path
) -> None:
    versions, table = make_versions(spark, tmp_path, "delta"), tmp_path / "published" / LISTS
    for day in range(10, 31):  # versions 1 to 21
        publish(versions, run_id(1, f"2025-01-{day}"), 1, names=(LISTS,))
        if day in (15, 25):
            DeltaTable(table).create_checkpoint()
    aged(table / "_delta_log", 100)
    named = versions.manifest("2025-01-26")
    versions.commits.expire(datetime.now(UTC) - timedelta(days=30), [named])
    left = sorted(int(file.name[:20]) for file in (table / "_delta_log").glob("0*.json"))
    assert left[0] == 6, "readers of the version need the checkpoint before it"
    assert len(contents(versions, LISTS, named["tables"][LISTS]["version"])) == 17
    assert len(contents(versions)) == 21


def test_files_of_another_date_are_not_committed(spark: SparkSession, tmp_path: Path) -> None:
    versions = make_versions(spark, tmp_path, "iceberg")
    mine = record(versions, run_id(1), 3)
    for part in Path(mine["tables"][LISTS]["location"]).glob("part-*"):
        pq.write_table(
            pq.read_table(part).set_column(0, "ds", pa.array(["2024-01-01"] * pq.read_table(part).num_rows)), part
        )
    with pytest.raises(PublishingError, match="another date in its column ds"):
        promote(versions, mine)
