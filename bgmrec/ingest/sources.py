"""Reads raw files of any of the three formats into one form: raw columns, the broken record, the file it came from.

CSV and JSON columns arrive as strings, nested JSON as its text, so that one dirty row cannot change the type of a
column for the whole night; the expressions in the settings give types. Parquet keeps the types it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import reduce

from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.ingest.names import case_kept, one_of_each, told_apart
from bgmrec.storage import columns as c
from bgmrec.storage import files as fs

CORRUPT = "_corrupt_record"

_DAY = "{ds}"
_METADATA = "_metadata"
# how Spark begins its messages about files that it cannot read
_DAMAGED = (
    "CSV header does not conform",
    "FAILED_READ_FILE",
    "Encountered error while reading file",
    "Unexpected end of input stream",
    "incorrect header check",
    "invalid stored block lengths",
    "invalid block type",
    "incorrect data check",
    "not a gzip file",
)
_PACKED = ("gz", "bz2", "zst", "deflate", "snappy", "lz4")


def read_files(spark: SparkSession, files: Files, *, data: str, ds: date) -> DataFrame:
    """Reads the files of one source: its raw columns, `_corrupt_record` and `source_file`.

    Args:
        files: format, paths and options.
        data: what `{data}` in a path stands for.
        ds: the logical date, the last day of the window.

    Raises:
        InputError: a path or a day of the window is missing, or the files cannot be opened.
    """
    return read_paths(spark, files, existing_paths(spark, files, data, ds))


def read_paths(spark: SparkSession, files: Files, paths: list[str]) -> DataFrame:
    """Reads some files of one source, as `read_files` does all.

    Raises:
        InputError: the files cannot be opened.
    """
    read = {"parquet": _read_parquet, "jsonl": _read_json, "csv": _read_csv}[files.format]
    try:
        with reading(
            ", ".join(paths[:3]), spark, files_below(spark, paths)
        ):  # headers and keys are looked for in the files
            raw = read(spark, files, paths)
        parts = [part.withColumn(c.SOURCE_FILE, f.col(f"{_METADATA}.file_path")).drop(_METADATA) for part in raw]
        return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)
    except AnalysisException as error:
        raise _unreadable(", ".join(paths[:3]), str(error)) from error


def raw_columns(raw: DataFrame) -> list[str]:
    """The columns that the files themselves hold: bgmrec's own begin with an underscore, and no raw one does."""
    return [name for name in raw.columns if not name.startswith("_") and name != c.SOURCE_FILE]


@contextmanager
def reading(where: str, spark: SparkSession, files: Callable[[], list[str]]) -> Iterator[None]:
    """Turns Spark's failures to read raw files, which come only once a job runs, into input errors.

    Args:
        where: the settings that name the files.
        spark: the session.
        files: what is read, asked once something has failed: `DataFrame.inputFiles` or `files_below`.

    Raises:
        InputError: a header differs from the others of its folder, or a file is damaged.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
        cause = next((text[text.index(sign) :] for sign in _DAMAGED if sign in text), None)
        if cause is None:
            raise
        damaged = _damaged(spark, files())
        raise _unreadable(", ".join(damaged) or where, cause.partition("\n\tat ")[0]) from error


def files_below(spark: SparkSession, paths: list[str]) -> Callable[[], list[str]]:
    """The files of some folders, for `reading`; they are listed when asked for."""
    return lambda: spark.read.text(paths).inputFiles()


def _damaged(spark: SparkSession, paths: list[str]) -> list[str]:
    """The packed files that cannot be unpacked: Spark does not tell which one it was."""
    found = []
    for path in paths:
        if path.rsplit(".", 1)[-1].lower() in _PACKED:
            try:
                spark.read.text(path).count()
            except (PySparkException, Py4JJavaError):
                found.append(path)
    return found


def _unreadable(where: str, found: str) -> InputError:
    return InputError(
        "raw files cannot be read",
        where=where,
        expected="files of the format and options in the settings, with one header in a folder",
        found=found.strip()[:1000],
        hint="compare the file with format, options and columns of its source, or move the damaged file away",
    )


def window_days(ds: date, lookback_days: int | None) -> list[date]:
    """The days of the window in rising order, the logical date last."""
    return [ds - timedelta(days=back) for back in reversed(range(lookback_days or 1))]


def expand_path(path: str, *, data: str, day: date) -> str:
    """Fills `{data}` and `{ds}`; other braces belong to globs."""
    return path.replace("{data}", data.rstrip("/")).replace(_DAY, day.isoformat())


def existing_paths(spark: SparkSession, files: Files, data: str, ds: date) -> list[str]:
    """The files and folders of the window, day by day.

    Raises:
        InputError: a path or a day of the window is missing.
    """
    found: list[str] = []
    for path in files.paths:
        days = window_days(ds, files.lookback_days) if _DAY in path else [ds]
        by_day = {day: fs.glob(spark, expand_path(path, data=data, day=day)) for day in days}
        missing = [day for day, matches in by_day.items() if not matches]
        if missing and not (files.allow_missing_days and len(missing) < len(days)):
            raise _missing(expand_path(path, data=data, day=missing[-1]), path, missing, days)
        found += [match for matches in by_day.values() for match in matches]
    return found


def _missing(where: str, path: str, missing: list[date], days: list[date]) -> InputError:
    if _DAY not in path:
        return InputError(
            "an input path matches no file",
            where=where,
            expected="at least one file",
            found="nothing",
            hint="check the path, and paths.data that {data} stands for",
        )
    named = ", ".join(day.isoformat() for day in missing[:10]) + (" …" if len(missing) > 10 else "")
    return InputError(
        "partitions of the window are missing",
        where=where,
        expected=f"one partition for each of the {len(days)} days {days[0]} to {days[-1]}",
        found=f"{len(missing)} missing: {named}",
        hint="deliver the missing days, or set allow_missing_days = true for this source if some days have no data",
    )


def _read_parquet(spark: SparkSession, files: Files, paths: list[str]) -> list[DataFrame]:
    raw = spark.read.options(**{"mergeSchema": "true", **files.options}).parquet(*paths)
    raw = told_apart(raw.select("*", f.lit(None).cast("string").alias(CORRUPT), _METADATA), raw.columns)
    return [raw]


def _read_json(spark: SparkSession, files: Files, paths: list[str]) -> list[DataFrame]:
    reader = spark.read.options(**files.options)
    # named columns spare the pass over the files that discovers them
    names = files.columns or _discovered(spark, reader, paths)
    # Spark refuses a query for the broken records alone, which is what files without one whole record give
    schema = _all_strings(names or ["_"])
    return [told_apart(reader.schema(schema).json(paths, columnNameOfCorruptRecord=CORRUPT), names)]


def _discovered(spark: SparkSession, reader: DataFrameReader, paths: list[str]) -> list[str]:
    """The keys of all records, without those by which Spark would be asked for something of its own."""
    with case_kept(spark):
        names = reader.json(paths, primitivesAsString=True).columns
        return one_of_each(reader, paths, [name for name in names if name.lower() not in (CORRUPT, _METADATA)])


def _read_csv(spark: SparkSession, files: Files, paths: list[str]) -> list[DataFrame]:
    """One read per distinct header: columns that came or went over the days keep their names."""
    options = {"header": str(not files.columns).lower(), **files.options}
    by_header: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        header = files.columns or spark.read.options(**options).csv(path).columns
        by_header.setdefault(tuple(header), []).append(path)
    # without enforceSchema = false a file with another header would be read as if it had this one
    reader = spark.read.options(**{"enforceSchema": "false", **options})
    return [
        told_apart(reader.schema(_all_strings(list(header))).csv(same, columnNameOfCorruptRecord=CORRUPT), header)
        for header, same in by_header.items()
    ]


def _all_strings(names: list[str]) -> t.StructType:
    return t.StructType([t.StructField(name, t.StringType()) for name in [*names, CORRUPT]])
