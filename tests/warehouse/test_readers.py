"""Other readers than bgmrec: DuckDB, pandas and pyarrow by path, a Python client of Spark's Thrift server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from bgmrec.publish.contracts import CONTRACTS
from tests.e2e.nights import PROJECT
from tests.warehouse.metastore import embedded, rows, thrift_server
from tests.warehouse.publisher import NEWER, OLDER
from tests.warehouse.versions import run_id


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dates, the newer one published twice, the older one in between."""
    folder = tmp_path_factory.mktemp("readers")
    versions = [f"{run_id(1, NEWER)}=3", f"{run_id(1, OLDER)}=5", f"{run_id(2, NEWER)}=4"]
    command = [sys.executable, "-m", "tests.warehouse.publisher", str(folder), *versions]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def location(root: Path, manifest: str, table: str) -> str:
    """The location that a reader by path looks up before each query."""
    document = json.loads((root / "published" / "_manifests" / f"{manifest}.json").read_text())
    return str(document["tables"][table]["location"])


@pytest.mark.parametrize(("manifest", "run", "users"), [("latest", run_id(2, NEWER), 4), (OLDER, run_id(1, OLDER), 5)])
def test_duckdb_pandas_and_pyarrow_read_by_path(root: Path, manifest: str, run: str, users: int) -> None:
    for table, contract in CONTRACTS.items():
        folder = location(root, manifest, table)
        rows = users * (1 if table == "similar_items" else 2)
        frame = pd.read_parquet(folder)
        assert list(frame.columns) == contract.schema.names and len(frame) == rows
        assert set(frame["run_id"]) == {run} and not frame.isna().to_numpy().any()
        assert ds.dataset(folder, format="parquet").count_rows() == rows
        # without hive_partitioning = false DuckDB takes ds from the folder's name, as a date
        files = f"read_parquet('{folder}*.parquet', hive_partitioning = false)"
        assert duckdb.sql(f"SELECT count(*), min(ds), max(run_id) FROM {files}").fetchall() == [(rows, run[:10], run)]
    folder = location(root, manifest, "recommendations")
    best = f"SELECT item_id, score FROM read_parquet('{folder}*.parquet') WHERE user_id = 'u2' ORDER BY position"
    assert duckdb.sql(best).fetchall() == [("m1", pytest.approx(1 / 3)), ("m2", pytest.approx(1 / 4))]


@pytest.fixture(scope="module")
def thrift(root: Path) -> Iterator[Any]:
    with thrift_server(root, embedded(root)) as cursor:
        yield cursor


def test_a_hiveserver2_client_reads_partitions_and_views(thrift: Any) -> None:
    count = "SELECT count(*), max(run_id) FROM bgmrec.recommendations"
    assert rows(thrift, f"{count}_current") == [(8, run_id(2, NEWER))]
    assert rows(thrift, f"{count} WHERE ds = '{OLDER}'") == [(10, run_id(1, OLDER))]
    partitions = [row[0] for row in rows(thrift, "SHOW PARTITIONS bgmrec.similar_items")]
    assert partitions == [f"ds={OLDER}", f"ds={NEWER}"]


@pytest.mark.parametrize(
    "query",
    [query for contract in CONTRACTS.values() for query in contract.examples.values()],
    ids=[text for contract in CONTRACTS.values() for text in contract.examples],
)
def test_the_example_queries_of_the_contracts_return_rows(thrift: Any, query: str) -> None:
    if "similar_items" in query:
        query = query.replace("'m1'", "'u1'")  # an item with similar items in this data
    answer = rows(thrift, query.format(database="bgmrec", ds=NEWER))
    assert answer and all(value is not None for row in answer for value in row)


@pytest.mark.parametrize("table", CONTRACTS)
def test_the_catalogue_has_the_columns_and_comments_of_the_contract(thrift: Any, table: str) -> None:
    described = rows(thrift, f"DESCRIBE bgmrec.{table}")
    columns = described[: next(n for n, row in enumerate(described) if row[0].startswith("#"))]
    fields = {field.name: field for field in CONTRACTS[table].schema}
    assert {name for name, _, _ in columns} == set(fields)
    for name, kind, comment in columns:
        assert (kind, comment) == (fields[name].dataType.simpleString(), fields[name].metadata["comment"])
