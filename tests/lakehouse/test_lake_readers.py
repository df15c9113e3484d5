"""The readers of Delta and Iceberg tables that bgmrec/publish/README.md names read what a manifest names."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import deltalake
import duckdb
import polars
import pytest
from pyiceberg.catalog import load_catalog
from pyspark.sql import SparkSession

from bgmrec.publish.contracts import CONTRACTS
from tests.lakehouse.test_formats import publish
from tests.spark.test_locations import columns_and_rows
from tests.warehouse.lakes import catalogue, make_versions
from tests.warehouse.versions import run_id

README = (Path(__file__).parents[2] / "bgmrec" / "publish" / "README.md").read_text(encoding="utf-8")
SECTION = README[README.index("## Delta and Iceberg tables") : README.index("## Versions and manifests")]
[SNIPPET] = [text for text in re.findall(r"(?:^    .+\n)+", SECTION, re.MULTILINE) if "manifest" in text]
LATER = "2025-02-01"
COLUMNS = CONTRACTS["recommendations"].schema.names


def readers(name: str) -> dict[str, str]:
    table = SECTION[SECTION.index(f"| reader of {name.capitalize()} |") :].split("\n\n", 1)[0]
    return dict(re.findall(r"^\| (\w+) \| `(.+?)`", table, re.MULTILINE))


CASES = [(name, reader) for name in ("delta", "iceberg") for reader in readers(name)]


@pytest.fixture(scope="module")
def roots(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two dates, the newer one published twice; the older one again after that."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("delta", "iceberg")}
    for name, folder in folders.items():
        versions = make_versions(spark, folder, name)
        for run, users in ((run_id(1), 3), (run_id(1, LATER), 4), (run_id(2, LATER), 5), (run_id(2), 9)):
            publish(versions, run, users)
    return folders


def names_of(name: str, root: Path, spark: SparkSession) -> dict[str, Any]:
    names: dict[str, Any] = {"polars": polars, "duckdb": duckdb, "spark": spark, "DeltaTable": deltalake.DeltaTable}
    exec(dedent(SNIPPET).replace("<root>", str(root)), names)
    if name == "iceberg":
        names["table"] = load_catalog("bgmrec", **catalogue(root)).load_table(names["facts"]["table"])
    return names


def test_all_readers_are_named() -> None:
    others = ["pandas", "Polars", "DuckDB", "Spark"]
    assert [reader for _, reader in CASES] == ["deltalake", *others, "pyiceberg", *others]


@pytest.mark.parametrize(("name", "reader"), CASES)
def test_a_reader_gets_the_version_that_the_manifest_names(
    spark: SparkSession, roots: dict[str, Path], name: str, reader: str
) -> None:
    """The older date was published again later: the version of the manifest has its former rows."""
    columns, rows = columns_and_rows(eval(readers(name)[reader], names_of(name, roots[name], spark)))
    assert (columns, rows) == (COLUMNS, 2 * 5 if reader == "Spark" else 2 * 3 + 2 * 5)


@pytest.mark.parametrize("name", ["delta", "iceberg"])
def test_polars_duckdb_and_spark_find_the_rows_of_a_user_in_the_newest_state(
    spark: SparkSession, roots: dict[str, Path], name: str
) -> None:
    names = names_of(name, roots[name], spark)
    if name == "delta":
        frame = polars.scan_delta(names["facts"]["table"])
        arrow = deltalake.DeltaTable(names["facts"]["table"]).to_pyarrow_dataset()
    else:
        frame, arrow = polars.scan_iceberg(names["table"]), names["table"].scan().to_arrow()
    mine = frame.filter((polars.col("ds") == LATER) & (polars.col("user_id") == "u2")).sort("position").collect()
    assert mine["item_id"].to_list() == ["m1", "m2"] and set(mine["run_id"]) == {run_id(2, LATER)}
    assert mine["score"].to_list() == [pytest.approx(1 / 3), pytest.approx(1 / 4)]
    counted = duckdb.from_arrow(arrow).aggregate("ds, count(*), min(run_id), max(run_id)").order("ds").fetchall()
    assert counted == [(d, 2 * n, run_id(2, d), run_id(2, d)) for d, n in (("2025-01-31", 9), (LATER, 5))]
