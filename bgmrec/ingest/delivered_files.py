"""The files that a run's profile is about: those of the logical date, their bytes and encodings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from pyspark.sql import SparkSession

from bgmrec.config.sources import Source
from bgmrec.ingest.encoding import encoding_of, encoding_said
from bgmrec.ingest.input_files import InputFile, first_bytes
from bgmrec.ingest.profile import SourceRows

_LOOKED_AT = 100  # files whose first bytes are read: an upstream changes all of its files


def files_of_date(files: Sequence[InputFile], ds: date) -> list[InputFile]:
    """The files of the logical date; those whose path names no date belong to it.

    Args:
        files: of a source.
        ds: the logical date.
    """
    return [file for file in files if file.day in (None, ds)]


def rows_of_date(name: str, files: Sequence[InputFile], ds: date, rows: int) -> SourceRows:
    """What to profile of a source.

    Args:
        name: of the source.
        files: all of its files.
        ds: the logical date.
        rows: of all its files.
    """
    of_date = files_of_date(files, ds)
    if len(of_date) == len(files):
        return SourceRows(name, rows)
    share = sum(file.size for file in of_date) / sum(file.size for file in files)
    return SourceRows(name, round(share * rows), [file.uri for file in of_date])


def file_facts(spark: SparkSession, source: Source, files: Sequence[InputFile]) -> dict[str, Any]:
    """Format, number of files, bytes, and files by encoding, of the first ones.

    Args:
        spark: the session.
        source: its settings.
        files: of the run.
    """
    encodings: Counter[str] = Counter()
    if source.format != "parquet" and files:
        said = encoding_said(spark, source.options, source.name)
        for file in files[:_LOOKED_AT]:
            encodings[encoding_of(said, first_bytes(spark, file, 4, unpacked=True), file.path)] += 1
    return {
        "format": source.format,
        "files": len(files),
        "bytes": sum(file.size for file in files),
        "encodings": dict(sorted(encodings.items())),
    }
