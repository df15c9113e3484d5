"""Tables are complete or do not exist; documents and uploads are replaced in one step."""

import json
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as t

from bgmrec.errors import InputError
from bgmrec.storage import files, one_step
from bgmrec.storage.tables import Tables
from tests.mounts import mounted

ROWS = [("u1", 0), ("u2", 1)]


@pytest.fixture(params=["file", "viewfs"])
def tables(request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path) -> Tables:
    store = f"file://{tmp_path}/root" if request.param == "file" else f"{mounted(spark, tmp_path)}/root"
    return Tables(spark, store)


def test_a_table_is_read_as_it_was_written(tables: Tables) -> None:
    df = tables.spark.createDataFrame(ROWS, "user_id string, user_idx long")
    back = tables.write(df, "user_index")
    assert sorted(map(tuple, back.collect())) == ROWS
    assert back.schema["user_idx"].dataType == t.IntegerType()  # the contract's type, not the writer's


def test_a_reader_of_finished_tables_opens_each_once(spark: SparkSession, tmp_path: Path) -> None:
    writer, reader = Tables(spark, str(tmp_path)), Tables(spark, str(tmp_path), {})
    writer.below("a").write(spark.createDataFrame(ROWS, "user_id string, user_idx long"), "user_index")
    assert reader.below("a").read("user_index") is reader.below("a").read("user_index")
    assert writer.below("a").read("user_index") is not writer.below("a").read("user_index")


def test_only_what_repeats_gets_a_dictionary(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(f"u{n % 3}", bytes([n, n + 1])) for n in range(100)]
    store = Tables(spark, str(tmp_path))
    store.write(spark.createDataFrame(rows, "user_id string, factors binary").coalesce(1), "any")
    (file,) = tmp_path.glob("any/*.parquet")
    group = pq.ParquetFile(file).metadata.row_group(0)
    encodings = {group.column(n).path_in_schema: set(group.column(n).encodings) for n in range(2)}
    assert any("DICTIONARY" in name for name in encodings["user_id"])
    assert not any("DICTIONARY" in name for name in encodings["factors"])


def test_a_missing_column_is_named(tables: Tables) -> None:
    df = tables.spark.createDataFrame([("u1",)], "user_id string")
    with pytest.raises(InputError, match="user_idx"):
        tables.write(df, "user_index")


def test_a_table_without_its_mark_is_refused(tables: Tables) -> None:
    tables.write(tables.spark.createDataFrame(ROWS, "user_id string, user_idx int"), "user_index")
    files.delete(tables.spark, f"{tables.path('user_index')}/_SUCCESS")
    assert not tables.exists("user_index")
    with pytest.raises(InputError, match="missing or incomplete"):
        tables.read("user_index")


def test_documents_are_replaced_whole(tables: Tables) -> None:
    assert tables.read_json("state") is None
    tables.write_json("state", {"round": 1, "title": "Ünïcode ♫"})
    tables.write_json("state", {"round": 2})
    assert tables.read_json("state") == {"round": 2}
    assert [path.rsplit("/", 1)[-1] for path in files.children(tables.spark, tables.root)] == ["state.json"]


def test_bytes_of_any_value_survive(tables: Tables) -> None:
    content = bytes(range(256)) * 100
    one_step.write_bytes(tables.spark, tables.path("weights.bin"), content)
    assert files.read_bytes(tables.spark, tables.path("weights.bin")) == content
    assert files.size(tables.spark, tables.path("weights.bin")) == len(content)


def test_a_document_is_never_missing_while_it_is_replaced(tables: Tables, tmp_path: Path) -> None:
    """Hadoop's rename deletes the old file first if the file system is local."""
    tables.write_json("state", {"round": 0})
    (document,) = tmp_path.rglob("state.json")
    over, seen = threading.Event(), []

    def poll() -> None:
        while not over.is_set():
            try:
                seen.append(json.loads(document.read_text())["round"])
            except FileNotFoundError:
                seen.append(None)

    reader = threading.Thread(target=poll)
    reader.start()
    for number in range(1, 40):
        tables.write_json("state", {"round": number})
    over.set()
    reader.join()
    assert None not in seen and sorted(seen) == seen and len(set(seen)) > 3
