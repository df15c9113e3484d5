"""The files of a source: those below its paths that are read, those passed over, and those that no reader can open.

Hidden files (`_SUCCESS`, `.part.crc`) and files without a byte are passed over in every format. Sub-folders are read
with `recursive = true`; those named `key=value` always are, and give the column `key`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.runtime.logs import logger
from bgmrec.storage import files as fs

_DAY = "{ds}"
SLASHES, ONE_SLASH = "^file:/+", "file:/"
_METADATA = "_metadata"  # Spark's hidden column
_RELATIVE = "Relative path in absolute URI: "  # Hadoop's words before a name with a colon
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


@dataclass
class FilesFound:
    """The files below some paths.

    Args:
        read: the files to read.
        empty: number of files without a byte.
        unread: sub-folder → its files, which are not read.
    """

    read: list[InputFile] = field(default_factory=list)
    empty: int = 0
    unread: dict[str, list[InputFile]] = field(default_factory=dict)


def window_days(ds: date, lookback_days: int | None) -> list[date]:
    """The days of the window in rising order, the logical date last.

    Args:
        ds: the logical date.
        lookback_days: number of days; None: one.
    """
    return [ds - timedelta(days=back) for back in reversed(range(lookback_days or 1))]


def expand_path(path: str, *, data: str, day: date) -> str:
    """Fills `{data}` and `{ds}`; other braces belong to globs.

    Args:
        path: from the settings.
        data: what `{data}` stands for.
        day: what `{ds}` stands for.
    """
    return path.replace("{data}", data.rstrip("/")).replace(_DAY, day.isoformat())


def find_files(spark: SparkSession, files: Files, data: str, ds: date, where: str) -> FilesFound:
    """The files of the window, day by day.

    Args:
        spark: the session.
        files: paths, window and format.
        data: what `{data}` in a path stands for.
        ds: the logical date, the last day of the window.
        where: the source in the settings, for the warning about sub-folders.

    Raises:
        InputError: a path or a day of the window is missing.
    """
    found = FilesFound()
    for path in files.paths:
        days = window_days(ds, files.lookback_days) if _DAY in path else [ds]
        by_day = {day: _matches(spark, expand_path(path, data=fs.literal(data), day=day)) for day in days}
        missing = [day for day, matches in by_day.items() if not matches]
        if missing and not (files.allow_missing_days and len(missing) < len(days)):
            raise _missing(expand_path(path, data=data, day=missing[-1]), path, missing, days)
        for day, matches in by_day.items():
            before = len(found.read)
            for match in matches:
                _add(spark, match, files.recursive, found)
            if _DAY in path:
                found.read[before:] = [replace(file, day=day) for file in found.read[before:]]
    distinct = {file.uri: file for file in found.read if _is_wanted(spark, files, _name(file.path))}
    found.read = list(distinct.values())
    if found.unread:
        _check_unread(spark, files, found, where)
    return found


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


def _is_wanted(spark: SparkSession, files: Files, name: str) -> bool:
    """Whether the file's name is of Spark's `pathGlobFilter`."""
    pattern = next((value for key, value in files.options.items() if key.lower() == "pathglobfilter"), None)
    glob: Any = spark.sparkContext._jvm.org.apache.hadoop.fs.GlobPattern  # type: ignore[union-attr]
    return pattern is None or bool(glob(pattern).matches(name))


def _matches(spark: SparkSession, pattern: str) -> list[str]:
    """What a pattern matches; hidden files and folders only where the pattern names them."""
    try:
        return [path for path in fs.glob(spark, pattern) if not _hidden(_name(path)) or _name(path) == _name(pattern)]
    except (Py4JError, PySparkException) as error:
        if "URISyntaxException" not in str(error):
            raise
        raise _colon(pattern, str(error).partition(_RELATIVE)[2].partition("\n")[0]) from error


def _add(spark: SparkSession, path: str, recursive: bool, found: FilesFound) -> None:
    for status in fs.statuses(spark, path):
        if status.is_folder:
            _add_folder(spark, status, path, recursive, found, ())
        else:
            _add_file(status, None, (), found)


def _add_folder(
    spark: SparkSession, folder: fs.Listed, base: str, recursive: bool, found: FilesFound, keys: tuple[str, ...]
) -> None:
    key, equals, _ = folder.name.partition("=")
    if not _visible(folder.name):
        return
    if not recursive and not (equals and key):
        if unread := _all_below(spark, folder):
            found.unread[folder.path] = unread
        return
    inner = (*keys, key) if equals and key and not recursive else ()
    for status in fs.statuses(spark, folder.path):
        if status.is_folder:
            _add_folder(spark, status, base, recursive, found, inner)
        else:
            _add_file(status, base if inner else None, inner, found)


def _add_file(status: fs.Listed, base: str | None, keys: tuple[str, ...], found: FilesFound) -> None:
    if not _visible(status.name):
        return
    if status.size == 0:
        found.empty += 1
    else:
        found.read.append(InputFile(status.path, one_slash(status.uri), status.size, status.changed, base, keys))


def _all_below(spark: SparkSession, folder: fs.Listed) -> list[InputFile]:
    below = FilesFound()
    _add_folder(spark, folder, folder.path, True, below, ())
    return below.read


def _visible(name: str) -> bool:
    """Whether Spark's readers take the file."""
    return not _hidden(name) and not name.endswith("._COPYING_")


def _hidden(name: str) -> bool:
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _check_unread(spark: SparkSession, files: Files, found: FilesFound, where: str) -> None:
    """Sub-folders that nobody asked for: an error where there is nothing else, else a warning with their rows."""
    folders = ", ".join(sorted(found.unread)[:5])
    if not found.read:
        raise InputError(
            "a folder holds sub-folders and no files",
            where=folders,
            expected="files, or folders named key=value",
            found=f"{sum(map(len, found.unread.values()))} files in sub-folders, which are not read",
            hint=f"set recursive = true for {where}, or name the sub-folders in `paths` (…/*)",
        )
    unread = [file for files_below in found.unread.values() for file in files_below]
    kind = "parquet" if files.format == "parquet" else "text"
    rows = read_group(spark.read, kind, unread).count()
    logger.warning(
        "sub-folders are not read: %s, with %s %s in %s files (where: %s; hint: set recursive = true to read them)",
        *(folders, f"{rows:,}", "rows" if kind == "parquet" else "lines", f"{len(unread):,}", where),
    )


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
        if file.uri.startswith("file:") and ":" in _name(file.path):
            raise _colon(file.path, _name(file.path))
        start = first_bytes(spark, file, _MAGIC_BYTES, unpacked=False)
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
                    found=f"{kind} in a file whose name ends with {_name(file.path)[-8:]!r}",
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


def _colon(where: str, found: str) -> InputError:
    return InputError(
        "a file's name holds a colon, which Hadoop cannot open",
        where=where,
        expected="names without colons",
        found=found,
        hint="rename the file, for example 2025-03-13T10-00-00.jsonl",
    )


def _missing(where: str, path: str, missing: list[date], days: list[date]) -> InputError:
    if _DAY not in path:
        return InputError(
            "an input path matches no file",
            where=where,
            expected="at least one file",
            found="no file",
            hint="check the path, and paths.data, which {data} stands for",
        )
    named = ", ".join(day.isoformat() for day in missing[:10]) + (" …" if len(missing) > 10 else "")
    return InputError(
        "partitions of the window are missing",
        where=where,
        expected=f"one partition for each of the {len(days)} days {days[0]} to {days[-1]}",
        found=f"{len(missing)} missing: {named}",
        hint="add the missing days, or set allow_missing_days = true for this source if some days have no data",
    )
