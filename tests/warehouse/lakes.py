"""Delta and Iceberg tables for tests: where they are, and what readers find in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from pyspark.sql import SparkSession

from bgmrec.publish.formats.delta import Delta
from bgmrec.publish.formats.iceberg import Iceberg
from bgmrec.publish.formats.lakehouse import Lakehouse
from bgmrec.publish.versions import Versions
from bgmrec.storage.tables import Tables
from tests.warehouse.versions import counts

NAMES = ("recommendations", "similar_items")
NAMESPACE = "bgm"

Dates = dict[str, tuple[set[str], int]]  # date → runs and number of rows


def catalogue(root: Path) -> dict[str, str]:
    return {"type": "sql", "uri": f"sqlite:///{root}/catalogue.db"}


def make_versions(spark: SparkSession, root: Path, name: str, properties: dict[str, str] | None = None) -> Versions:
    connection: Any = Delta({}) if name == "delta" else Iceberg(properties or catalogue(root), NAMESPACE)
    return Versions(Tables(spark, f"file://{root}/published"), None, format=Lakehouse(connection))


def iceberg_table(root: Path, table: str, properties: dict[str, str] | None = None) -> Table:
    return load_catalog("bgmrec", **(properties or catalogue(root))).load_table(f"{NAMESPACE}.{table}")


def newest(root: Path, name: str, table: str, version: int | None = None) -> Dates:
    """What the format's library reads: the newest state, or a former version."""
    return by_date(read(root, name, table, version))


def read(root: Path, name: str, table: str, version: int | None = None) -> pa.Table:
    if name == "delta":
        return pa.table(DeltaTable(root / "published" / table, version=version).to_pyarrow_table())
    return iceberg_table(root, table).scan(snapshot_id=version).to_arrow()


def by_date(rows: pa.Table) -> Dates:
    return {ds: (set(of_date["run_id"]), len(of_date)) for ds, of_date in rows.to_pandas().groupby("ds")}


def users_of(run: str) -> int:
    """Another number of users for each run, so that a mixture is seen."""
    return 40 + int(run[-3:])


def rows_of(table: str, run: str) -> tuple[set[str], int]:
    return {run}, counts(users_of(run))[table]
