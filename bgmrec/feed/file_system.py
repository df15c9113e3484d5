"""The pyarrow file system of a path as Spark writes it."""

from __future__ import annotations

import os
from urllib.parse import quote

from pyarrow.fs import FileSystem, LocalFileSystem

_SCHEMES = {"s3a": "s3", "s3n": "s3"}  # Hadoop's names for what Arrow knows by another
_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")  # without it Arrow asks Amazon for the region of the bucket


def file_system(path: str) -> tuple[FileSystem, str]:
    """The file system of a path, and the path in it.

    Args:
        path: without a scheme for local files, or with one of `file`, `hdfs`, `s3`, `gs`, `abfs` or Hadoop's other
            names for them. As in Hadoop, no character is escaped.
    """
    scheme, separator, rest = path.partition(":")
    if not separator or "/" in scheme:
        return LocalFileSystem(), path
    if scheme == "file":
        return LocalFileSystem(), "/" + rest.lstrip("/")
    authority, _, folder = rest.removeprefix("//").partition("/")
    scheme = _SCHEMES.get(scheme, scheme)
    region = next(filter(None, map(os.environ.get, _REGION)), None) if scheme == "s3" else None
    return FileSystem.from_uri(f"{scheme}://{authority}/{quote(folder)}" + (f"?region={region}" if region else ""))
