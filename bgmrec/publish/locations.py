"""The location of a published table in the one spelling that pandas, Polars, PyArrow, DuckDB and Spark open.

Measured with pandas 2.2, Polars 2.1, PyArrow 14, DuckDB 1.5 and 2.0: on a local disk all open a plain path, whatever
characters it holds; `file:/…`, as Hadoop writes it, opens in PyArrow and DuckDB only. On S3 all open `s3://`; PyArrow,
and with it pandas, does not know Hadoop's `s3a://`. Polars takes an address for a file unless it ends with a slash.
"""

from __future__ import annotations

from pathlib import Path

_LOCAL = "file"
_SAME_STORE = {"s3a": "s3", "s3n": "s3"}  # Hadoop's name of a store → the readers' name


def reader_location(folder: str, default_root: str) -> str:
    """The location that a manifest gives readers: a plain path on a local disk, else a URI; it ends with a slash.

    Args:
        folder: qualified by Hadoop, as in `file:/data/bgmrec` or `s3a://bucket/bgmrec`.
        default_root: `/`, qualified by Hadoop: Spark takes a plain path for one of this file system.
    """
    scheme, _, rest = folder.rstrip("/").partition(":")
    if scheme != _LOCAL:
        return f"{_SAME_STORE.get(scheme, scheme)}:{rest}/"
    path = f"{_local_path(folder)}/"
    return path if default_root.startswith(f"{_LOCAL}:") else f"{_LOCAL}://{path}"


def delete_checksums(folder: str) -> None:
    """Deletes the files that Hadoop puts beside each file of a local folder: Polars takes them for parts of the table.

    Args:
        folder: qualified by Hadoop, with finished files, which Hadoop reads without their checksums, too.
    """
    if folder.startswith(f"{_LOCAL}:"):
        for file in _local_path(folder).glob(".*.crc"):
            file.unlink()


def _local_path(folder: str) -> Path:
    return Path("/" + folder.removeprefix(f"{_LOCAL}:").lstrip("/"))
