"""Folders whose names hold characters that a glob pattern would expand: they are taken literally everywhere."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from bgmrec.config.sources import Files
from bgmrec.ingest.sources import read_files
from bgmrec.publish.versions import Versions
from bgmrec.run.lock import locked
from bgmrec.run.lock_documents import FileDocuments
from bgmrec.storage import files
from bgmrec.storage.models import ModelStore
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints, TrainState

NAMES = ["plain", "a[1]", "a{b,c}", "a*b?", "back\\slash"]


@pytest.fixture(params=NAMES)
def store(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Tables:
    (tmp_path / "a1").mkdir()  # what a pattern would find instead
    return Tables(spark, str(tmp_path / request.param))


def test_a_lock_finds_its_own_numbers(store: Tables) -> None:
    for number in (1, 2):
        documents = FileDocuments(store)
        with locked(documents, heartbeat=0.1, patience=1.0) as lock:
            assert lock.number == number and documents.newest()[0] == number


def test_tables_are_read_where_they_were_written(store: Tables) -> None:
    df = store.spark.createDataFrame([("u1", 0)], "user_id string, user_idx int")
    assert store.write(df, "user_index").count() == 1
    assert Tables(store.spark, store.root).read("user_index").count() == 1


def test_models_versions_and_rounds_are_listed(store: Tables) -> None:
    store.below("models").below("2025-01-31-001").write_json("model", {})
    assert ModelStore(store.below("models")).runs() == ["2025-01-31-001"]
    assert ModelStore(store.below("models")).runs("2025-01-31") == ["2025-01-31-001"]
    assert ModelStore(store.below("models")).runs("2025-01-30") == []
    versions = Versions(store.below("published"), None)
    versions.manifests.write_json("2025-01-31", {})
    versions.records.write_json("2025-01-31-001", {})
    assert (versions.dates(), versions.runs()) == (["2025-01-31"], ["2025-01-31-001"])
    rounds = Checkpoints(store.below("rounds"))
    for number in (1, 2, 3):
        rounds.round_folder(number).write_json("facts", {})
    rounds.save(TrainState(round=3, best_round=2))
    assert [path.rsplit("/", 1)[-1] for path in files.children(store.spark, rounds.tables.root)] == [
        "round-0002",
        "round-0003",
        "state.json",
    ]


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_raw_files_are_read_below_such_folders_and_under_such_names(
    spark: SparkSession, tmp_path: Path, name: str, file_format: str
) -> None:
    """`{data}` is a folder, not a pattern; a file that a pattern of the settings matched is one file."""
    folder = tmp_path / name / "day=1"
    folder.mkdir(parents=True)
    raw = {"csv": "a,b\n1,2\n", "jsonl": '{"a": "1", "b": "2"}\n'}
    if file_format == "parquet":
        pd.DataFrame({"a": ["1"], "b": ["2"]}).to_parquet(folder / "log[1].parquet")
    else:
        (folder / f"log[1].{file_format}").write_text(raw[file_format])
    source = Files(format=file_format, paths=["{data}/day=*/log*"])
    rows = read_files(spark, source, data=str(tmp_path / name), ds=date(2025, 1, 31), where="log")
    assert [(row.a, row.b) for row in rows.select("a", "b").collect()] == [("1", "2")]
