"""Nights on an object store: refused where nothing keeps two runs apart, resumed where they were killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from bgmrec.errors import EXIT_BUSY, EXIT_PUBLISHED, EXIT_SETTINGS
from bgmrec.run import lock
from bgmrec.run.lock import locked
from bgmrec.run.lock_documents import FileDocuments
from bgmrec.runtime.sql_functions import register_functions
from bgmrec.stages import job
from bgmrec.storage.tables import Tables
from jobs import nightly
from tests.e2e.nights import LAST_DAY, night_arguments, small_world
from tests.spark.object_store import killed_at, object_store

# without encoders: pyarrow, which feeds them, knows the double's folder by no address
LIGHT = ("user_encoder.kind=none", "item_encoder.kind=none", "train.rounds=1", "publish.catalog=none")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def night(spark: SparkSession, world: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A whole night in this process; returns its exit status."""
    register_functions(spark)
    monkeypatch.setattr(job, "start_session", lambda settings: spark)

    def run(address: str, *sets: str) -> int:
        return nightly.main(night_arguments(world, Path("ROOT"), LAST_DAY, *LIGHT, f"paths.root={address}", *sets))

    return run


def manifest(folder: Path, name: str = "latest") -> dict[str, Any] | None:
    path = folder / "published" / "_manifests" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def lists(folder: Path, run: str) -> pd.DataFrame:
    version = folder / "published" / "recommendations" / f"ds={LAST_DAY}" / f"run_id={run}"
    return pd.read_parquet(version).sort_values(["user_id", "position"], ignore_index=True)


def test_a_night_without_a_lock_is_refused_before_anything_is_written(
    spark: SparkSession, night: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with object_store(spark, tmp_path, conditional=False) as address:
        assert night(address) == EXIT_SETTINGS
    assert list(tmp_path.rglob("*")) == []
    error = capsys.readouterr().err
    assert 'runtime.lock = "postgres"' in error and "s3a://" in error


def test_a_night_without_a_lock_by_choice_publishes_with_a_warning(
    spark: SparkSession, night: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with object_store(spark, tmp_path, conditional=False) as address:
        assert night(address, "runtime.lock=none") == EXIT_PUBLISHED
    assert job.WITHOUT_LOCK in capsys.readouterr().err
    (summary,) = tmp_path.glob("summaries/*.json")
    assert json.loads(summary.read_text())["lock"] == {"kind": "none", "warning": job.WITHOUT_LOCK}
    published = manifest(tmp_path)
    assert published is not None and len(lists(tmp_path, published["run_id"]))


def test_a_killed_night_resumes_and_a_second_one_is_refused(
    spark: SparkSession, night: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at its 30th object; the lock that it left is taken over, and the lists are those of a whole night."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    with object_store(spark, whole, conditional=True) as address:
        assert night(address) == EXIT_PUBLISHED
    identity = lock._identity()
    with monkeypatch.context() as patched, object_store(spark, killed, conditional=True, step=killed_at(30)) as address:
        patched.setattr(lock, "_identity", lambda: {**identity, "process_start": "of a process that has ended"})
        # what raises has no way out of the job that is not reported: neither the summary nor the lock can be written
        night(address)
        assert FileDocuments(Tables(spark, f"{address}/work/_locks/ds={LAST_DAY}")).newest()[1]["released"] is False
        assert manifest(killed) is None
    with object_store(spark, killed, conditional=True) as address:
        assert night(address) == EXIT_PUBLISHED
        with locked(FileDocuments(Tables(spark, f"{address}/work/_locks/ds={LAST_DAY}"))):
            assert night(address) == EXIT_BUSY
    runs = [str((manifest(folder) or {})["run_id"]) for folder in (whole, killed)]
    first, second = (lists(folder, run) for folder, run in zip((whole, killed), runs, strict=True))
    pd.testing.assert_frame_equal(first, second, rtol=1e-5)
