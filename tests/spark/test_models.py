"""The model store: immutable, complete or refused by name; a rollback takes tables and model back together."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.errors import InputError, PublishingError
from bgmrec.publish.retention import plan
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import retain, rollback
from bgmrec.storage import files
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


def test_a_model_comes_back_whole_and_is_never_written_over(store: ModelStore) -> None:
    store_model(store, f"{FIRST}-001")
    model = store.load(f"{FIRST}-001")
    assert (model.weights("user"), model.weights("item")) == (b"weights", None)
    assert model.table("user_index").count() == 1 and model.facts["shape"] == {"rank": 4}
    with pytest.raises(PublishingError, match="cannot be written over"):
        store_model(store, f"{FIRST}-001")
    assert store.runs() == store.runs(FIRST) == [f"{FIRST}-001"] and store.runs(SECOND) == []


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("user_index/_SUCCESS", "table user_index"),
        ("user.safetensors", "user.safetensors of 7 bytes"),
        ("fitted_features.json", "fitted_features.json"),
        ("model.json", ""),
    ],
)
def test_an_incomplete_model_says_what_it_lacks(store: ModelStore, lost: str, told: str) -> None:
    store_model(store, f"{FIRST}-001")
    folder = store.tables.below(f"{FIRST}-001")
    files.delete(folder.spark, folder.path(lost))
    with pytest.raises(InputError, match="is incomplete" if told else "no model of run") as caught:
        store.load(f"{FIRST}-001")
    assert told in caught.value.found


def test_weights_that_were_cut_and_facts_that_are_missing_are_noticed(store: ModelStore) -> None:
    store_model(store, f"{FIRST}-001")
    folder = store.tables.below(f"{FIRST}-001")
    files.write_bytes(folder.spark, folder.path("user.safetensors"), b"weig")
    facts = folder.read_json("model")
    del facts["settings"]
    folder.write_json("model", facts)
    with pytest.raises(InputError) as caught:
        store.load(f"{FIRST}-001")
    assert caught.value.found == "without settings in model.json, user.safetensors of 7 bytes"


def make_run(spark: SparkSession, root: Path, ds: str) -> Run:
    overrides = [f"paths.root=file://{root}", f"publish.database={DATABASE}", "publish.tables=['recommendations']"]
    return Run(load_settings([], overrides), date.fromisoformat(ds), spark, Progress(), Summary())


@pytest.fixture
def night(spark: SparkSession, tmp_path: Path) -> Run:
    """Two dates, the second published twice."""
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    for run_id in (f"{FIRST}-001", f"{SECOND}-001", f"{SECOND}-002"):
        run = make_run(spark, tmp_path, run_id[:10])
        store_model(run.models, run_id)
        rows = [(run_id[:10], "u1", 1, "m1", 0.5, "warm", run_id)]
        columns = "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
        folder = run.versions.stage(spark.createDataFrame(rows, columns), "recommendations", run_id[:10], run_id)
        tables = {"recommendations": {"location": folder, "rows": 1}}
        run.versions.promote({"ds": run_id[:10], "run_id": run_id, "tables": tables, "model": {"run_id": run_id}})
    return run


def shown(run: Run) -> tuple[str, str, str, list[str]]:
    """(run of latest, its model, run of the view, all runs in the catalogue)."""
    latest = run.versions.latest() or {}
    view, rows = (
        [row[0] for row in run.spark.sql(f"SELECT run_id FROM {DATABASE}.{name} ORDER BY ds").collect()]
        for name in ("recommendations_current", "recommendations")
    )
    return latest["run_id"], latest["model"]["run_id"], view[0], rows


def test_a_date_goes_back_to_what_was_replaced_however_often_it_is_said(night: Run) -> None:
    rollback.roll_back(night, None, dry_run=True)
    before, after = f"{SECOND}-001", f"{SECOND}-002"
    assert shown(night) == (after, after, after, [f"{FIRST}-001", after])
    for _ in range(2):
        rollback.roll_back(night, None, dry_run=False)
        assert shown(night) == (before, before, before, [f"{FIRST}-001", before])
    rollback.roll_back(night, after, dry_run=False)
    assert shown(night) == (after, after, after, [f"{FIRST}-001", after])


def test_a_run_of_an_earlier_date_withdraws_the_dates_after_it_and_they_come_back(
    night: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first, newest = f"{FIRST}-001", f"{SECOND}-002"
    rollback.roll_back(
        make_run(night.spark, Path(night.settings.paths.root.removeprefix("file://")), FIRST), first, False
    )
    assert shown(night) == (first, first, first, [first])
    assert capsys.readouterr().out.splitlines()[1:] == [f"{SECOND}: unpublished", f"latest: {first}, model {first}"]
    rollback.roll_back(night, newest, dry_run=False)
    assert shown(night) == (newest, newest, newest, [first, newest])


def test_what_is_gone_or_never_was_cannot_be_gone_back_to(night: Run) -> None:
    first = make_run(night.spark, Path(night.settings.paths.root.removeprefix("file://")), FIRST)
    with pytest.raises(InputError, match="no earlier version") as nothing:
        rollback.roll_back(first, None, dry_run=False)
    assert f"{SECOND}-002" in nothing.value.found
    with pytest.raises(InputError, match=f"run {SECOND}-009 is not kept"):
        rollback.roll_back(night, f"{SECOND}-009", dry_run=False)
    night.models.delete(f"{SECOND}-001")
    with pytest.raises(InputError, match="no model of run"):
        rollback.roll_back(night, None, dry_run=False)
    files.delete(night.spark, night.versions.record(f"{SECOND}-001")["tables"]["recommendations"]["location"])
    with pytest.raises(InputError, match="are gone"):
        rollback.roll_back(night, None, dry_run=False)
    assert shown(night)[0] == f"{SECOND}-002"


def test_what_is_old_goes_from_the_catalogue_and_from_the_disk(night: Run) -> None:
    newest = f"{SECOND}-002"
    night.begin("ingest_ratings")  # working tables of a night that was not finished
    night.root.write_json(f"summaries/{FIRST}-001", {})
    night.root.write_json(f"reports/{FIRST}-001/facts", {})
    mapped = night.root.below("mapped").below("way")
    for name, held in ((f"{FIRST}-000", "ab"), (f"{FIRST}-001", ""), (f"{FIRST}-002", "b"), (f"{SECOND}-000", "bc")):
        mapped.write(night.spark.range(1), name)
        if held:  # of the other one only the rows were written
            mapped.write_json(name, {"files": {key: [1, 1] for key in held}})
    assert retain.inventory(night).mapped == {
        ("way", f"{FIRST}-000"): False,
        ("way", f"{FIRST}-001"): True,
        ("way", f"{FIRST}-002"): True,
        ("way", f"{SECOND}-000"): False,
    }
    days = dict.fromkeys(("published_days", "unseen_days", "mapped_days", "summary_days"), 1)
    settings = night.settings.retention.model_copy(update=days)
    goes = plan(retain.inventory(night), settings, night.ds)
    first = f"{FIRST}-001"
    assert goes.lines() == [
        f"date {FIRST}",
        f"version recommendations {first}",
        f"record {first}",
        f"model {first}",
        f"mapped way {FIRST}-000",
        f"mapped way {FIRST}-001",
        f"mapped way {FIRST}-002",
        f"summary {first}",
    ]
    retain.carry_out(night, goes)
    assert shown(night) == (newest, newest, newest, [newest])
    assert night.versions.runs() == night.models.runs() == [f"{SECOND}-001", newest]
    assert night.versions.read("recommendations", SECOND).count() == 1
    left = files.glob(night.spark, f"{night.versions.tables.root}/recommendations/*/*")
    assert [path.rsplit("=", 1)[-1] for path in left] == [f"{SECOND}-001", newest]
    assert plan(retain.inventory(night), settings, night.ds).lines() == []
    assert files.glob(night.spark, night.root.path("reports/*")) == []
    assert [path.rsplit("/", 1)[-1] for path in files.glob(night.spark, f"{mapped.root}/*")] == [
        f"{SECOND}-000",
        f"{SECOND}-000.json",
    ]
    rollback.roll_back(night, None, dry_run=False)
    assert shown(night)[0] == f"{SECOND}-001"
