"""Versions of published tables as a table format sees them. Spark writes the Parquet files of all formats.

Folders below `<root>/published/<table>`, by format:

    parquet           ds=2025-01-31/run_id=<run>/part-….parquet
    delta, iceberg    ds=2025-01-31/<run>/part-….parquet        Polars refuses a Delta table with a second key=value

This module imports no library of a format, so that plain Parquet needs none.
"""

from __future__ import annotations

from dataclasses import dataclass

from bgmrec.publish.contracts import Contract
from bgmrec.storage import columns as c

PARQUET = "parquet"


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file of a version.

    Args:
        path: below the folder of the table, with `/`.
        size: bytes.
        changed: milliseconds of its last change.
    """

    path: str
    size: int
    changed: int


@dataclass(frozen=True)
class Staged:
    """The files that a run wrote for one table and logical date.

    Args:
        ds: logical date, YYYY-MM-DD.
        run_id: of the run.
        rows: of all files.
        files: all of them, also files without rows.
    """

    ds: str
    run_id: str
    rows: int
    files: tuple[StagedFile, ...]


@dataclass(frozen=True)
class Target:
    """One published table.

    Args:
        contract: of the table.
        root: folder of the table as readers take it: a plain path on a local disk, else a URI; it ends with a slash.
    """

    contract: Contract
    root: str


def version_folder(table: str, run_id: str, format_name: str) -> str:
    """The folder of a version below `<root>/published`.

    Args:
        table: name of the table.
        run_id: of the run; it begins with its logical date.
        format_name: of the format that the run published in.
    """
    name = f"{c.RUN_ID}={run_id}" if format_name == PARQUET else run_id
    return f"{table}/{c.DS}={run_id[:10]}/{name}"


def version_folders(table: str, run_id: str) -> tuple[str, ...]:
    """The folders that a version has in one format or another: a root may have changed its format.

    Args:
        table: name of the table.
        run_id: of the run.
    """
    return version_folder(table, run_id, PARQUET), version_folder(table, run_id, "")
