"""Formats of the published tables: what is refused before Spark starts, secrets, and statistics of files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bgmrec.config import Settings, load_settings
from bgmrec.errors import EXIT_SETTINGS, PublishingError, SettingsError
from bgmrec.publish.contracts import RECOMMENDATIONS
from bgmrec.publish.formats.base import Target
from bgmrec.publish.formats.choose import refuse_unusable, table_format
from bgmrec.publish.formats.footers import delta_statistics
from bgmrec.runtime import session
from bgmrec.stages.job import start_session

ICEBERG = 'publish.iceberg.catalog={type="sql",uri="sqlite:////data/catalogue.db"}'


def settings_of(*overrides: str) -> Settings:
    return load_settings([], ["publish.catalog=none", *overrides])


@pytest.mark.parametrize(
    ("overrides", "keys"),
    [
        (["publish.format=delta"], "publish.catalog, publish.format"),
        (["publish.format=iceberg", ICEBERG, "publish.catalog=session"], "publish.catalog, publish.format"),
        (["publish.format=iceberg", "publish.catalog=none"], "publish.iceberg.catalog, publish.format"),
        (
            ["publish.format=iceberg", "publish.catalog=none", 'publish.iceberg.catalog={uri="sqlite://"}'],
            "publish.iceberg.catalog, publish.format",
        ),
        (
            ["publish.format=iceberg", "publish.catalog=none", 'publish.iceberg.catalog={type="in-memory",uri="x"}'],
            "publish.iceberg.catalog, publish.format",
        ),
        (["publish.format=delta", "publish.catalog=none", 'publish.mode="640"'], "publish.mode, publish.format"),
    ],
)
def test_settings_that_no_format_can_have_are_refused(overrides: list[str], keys: str) -> None:
    with pytest.raises(SettingsError, match=f"impossible together: {keys}") as caught:
        load_settings([], overrides)
    assert caught.value.exit_status == EXIT_SETTINGS and caught.value.hint


@pytest.mark.parametrize(
    "override",
    [
        'publish.iceberg.catalog={type="sql",uri="postgresql+psycopg://me:hunter2@db/lake"}',
        'publish.iceberg.catalog={type="rest",uri="http://lake",credential="me:hunter2"}',
        'publish.iceberg.catalog={type="rest",uri="http://lake","s3.secret-access-key"="hunter2"}',
        'publish.delta.storage_options={AWS_SECRET_ACCESS_KEY="hunter2"}',
        'publish.delta.storage_options={azure_storage_account_key="hunter2"}',
    ],
)
def test_a_secret_in_the_settings_is_refused_and_not_repeated(override: str) -> None:
    with pytest.raises(SettingsError, match=r"publish\.") as plain:
        load_settings([], [override])
    assert "hunter2" not in str(plain.value) and "${NAME}" in plain.value.expected


@pytest.mark.parametrize(("name", "package"), [("delta", "deltalake"), ("iceberg", "pyiceberg")])
def test_a_format_without_its_library_is_refused_before_spark_starts(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        pytest.fail("Spark was started")

    monkeypatch.setattr(session, "build_session", started)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError, match="is not installed") as caught:
        start_session(settings_of(f"publish.format={name}", ICEBERG))
    assert f"'.[{name}]'" in caught.value.hint and package in caught.value.expected


@pytest.mark.parametrize("root", ["/data/my lake", "/data/100%", "s3a://bucket/söng", "/data/run=1/bgmrec"])
def test_a_root_that_readers_do_not_find_is_refused(root: str) -> None:
    with pytest.raises(SettingsError, match="do not find files") as caught:
        refuse_unusable(settings_of("publish.format=delta", f"paths.root={root}"))
    assert root in caught.value.found
    assert refuse_unusable(settings_of(f"paths.root={root}")) == ()


@pytest.mark.parametrize("name", ["delta", "iceberg"])
@pytest.mark.parametrize("root", ["viewfs://mounts/bgmrec", "abfss://box@account.dfs.core.windows.net/bgmrec"])
def test_a_file_system_on_which_the_library_does_not_commit_is_refused(name: str, root: str) -> None:
    with pytest.raises(SettingsError, match="does not commit") as caught:
        refuse_unusable(settings_of(f"publish.format={name}", ICEBERG, f"paths.root={root}"))
    assert caught.value.where == "paths.root" and "s3a://" in caught.value.expected


def test_a_secret_that_the_environment_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = 'publish.iceberg.catalog={type="sql",uri="postgresql+psycopg://me:${LAKE_PASSWORD}@db/lake"}'
    settings = settings_of("publish.format=iceberg", catalogue, "paths.root=/data/lake")
    monkeypatch.delenv("LAKE_PASSWORD", raising=False)
    with pytest.raises(SettingsError, match="not in the environment") as caught:
        refuse_unusable(settings)
    assert caught.value.where == "publish.iceberg.catalog.uri"
    monkeypatch.setenv("LAKE_PASSWORD", "hunter2")
    assert refuse_unusable(settings) == ("hunter2",)


def test_what_a_catalogue_answers_is_explained_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE", "hunter2")
    catalogue = 'publish.iceberg.catalog={type="sql",uri="sqlite:////no/such/folder/${LAKE}.db"}'
    lakehouse = table_format(settings_of("publish.format=iceberg", catalogue).publish)
    assert lakehouse is not None
    with pytest.raises(PublishingError, match="could not be read or changed") as caught:
        lakehouse.dates(Target(RECOMMENDATIONS, "/data/recommendations/"))
    assert "unable to open database file" in caught.value.found and "hunter2" not in str(caught.value)
    assert "[publish.iceberg]" in caught.value.hint and caught.value.where == "bgmrec.recommendations"


def test_plain_parquet_loads_no_library_of_a_format() -> None:
    code = "import sys, bgmrec.stages.nightly; print([n for n in ('deltalake', 'pyiceberg') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert table_format(load_settings([], []).publish) is None


def statistics(tmp_path: Path, rows: pa.Table, **options: int) -> dict:
    pq.write_table(rows, tmp_path / "part.parquet", **options)
    return json.loads(delta_statistics(pq.read_metadata(tmp_path / "part.parquet"), without="ds"))


def test_statistics_of_several_row_groups(tmp_path: Path) -> None:
    rows = pa.table(
        {
            "ds": ["2025-01-31"] * 4,
            "user_id": ["b", "c", "a", None],
            "position": pa.array([2, 1, 4, 3], pa.int32()),
            "score": pa.array([0.5, -1.0, None, None], pa.float32()),
        }
    )
    assert statistics(tmp_path, rows, row_group_size=2) == {
        "numRecords": 4,
        "minValues": {"user_id": "a", "position": 1, "score": -1.0},
        "maxValues": {"user_id": "c", "position": 4, "score": 0.5},
        "nullCount": {"user_id": 1, "position": 0, "score": 2},
    }


def test_values_that_are_no_bounds_are_left_out(tmp_path: Path) -> None:
    rows = pa.table(
        {"long": ["x" * 65, "y"], "infinite": [1.0, float("inf")], "null": pa.array([None, None], "string")}
    )
    found = statistics(tmp_path, rows)
    assert found["minValues"] == found["maxValues"] == {}
    assert found["nullCount"] == {"long": 0, "infinite": 0, "null": 2}
