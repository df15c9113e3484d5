"""The location in a manifest opens as it stands in every reader that bgmrec/publish/README.md names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import pandas
import polars
import pyarrow.dataset
import pytest
from pyspark.sql import SparkSession

from bgmrec.publish import contracts
from bgmrec.publish.promotion import promote
from bgmrec.publish.versions import LATEST, Versions
from bgmrec.storage.tables import Tables
from tests.warehouse.versions import publish, run_id

README = (Path(__file__).parents[2] / "bgmrec" / "publish" / "README.md").read_text(encoding="utf-8")
BY_PATH = README[README.index("**By path.**") : README.index("**Through Spark's Thrift server**")]
[SNIPPET] = re.findall(r"(?:^    .+\n)+", BY_PATH, re.MULTILINE)
READERS: dict[str, str] = dict(re.findall(r"^\| (\w+) \| `(.+)` \|$", BY_PATH, re.MULTILINE))
USERS = 4
DATABASE = "locations_test"
COLUMNS = contracts.CONTRACTS["recommendations"].schema.names


@pytest.fixture(scope="module")
def root(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root whose name holds what is escaped in URIs."""
    folder = tmp_path_factory.mktemp("published") / "my data, 100% #1 音楽"
    spark.sql(f"DROP DATABASE IF EXISTS {DATABASE} CASCADE")
    for number in (1, 2):
        publish(spark, folder, run_id(number), USERS - 2 + number, DATABASE)
    return folder


def columns_and_rows(table: Any) -> tuple[list[str], int]:
    """Of a frame, table or relation of any of the readers."""
    count: Callable[[], int] | None = getattr(table, "count", None) if hasattr(table, "sparkSession") else None
    return list(getattr(table, "column_names", table.columns)), count() if count else len(table)


def test_all_five_readers_are_named() -> None:
    assert list(READERS) == ["pandas", "Polars", "PyArrow", "DuckDB", "Spark"]


@pytest.mark.parametrize("reader", READERS)
def test_the_readers_of_the_document_open_the_location_as_it_stands(
    spark: SparkSession, root: Path, reader: str
) -> None:
    names = {"pandas": pandas, "polars": polars, "pyarrow": pyarrow, "duckdb": duckdb, "spark": spark}
    exec(dedent(SNIPPET).replace("<root>", str(root)), names)
    columns, rows = columns_and_rows(eval(READERS[reader], names))
    assert (columns, rows) == (COLUMNS, 2 * USERS)


def test_duckdb_has_the_types_of_the_contract(root: Path) -> None:
    names: dict[str, Any] = {"duckdb": duckdb}
    exec(dedent(SNIPPET).replace("<root>", str(root)), names)
    rows = eval(READERS["DuckDB"], names)
    assert rows.aggregate("min(ds), max(run_id)").fetchall() == [("2025-01-31", run_id(2))]


@pytest.mark.parametrize("question", [question for of in contracts.CONTRACTS.values() for question in of.examples])
def test_the_queries_of_the_document_return_rows(spark: SparkSession, root: Path, question: str) -> None:
    [query] = [of.examples[question] for of in contracts.CONTRACTS.values() if question in of.examples]
    if "similar_items" in query:
        query = query.replace("'m1'", "'u1'")  # an item with similar items in this data
    text = query.format(database=DATABASE, ds="2025-01-31")
    assert f"-- {question}" in README and spark.sql(text).collect()


def test_a_location_on_s3_is_named_as_readers_know_it(spark: SparkSession, tmp_path: Path) -> None:
    """Hadoop's viewfs plays S3: both names of the store lead to one folder."""
    context: Any = spark.sparkContext
    hadoop = context._jsc.hadoopConfiguration()
    for scheme in ("s3", "s3a"):
        hadoop.set(f"fs.{scheme}.impl", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme")
        hadoop.set(f"fs.viewfs.overload.scheme.target.{scheme}.impl", "org.apache.hadoop.fs.LocalFileSystem")
    hadoop.set("fs.viewfs.mounttable.bucket.link./bgmrec", tmp_path.as_uri())
    versions = Versions(Tables(spark, "s3a://bucket/bgmrec/published"), None)
    run = run_id(1)
    columns = "ds string, user_id string, position int, item_id string, score float, source string, run_id string"
    rows = spark.createDataFrame([(run[:10], "u1", 1, "m1", 0.5, "warm", run)], columns)
    location = versions.stage(rows, "recommendations", run[:10], run)
    assert location == f"s3://bucket/bgmrec/published/recommendations/ds={run[:10]}/run_id={run}/"
    record = {"tables": {"recommendations": {"location": location, "rows": 1}}, "model": {"run_id": run}}
    promote(versions, {"ds": run[:10], "run_id": run, **record})
    assert versions.read("recommendations", run[:10]).count() == spark.read.parquet(location).count() == 1
    manifest = json.loads((tmp_path / "published" / "_manifests" / f"{LATEST}.json").read_text())
    assert manifest["tables"]["recommendations"]["location"] == location
    assert versions.missing(manifest) == []
    versions.purge(run)
    assert versions.missing(manifest) == [location.replace("s3:", "s3a:").rstrip("/")]
