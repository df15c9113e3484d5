"""Reads raw files of three formats into one form: raw columns, the unreadable record, the file.

CSV and JSON columns are strings, nested JSON its text, so that one dirty row cannot change the type of a column for
the whole run; the expressions in the settings give types. Parquet columns keep their types.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import reduce

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import Files
from bgmrec.errors import InputError
from bgmrec.ingest.column_names import case_kept, most_used_spelling, unambiguous
from bgmrec.ingest.read_failures import files_below, read_failures, unreadable
from bgmrec.storage import columns as c
from bgmrec.storage import files as fs

CORRUPT = "_corrupt_record"

_DAY = "{ds}"
_METADATA = "_metadata"


def read_files(spark: SparkSession, files: Files, *, data: str, ds: date, withheld: bool = False) -> DataFrame:
    """Reads the files of one source: its raw columns, `_corrupt_record` and `source_file`.

    Args:
        spark: the session.
        files: format, paths and options.
        data: what `{data}` in a path stands for.
        ds: the logical date, the last day of the window.
        withheld: whether values may not be shown in errors.

    Raises:
        InputError: a path or a day of the window is missing, or the files cannot be opened.
    """
    return read_paths(spark, files, existing_paths(spark, files, data, ds), withheld=withheld)


def read_paths(spark: SparkSession, files: Files, paths: list[str], *, withheld: bool = False) -> DataFrame:
    """Reads some files of one source.

    Args:
        spark: the session.
        files: format and options.
        paths: files or folders.
        withheld: whether values may not be shown in errors.

    Raises:
        InputError: the files cannot be opened.
    """
    read = {"parquet": _read_parquet, "jsonl": _read_json, "csv": _read_csv}[files.format]
    where = ", ".join(paths[:3])
    patterns = [fs.literal(path) for path in paths]  # Spark's readers take every path for a pattern
    try:
        # headers and keys are read from the files
        with read_failures(spark, where, files_below(spark, patterns), withheld=withheld):
            raw = read(spark, files, patterns)
            parts = [part.withColumn(c.SOURCE_FILE, f.col(f"{_METADATA}.file_path")).drop(_METADATA) for part in raw]
            return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)
    except AnalysisException as error:
        raise unreadable(where, str(error)) from error


def raw_columns(raw: DataFrame) -> list[str]:
    """The columns of the files themselves: bgmrec's own begin with an underscore, and no raw one does.

    Args:
        raw: from `read_files`, perhaps joined.
    """
    return [name for name in raw.columns if not name.startswith("_") and name != c.SOURCE_FILE]


def shows_columns(files: Files, withheld: bool) -> bool:
    """Whether errors may list the columns: a CSV file without a header has values in their place.

    Args:
        files: format and columns.
        withheld: whether values may not be shown.
    """
    return not withheld or files.format != "csv" or bool(files.columns)


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


def existing_paths(spark: SparkSession, files: Files, data: str, ds: date) -> list[str]:
    """The files and folders of the window, day by day.

    Args:
        spark: the session.
        files: paths and window.
        data: what `{data}` in a path stands for.
        ds: the logical date, the last day of the window.

    Raises:
        InputError: a path or a day of the window is missing.
    """
    existing: list[str] = []
    for path in files.paths:
        days = window_days(ds, files.lookback_days) if _DAY in path else [ds]
        by_day = {day: fs.glob(spark, expand_path(path, data=fs.literal(data), day=day)) for day in days}
        missing = [day for day, matches in by_day.items() if not matches]
        if missing and not (files.allow_missing_days and len(missing) < len(days)):
            raise _missing(expand_path(path, data=data, day=missing[-1]), path, missing, days)
        existing += [match for matches in by_day.values() for match in matches]
    return existing


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


def _read_parquet(spark: SparkSession, files: Files, paths: list[str]) -> list[DataFrame]:
    raw = spark.read.options(**{"mergeSchema": "true", **files.options}).parquet(*paths)
    raw = unambiguous(raw.select("*", f.lit(None).cast("string").alias(CORRUPT), _METADATA), raw.columns)
    return [raw]


def _read_json(spark: SparkSession, files: Files, paths: list[str]) -> list[DataFrame]:
    reader = spark.read.options(**files.options)
    # named columns save the pass over the files that discovers them
    names = files.columns or _discovered(spark, reader, paths)
    # Spark refuses a query over the corrupt records alone, which files without one readable record would need
    schema = _all_strings(names or ["_"])
    return [unambiguous(reader.schema(schema).json(paths, columnNameOfCorruptRecord=CORRUPT), names)]


def _discovered(spark: SparkSession, reader: DataFrameReader, paths: list[str]) -> list[str]:
    """The keys of all records, without those that are names of Spark's own columns."""
    with case_kept(spark):
        names = reader.json(paths, primitivesAsString=True).columns
        return most_used_spelling(reader, paths, [name for name in names if name.lower() not in (CORRUPT, _METADATA)])


def _read_csv(spark: SparkSession, files: Files, paths: list[str]) -> list[DataFrame]:
    """One read per distinct header: columns that were added or removed over the days keep their names."""
    options = {"header": str(not files.columns).lower(), **files.options}
    by_header: dict[tuple[str, ...], list[str]] = {}
    for path in paths:
        header = files.columns or spark.read.options(**options).csv(path).columns
        by_header.setdefault(tuple(header), []).append(path)
    # without enforceSchema = false a file with another header would be read as if it had this one
    reader = spark.read.options(**{"enforceSchema": "false", **options})
    return [
        unambiguous(reader.schema(_all_strings(list(header))).csv(same, columnNameOfCorruptRecord=CORRUPT), header)
        for header, same in by_header.items()
    ]


def _all_strings(names: list[str]) -> t.StructType:
    return t.StructType([t.StructField(name, t.StringType()) for name in [*names, CORRUPT]])
