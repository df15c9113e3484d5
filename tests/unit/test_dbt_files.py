"""The files for dbt say what the contracts say, and dbt reads them where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from bgmrec.publish.contracts import CONTRACTS, Contract
from bgmrec.publish.dbt_files import _yaml
from jobs import dbt_files

POSTGRES = "export.postgres.address=host=db password=${PGPASSWORD}"


def made(folder: Path, *sets: str) -> tuple[dict[str, Any], dict[str, Any]]:
    arguments = [part for item in sets for part in ("--set", item)]
    assert dbt_files.main([*arguments, "--out", str(folder / "bgmrec")]) == 0
    sources, exposures = (
        yaml.safe_load((folder / "bgmrec" / f"{n}.yml").read_text()) for n in ("sources", "exposures")
    )
    return sources, exposures


def test_the_source_has_the_tables_of_the_settings(tmp_path: Path) -> None:
    (source,) = made(tmp_path, "publish.database=music")[0]["sources"]
    assert (source["name"], source["schema"]) == ("bgmrec", "music")
    published = ("recommendations", "similar_items")
    assert [t["name"] for t in source["tables"]] == [n for table in published for n in (table, f"{table}_current")]


def test_without_sparks_catalogue_there_are_no_views(tmp_path: Path) -> None:
    catalogue = 'publish.iceberg.catalog={type="sql",uri="sqlite:////data/catalogue.db"}'
    for number, sets in enumerate((["publish.format=iceberg", catalogue], [])):
        sources, exposures = made(tmp_path / str(number), "publish.catalog=none", *sets)
        assert [table["name"] for table in sources["sources"][0]["tables"]] == ["recommendations", "similar_items"]
        assert exposures["exposures"][0]["depends_on"] == [
            "source('bgmrec', 'recommendations')", "source('bgmrec', 'similar_items')",
        ]  # fmt: skip


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_table_is_its_contract(contract: Contract, tmp_path: Path) -> None:
    (source,) = made(tmp_path, f"publish.tables=['{contract.table}']")[0]["sources"]
    table, current = source["tables"]
    assert table["config"]["meta"]["keys"] == ["ds", *current["config"]["meta"]["keys"]] == ["ds", *contract.keys]
    for entry in (table, current):
        assert entry["description"].startswith(contract.meaning)
        columns = [
            (column["name"], column["data_type"], column["description"], column.get("data_tests") == ["not_null"])
            for column in entry["columns"]
        ]
        assert columns == [
            (field.name, field.dataType.simpleString(), field.metadata["comment"], not field.nullable)
            for field in contract.schema
        ]


def test_exposures_depend_on_what_is_published(tmp_path: Path) -> None:
    lists, postgres = made(tmp_path, POSTGRES)[1]["exposures"]
    assert lists["name"] == "bgmrec_lists" and postgres["name"] == "bgmrec_postgres"
    for exposure in (lists, postgres):
        assert exposure["owner"] == {"name": "bgmrec"}
        assert exposure["depends_on"] == [
            "source('bgmrec', 'recommendations_current')", "source('bgmrec', 'similar_items_current')",
        ]  # fmt: skip
    assert "PGPASSWORD" not in (tmp_path / "bgmrec" / "exposures.yml").read_text()


@pytest.mark.parametrize(
    "text", ["a: b # no comment", 'it\'s "quoted"', "- no list", "yes", "2025-03-14", "音楽 \\ \n"]
)
def test_texts_are_read_as_they_were_written(text: str) -> None:
    document = {"a": text, "list": [text, {"b": text, "c": [text]}], "number": 2}
    assert yaml.safe_load(_yaml(document)) == document


def test_dbt_reads_them(tmp_path: Path) -> None:
    dbt = shutil.which("dbt")
    if dbt is None:
        pytest.skip("no dbt on the PATH: pip install 'dbt-core<1.11' dbt-duckdb into an environment of its own")
    made(tmp_path / "models", POSTGRES)
    (tmp_path / "dbt_project.yml").write_text("name: music\nversion: '1.0'\nprofile: music\nmodel-paths: [models]\n")
    target = {"type": "duckdb", "path": str(tmp_path / "music.duckdb")}
    (tmp_path / "profiles.yml").write_text(json.dumps({"music": {"target": "dev", "outputs": {"dev": target}}}))
    command = [dbt, "--no-version-check", "--warn-error", "parse", "--profiles-dir", ".", "--project-dir", "."]
    parsed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    assert len(manifest["sources"]) == 4
    lists = manifest["exposures"]["exposure.music.bgmrec_lists"]
    assert sorted(lists["depends_on"]["nodes"]) == [
        "source.music.bgmrec.recommendations_current", "source.music.bgmrec.similar_items_current",
    ]  # fmt: skip
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    required = sum(2 * len(CONTRACTS[table].required) for table in ("recommendations", "similar_items"))
    assert len(tests) == required
