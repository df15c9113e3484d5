"""Files that are read: in groups that one read can take, and with a look at their first bytes before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.storage import files as fs

SLASHES, ONE_SLASH = "^file:/+", "file:/"
_METADATA = "_metadata"  # Spark's hidden column
# first bytes of compressed files, and the ending by which Hadoop's codecs know them; None: there is no codec
_MAGIC: dict[bytes, tuple[str, str | None]] = {
    b"\x1f\x8b": ("gzip", ".gz"),
    b"BZh": ("bzip2", ".bz2"),
    b"\x28\xb5\x2f\xfd": ("zstd", ".zst"),
    b"\xfd7zXZ\x00": ("xz", None),
    b"\x04\x22\x4d\x18": ("lz4 frames", None),
    b"\xff\x06\x00\x00sNaPpY": ("snappy frames", None),
    b"PK\x03\x04": ("zip", None),
}
_MAGIC_BYTES = 16
_LOOKS_AT_ONCE = 16

T = TypeVar("T")


@dataclass(frozen=True)
class InputFile:
    """A file that is read.

    Args:
        path: as the file system writes it.
        uri: the path as an encoded URI, as Spark writes it.
        size: in bytes.
        changed: time of the last change in milliseconds.
        base: the folder below which folders named `key=value` give columns; None where there are none.
        keys: the keys of these folders.
        day: that the path was expanded for; None: the path names no day.
    """

    path: str
    uri: str
    size: int
    changed: int
    base: str | None = None
    keys: tuple[str, ...] = ()
    day: date | None = None


def read_group(reader: DataFrameReader, format: str, group: Sequence[InputFile], **options: str) -> DataFrame:
    """Reads files of one layout; their paths are taken as they are, whatever characters they hold.

    Args:
        reader: with schema and options.
        format: of Spark.
        group: files with the same `base` and `keys`.
        options: of the reader.
    """
    if group[0].base is not None:
        options["basePath"] = group[0].base
    # Spark's readers take every path for a pattern
    return reader.format(format).options(**options).load([fs.literal(file.path) for file in group])


def file_uri(raw: DataFrame) -> Column:
    """The URI of each row's file, as Spark writes it.

    Args:
        raw: from `read_group`; a column of the files may have the name of Spark's.
    """
    frame: Any = raw
    if hasattr(frame, "metadataColumn"):  # since Spark 4; before, only Java has it
        column = frame.metadataColumn(_METADATA)
    else:
        column = Column(frame._jdf.metadataColumn(_METADATA))
    return column["file_path"]


def one_slash(uri: str) -> str:
    """The URI of a local file with one slash after its scheme: Hadoop and Spark write different numbers of them.

    Args:
        uri: of any file system.
    """
    return re.sub(SLASHES, ONE_SLASH, uri)


def by_layout(files: Iterable[InputFile]) -> list[list[InputFile]]:
    """Groups of files that one read can take: Spark refuses folders of different keys in one.

    Args:
        files: the files to read.
    """
    groups: dict[tuple[str | None, tuple[str, ...]], list[InputFile]] = {}
    for file in files:
        groups.setdefault((file.base, file.keys), []).append(file)
    return list(groups.values())


def first_bytes(spark: SparkSession, file: InputFile, number: int, *, unpacked: bool) -> bytes:
    """The first bytes of a file.

    Args:
        spark: the session.
        file: the file.
        number: of bytes.
        unpacked: whether a compressed file is unpacked by Hadoop's codec.

    Raises:
        InputError: the archive is damaged, or its codec is not available here.
    """
    try:
        return fs.first_bytes(spark, file.path, number, unpacked=unpacked)
    except Py4JJavaError as error:
        if fs.is_missing_or_denied(error):
            raise
        raise InputError(
            "raw files cannot be read",
            where=file.uri,
            expected="a whole file whose compression Hadoop's codecs of this Spark can unpack",
            found=str(error.java_exception.toString())[:300],
            hint="move the damaged file away, or compress it with gzip or bzip2",
        ) from error


def for_each(look: Callable[[InputFile], T], files: Sequence[InputFile]) -> list[T]:
    """What a look at each file gives, in order; many at once, because a look at an object store takes long.

    Args:
        look: called in threads of the driver.
        files: the files.
    """
    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        return list(pool.map(look, files))


def file_name(path: str) -> str:
    """The last part of a path.

    Args:
        path: of a file or folder.
    """
    return path.rstrip("/").rsplit("/", 1)[-1]


def check_readable(spark: SparkSession, files: Files, found: Sequence[InputFile]) -> None:
    """Looks at the first bytes of each file.

    Args:
        spark: the session.
        files: the format.
        found: the files.

    Raises:
        InputError: a file is of another format, or compressed in a way that Hadoop's codecs do not know.
    """
    for file in found:
        if file.uri.startswith("file:") and ":" in file_name(file.path):
            raise refused_colon(file.path, file_name(file.path))
    starts = for_each(lambda file: first_bytes(spark, file, _MAGIC_BYTES, unpacked=False), found)
    for file, start in zip(found, starts, strict=True):
        if files.format == "parquet":
            if start[:4] not in (b"PAR1", b"PARE"):
                raise _not_of_format(file, "a Parquet file, which begins with PAR1", start)
            continue
        if start[:4] == b"PAR1":
            raise _not_of_format(file, f"a {files.format} file", start, 'set format = "parquet"')
        for magic, (kind, ending) in _MAGIC.items():
            if start.startswith(magic) and (ending is None or not file.path.endswith(ending)):
                raise InputError(
                    "a compressed file cannot be read",
                    where=file.path,
                    expected="a file that is not compressed, or that Hadoop knows by its ending (.gz, .bz2)",
                    found=f"{kind} in a file whose name ends with {file_name(file.path)[-8:]!r}",
                    hint=f"rename it to …{ending}" if ending else "compress it with gzip or bzip2 instead",
                )


def _not_of_format(file: InputFile, expected: str, start: bytes, hint: str = "") -> InputError:
    return InputError(
        "raw files cannot be read",
        where=file.path,
        expected=expected,
        found=f"a file of {file.size:,} bytes that begins with {start[:8]!r}",
        hint=hint or "check the source's format, or move the damaged file away",
    )


def refused_colon(where: str, found: str) -> InputError:
    """The error that a file's name holds a colon.

    Args:
        where: the file, or the pattern that matches it.
        found: its name.
    """
    return InputError(
        "a file's name holds a colon, which Hadoop cannot open",
        where=where,
        expected="names without colons",
        found=found,
        hint="rename the file, for example 2025-03-13T10-00-00.jsonl",
    )
