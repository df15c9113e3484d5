"""The model store: immutable, complete or refused; rollback and retention change tables and models together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import EXIT_BUSY, BusyError, InputError, PublishingError
from bgmrec.publish.promotion import promote, unpublish_after
from bgmrec.publish.retention import Inventory, deletions
from bgmrec.publish.versions import Versions
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import retain, rollback
from bgmrec.stages.job import date_lock
from bgmrec.storage import files, one_step
from bgmrec.storage.models import FACTS, ModelStore
from bgmrec.storage.tables import Tables

FIRST, SECOND = "2025-01-30", "2025-01-31"
DATABASE = "rollback_test"


def store_model(store: ModelStore, run_id: str) -> None:
    index = store.tables.spark.createDataFrame([("x", 0)], "user_id string, user_idx int")
    facts = {**dict.fromkeys(FACTS), "shape": {"rank": 4}}
    store.save(run_id, {"user_index": index}, {"user": b"weights"}, {"fitted_features": {"a": 1}}, facts)


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path) -> ModelStore:
    return ModelStore(Tables(spark, f"file://{tmp_path}/models"))


def test_a_model_is_loaded_complete_and_never_overwritten(store: ModelStore) -> None:
    store_model(store, f"{FIRST}-001")
    model = store.load(f"{FIRST}-001")
    assert (model.weights("user"), model.weights("item")) == (b"weights", None)
    assert model.table("user_index").count() == 1 and model.facts["shape"] == {"rank": 4}
    with pytest.raises(PublishingError, match="is never replaced"):
        store_model(store, f"{FIRST}-001")
    assert store.runs() == store.runs(FIRST) == [f"{FIRST}-001"] and store.runs(SECOND) == []


@pytest.mark.parametrize(
    ("lost", "missing"),
    [
        ("user_index/_SUCCESS", "table user_index"),
        ("user.safetensors", "user.safetensors of 7 bytes"),
        ("fitted_features.json", "fitted_features.json"),
        ("model.json", ""),
    ],
)
def test_the_error_names_what_an_incomplete_model_lacks(store: ModelStore, lost: str, missing: str) -> None:
    store_model(store, f"{FIRST}-001")
    folder = store.tables.below(f"{FIRST}-001")
    files.delete(folder.spark, folder.path(lost))
    with pytest.raises(InputError, match="is incomplete" if missing else "no model of run") as caught:
        store.load(f"{FIRST}-001")
    assert missing in caught.value.found


def test_truncated_weights_and_missing_facts_are_refused(store: ModelStore) -> None:
    store_model(store, f"{FIRST}-001")
    folder = store.tables.below(f"{FIRST}-001")
    one_step.write_bytes(folder.spark, folder.path("user.safetensors"), b"weig")
    facts = folder.read_json("model")
    del facts["settings"]
    folder.write_json("model", facts)
    with pytest.raises(InputError) as caught:
        store.load(f"{FIRST}-001")
    assert caught.value.found == "missing: settings in model.json, user.safetensors of 7 bytes"


def make_run(spark: SparkSession, root: Path, ds: str) -> Run:
    overrides = [f"paths.root=file://{root}", f"publish.database={DATABASE}", "publish.tables=['recommendations']"]
    return Run(load_settings([], overrides), date.fromisoformat(ds), spark, Progress(), Summary())


@pytest.fixture
def published_run(spark: SparkSession, tmp_path: Path) -> Run:
    """The newest run of two published dates, the second published twice."""
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    for run_id in (f"{FIRST}-001", f"{SECOND}-001", f"{SECOND}-002"):
        run = make_run(spark, tmp_path, run_id[:10])
        store_model(run.models, run_id)
        rows = [(run_id[:10], "u1", 1, "m1", 0.5, "warm", run_id)]
        columns = "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
        folder = run.versions.stage(spark.createDataFrame(rows, columns), "recommendations", run_id[:10], run_id)
        tables = {"recommendations": {"location": folder, "rows": 1}}
        promote(run.versions, {"ds": run_id[:10], "run_id": run_id, "tables": tables, "model": {"run_id": run_id}})
    return run


def visible(run: Run) -> tuple[str, str, str, list[str]]:
    """(run of latest, its model, run of the view, all runs in the catalogue)."""
    latest = run.versions.latest() or {}
    view, rows = (
        [row[0] for row in run.spark.sql(f"SELECT run_id FROM {DATABASE}.{name} ORDER BY ds").collect()]
        for name in ("recommendations_current", "recommendations")
    )
    return latest["run_id"], latest["model"]["run_id"], view[0], rows


def test_a_date_gets_the_replaced_version_however_often_rollback_runs(published_run: Run) -> None:
    rollback.roll_back(published_run, None, dry_run=True)
    before, after = f"{SECOND}-001", f"{SECOND}-002"
    assert visible(published_run) == (after, after, after, [f"{FIRST}-001", after])
    for _ in range(2):
        rollback.roll_back(published_run, None, dry_run=False)
        assert visible(published_run) == (before, before, before, [f"{FIRST}-001", before])
    rollback.roll_back(published_run, after, dry_run=False)
    assert visible(published_run) == (after, after, after, [f"{FIRST}-001", after])


def test_a_rollback_to_an_earlier_date_unpublishes_later_dates_and_can_be_reversed(
    published_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, newest = f"{FIRST}-001", f"{SECOND}-002"
    rollback.roll_back(
        make_run(published_run.spark, Path(published_run.settings.paths.root.removeprefix("file://")), FIRST),
        first,
        False,
    )
    assert visible(published_run) == (first, first, first, [first])
    assert capsys.readouterr().out.splitlines()[1:] == [f"{SECOND}: unpublished", f"latest: {first}, model {first}"]
    rollback.roll_back(published_run, newest, dry_run=False)
    assert visible(published_run) == (newest, newest, newest, [first, newest])


def test_a_missing_version_is_refused(published_run: Run) -> None:
    first = make_run(published_run.spark, Path(published_run.settings.paths.root.removeprefix("file://")), FIRST)
    with pytest.raises(InputError, match="no earlier version") as nothing:
        rollback.roll_back(first, None, dry_run=False)
    assert f"{SECOND}-002" in nothing.value.found
    with pytest.raises(InputError, match=f"no version of run {SECOND}-009"):
        rollback.roll_back(published_run, f"{SECOND}-009", dry_run=False)
    published_run.models.delete(f"{SECOND}-001")
    with pytest.raises(InputError, match="no model of run"):
        rollback.roll_back(published_run, None, dry_run=False)
    files.delete(
        published_run.spark, published_run.versions.record(f"{SECOND}-001")["tables"]["recommendations"]["location"]
    )
    with pytest.raises(InputError, match="are missing"):
        rollback.roll_back(published_run, None, dry_run=False)
    assert visible(published_run)[0] == f"{SECOND}-002"


def test_old_things_are_deleted_from_the_catalogue_and_from_the_disk(published_run: Run) -> None:
    newest = f"{SECOND}-002"
    published_run.begin("ingest_ratings")  # working tables of an unfinished run
    published_run.root.write_json(f"summaries/{FIRST}-001", {})
    published_run.root.write_json(f"reports/{FIRST}-001/facts", {})
    published_run.root.write_json(f"profiles/{FIRST}/ratings", {})
    mapped = published_run.root.below("mapped").below("key")
    for name, file_names in (
        (f"{FIRST}-000", "ab"),
        (f"{FIRST}-001", ""),
        (f"{FIRST}-002", "b"),
        (f"{SECOND}-000", "bc"),
    ):
        mapped.write(published_run.spark.range(1), name)
        if file_names:  # of the other batch only the rows were written
            mapped.write_json(name, {"files": {key: [1, 1] for key in file_names}})
    assert retain.inventory(published_run).row_cache == {
        ("key", f"{FIRST}-000"): False,
        ("key", f"{FIRST}-001"): True,
        ("key", f"{FIRST}-002"): True,
        ("key", f"{SECOND}-000"): False,
    }
    days = dict.fromkeys(("published_days", "unreferenced_days", "row_cache_days", "summary_days"), 1)
    settings = published_run.settings.retention.model_copy(update=days)
    old = deletions(retain.inventory(published_run), settings, published_run.ds)
    first = f"{FIRST}-001"
    assert old.lines() == [
        f"date {FIRST}",
        f"version recommendations {first}",
        f"record {first}",
        f"model {first}",
        f"cached rows key {FIRST}-000",
        f"cached rows key {FIRST}-001",
        f"cached rows key {FIRST}-002",
        f"summary {first}",
    ]
    retain.delete(published_run, old)
    assert visible(published_run) == (newest, newest, newest, [newest])
    assert published_run.versions.runs() == published_run.models.runs() == [f"{SECOND}-001", newest]
    assert published_run.versions.read("recommendations", SECOND).count() == 1
    versions = files.glob(published_run.spark, f"{published_run.versions.tables.root}/recommendations/*/*")
    assert [path.rsplit("=", 1)[-1] for path in versions] == [f"{SECOND}-001", newest]
    assert deletions(retain.inventory(published_run), settings, published_run.ds).lines() == []
    for folder in ("reports", "profiles"):
        assert files.glob(published_run.spark, published_run.root.path(f"{folder}/*")) == []
    assert [path.rsplit("/", 1)[-1] for path in files.glob(published_run.spark, f"{mapped.root}/*")] == [
        f"{SECOND}-000",
        f"{SECOND}-000.json",
    ]
    rollback.roll_back(published_run, None, dry_run=False)
    assert visible(published_run)[0] == f"{SECOND}-001"


def with_days(run: Run, days: int) -> Run:
    """The same run with a retention of so many days for everything."""
    retention = run.settings.retention.model_copy(
        update=dict.fromkeys(("published_days", "unreferenced_days", "work_days", "summary_days"), days)
    )
    return replace(run, settings=run.settings.model_copy(update={"retention": retention}))


def test_a_rollback_is_refused_while_a_later_date_is_locked(published_run: Run) -> None:
    newest, first = f"{SECOND}-002", f"{FIRST}-001"
    earlier = replace(published_run, ds=date.fromisoformat(FIRST))
    with date_lock(published_run, SECOND), pytest.raises(BusyError, match=SECOND) as caught:
        rollback.roll_back(earlier, first, dry_run=False)
    assert caught.value.exit_status == EXIT_BUSY and "Nothing was changed" in caught.value.message
    assert visible(published_run) == (newest, newest, newest, [first, newest])
    rollback.roll_back(earlier, first, dry_run=False)
    assert visible(published_run) == (first, first, first, [first])


def test_a_rollback_holds_the_locks_of_the_dates_that_it_unpublishes(
    published_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def while_locked(versions: Versions, ds: str, dates: Sequence[str]) -> None:
        assert dates == [SECOND]
        with pytest.raises(BusyError), date_lock(published_run, SECOND):
            pytest.fail("a run could start on a date that is being unpublished")
        unpublish_after(versions, ds, dates)

    monkeypatch.setattr(rollback, "unpublish_after", while_locked)
    rollback.roll_back(replace(published_run, ds=date.fromisoformat(FIRST)), f"{FIRST}-001", dry_run=False)
    with date_lock(published_run, SECOND):  # it is free again
        assert visible(published_run)[0] == f"{FIRST}-001"


def test_retain_skips_a_locked_date_and_deletes_it_the_next_time(
    published_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, newest, run = f"{FIRST}-001", f"{SECOND}-002", with_days(published_run, 1)
    with date_lock(published_run, FIRST):
        retain.delete_old(run, published_run.ds, dry_run=False)
        output = capsys.readouterr().out
        assert output.startswith(f"skipped {FIRST}: another run is at work on it (process ") and "date" not in output
        assert visible(published_run) == (newest, newest, newest, [first, newest])
        assert published_run.models.has(first) and published_run.versions.read("recommendations", FIRST).count() == 1
    retain.delete_old(run, published_run.ds, dry_run=True)
    assert f"date {FIRST}\n" in capsys.readouterr().out and published_run.versions.dates() == [FIRST, SECOND]
    retain.delete_old(run, published_run.ds, dry_run=False)
    assert f"date {FIRST}\n" in capsys.readouterr().out
    assert visible(published_run) == (newest, newest, newest, [newest]) and not published_run.models.has(first)


def test_retain_decides_again_once_it_holds_the_locks(published_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the lock, the later date is unpublished: the first one is now the newest."""
    inventory, calls = retain.inventory, []

    def then_rolled_back(run: Run) -> Inventory:
        calls.append(run)
        before = inventory(run)
        if len(calls) == 1:
            unpublish_after(published_run.versions, FIRST, [SECOND])
        return before

    monkeypatch.setattr(retain, "inventory", then_rolled_back)
    retain.delete_old(with_days(published_run, 1), published_run.ds, dry_run=False)
    first = f"{FIRST}-001"
    assert len(calls) == 2 and visible(published_run) == (first, first, first, [first])
