"""The jobs rollback and retain on Delta and Iceberg tables, with settings as users write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.publish.promotion import promote
from bgmrec.publish.retention import deletions
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import retain, rollback
from bgmrec.stages.show import tables_text
from tests.spark.test_models import store_model
from tests.warehouse.lakes import catalogue, newest
from tests.warehouse.versions import counts, run_id, tables

FIRST, SECOND = "2025-01-30", "2025-01-31"
LISTS = "recommendations"
USERS = {run_id(1, FIRST): 2, run_id(1, SECOND): 3, run_id(2, SECOND): 4}


def make_run(spark: SparkSession, root: Path, name: str, ds: str) -> Run:
    overrides = [f"paths.root=file://{root}", f"publish.format={name}", "publish.catalog=none", "publish.database=bgm"]
    properties = ",".join(f'{key}="{value}"' for key, value in catalogue(root).items())
    overrides += [f"publish.iceberg.catalog={{{properties}}}", f"publish.tables=['{LISTS}']"]
    days = dict.fromkeys(("published_days", "unreferenced_days", "summary_days"), 1)
    overrides += [f"retention.{key}={value}" for key, value in days.items()]
    return Run(load_settings([], overrides), date.fromisoformat(ds), spark, Progress(), Summary())


@pytest.fixture(params=["delta", "iceberg"])
def run(spark: SparkSession, tmp_path: Path, request: pytest.FixtureRequest) -> Run:
    """The newest run of two published dates, the second published twice."""
    for name, users in USERS.items():
        run = make_run(spark, tmp_path, request.param, name[:10])
        store_model(run.models, name)
        location = run.versions.stage(tables(spark, name, users)[LISTS], LISTS, name[:10], name)
        facts = {"location": location, "rows": counts(users)[LISTS]}
        promote(run.versions, {"ds": name[:10], "run_id": name, "tables": {LISTS: facts}, "model": {"run_id": name}})
    return run


def root_of(run: Run) -> Path:
    return Path(run.settings.paths.root.removeprefix("file://"))


def shown(run: Run) -> tuple[str, set[str]]:
    """(run of latest, runs in the table)."""
    dates = newest(root_of(run), run.versions.format_name, LISTS)
    assert all(rows == counts(USERS[name])[LISTS] for runs, rows in dates.values() for name in runs)
    return run.versions.latest()["run_id"], {name for runs, _ in dates.values() for name in runs}


def test_rollback_of_a_date_and_to_an_earlier_date(run: Run) -> None:
    first, before, after = USERS
    rollback.roll_back(run, None, dry_run=True)
    assert shown(run) == (after, {first, after})
    for _ in range(2):
        rollback.roll_back(run, None, dry_run=False)
        assert shown(run) == (before, {first, before})
    earlier = make_run(run.spark, root_of(run), run.versions.format_name, FIRST)
    rollback.roll_back(earlier, first, dry_run=False)
    assert shown(run) == (first, {first})
    rollback.roll_back(run, after, dry_run=False)
    assert shown(run) == (after, {first, after})


def test_retain_removes_a_date_at_once_and_its_files_when_no_reader_is_left(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, before, after = USERS
    retain.delete_old(run, run.ds, dry_run=False)
    assert capsys.readouterr().out.splitlines() == [f"date {FIRST}"]
    assert shown(run) == (after, {after})
    assert sorted(run.versions.stored(LISTS)) == [first, before, after], "a reader may have begun before"

    later = datetime.now(UTC) + timedelta(days=3)
    monkeypatch.setattr(retain, "_readers_since", lambda _: later)
    retain.delete_old(run, run.ds, dry_run=False)
    version = run.versions.latest()["tables"][LISTS]["version"]
    in_version = newest(root_of(run), run.versions.format_name, LISTS, version)
    assert in_version == {FIRST: ({first}, 4), SECOND: ({after}, 8)}, "latest names a version with both dates"
    rollback.roll_back(run, None, dry_run=False)  # the version of this commit does not have the removed date
    retain.delete_old(run, run.ds, dry_run=False)
    assert sorted(run.versions.stored(LISTS)) == [before, after], "a rollback needs the replaced version"
    assert shown(run) == (before, {before})
    assert deletions(retain.inventory(run), run.settings.retention, run.ds).lines() == []


def test_retain_keeps_the_files_of_an_interrupted_publication(run: Run) -> None:
    """Committed and then killed before the manifest: the table has files that no manifest names."""
    (root_of(run) / "published" / "_manifests" / f"{FIRST}.json").unlink()
    assert not any(
        line.startswith("version") for line in deletions(retain.inventory(run), run.settings.retention, run.ds).lines()
    )


def test_show_names_the_table_and_its_version(run: Run) -> None:
    facts = run.versions.latest()["tables"][LISTS]
    lines = list(tables_text(run))
    assert lines[-1].split() == ["by", run.versions.format_name, f"{facts['table']},", "version", str(facts["version"])]
