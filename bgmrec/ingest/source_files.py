"""The files of a source: those below its paths that are read, those passed over, and those that no reader can open.

Hidden files (`_SUCCESS`, `.part.crc`) and files without a byte are passed over in every format. Sub-folders are read
with `recursive = true`; those named `key=value` always are, and give the column `key`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.ingest.input_files import InputFile, file_name, one_slash, read_group, refused_colon
from bgmrec.runtime.logs import logger
from bgmrec.storage import files as fs

_DAY = "{ds}"
_RELATIVE = "Relative path in absolute URI: "  # Hadoop's words before a name with a colon


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
    distinct = {file.uri: file for file in found.read if _is_wanted(spark, files, file_name(file.path))}
    found.read = list(distinct.values())
    if found.unread:
        _check_unread(spark, files, found, where)
    return found


def _is_wanted(spark: SparkSession, files: Files, name: str) -> bool:
    """Whether the file's name is of Spark's `pathGlobFilter`."""
    pattern = next((value for key, value in files.options.items() if key.lower() == "pathglobfilter"), None)
    glob: Any = spark.sparkContext._jvm.org.apache.hadoop.fs.GlobPattern  # type: ignore[union-attr]
    return pattern is None or bool(glob(pattern).matches(name))


def _matches(spark: SparkSession, pattern: str) -> list[str]:
    """What a pattern matches; hidden files and folders only where the pattern names them."""
    try:
        return [
            path
            for path in fs.glob(spark, pattern)
            if not _hidden(file_name(path)) or file_name(path) == file_name(pattern)
        ]
    except (Py4JError, PySparkException) as error:
        if "URISyntaxException" not in str(error):
            raise
        raise refused_colon(pattern, str(error).partition(_RELATIVE)[2].partition("\n")[0]) from error


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
