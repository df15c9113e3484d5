"""Iceberg tables in the catalogue of a real server: PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from bgmrec.publish.promotion import promote, unpublish_after
from tests.warehouse.lakes import by_date, iceberg_table, make_versions
from tests.warehouse.servers import PASSWORD, VARIABLE, postgres
from tests.warehouse.versions import counts, run_id, tables

LISTS = "recommendations"
LATER = "2025-02-01"


@pytest.fixture(scope="module")
def properties() -> Iterator[dict[str, str]]:
    with postgres() as address:
        words = dict(word.split("=", 1) for word in address.replace(f"${{{VARIABLE}}}", PASSWORD).split())
        place = f"{words['host']}:{words['port']}/{words['dbname']}"
        yield {"type": "sql", "uri": f"postgresql+psycopg://{words['user']}:{words['password']}@{place}"}


def test_versions_are_committed_replaced_and_taken_back(
    spark: SparkSession, tmp_path: Path, properties: dict[str, str]
) -> None:
    versions = make_versions(spark, tmp_path, "iceberg", properties)

    def publish(run: str, users: int) -> None:
        rows = tables(spark, run, users)[LISTS]
        facts = {"location": versions.stage(rows, LISTS, run[:10], run), "rows": counts(users)[LISTS]}
        promote(versions, {"ds": run[:10], "run_id": run, "tables": {LISTS: facts}, "model": {"run_id": run}})

    def found() -> dict[str, tuple[set[str], int]]:
        return by_date(iceberg_table(tmp_path, LISTS, properties).scan().to_arrow())

    publish(run_id(1), 3)
    publish(run_id(1, LATER), 4)
    publish(run_id(2), 5)
    assert found() == {"2025-01-31": ({run_id(2)}, 10), LATER: ({run_id(1, LATER)}, 8)}
    promote(versions, versions.record(run_id(1)), rolled_back=True)
    unpublish_after(versions, "2025-01-31", [LATER])
    assert found() == {"2025-01-31": ({run_id(1)}, 6)}
    version = versions.latest()["tables"][LISTS]["version"]
    scan = iceberg_table(tmp_path, LISTS, properties).scan(snapshot_id=version)
    assert by_date(scan.to_arrow())["2025-01-31"] == ({run_id(1)}, 6)
