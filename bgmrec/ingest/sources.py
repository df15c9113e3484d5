"""Reads raw files of three formats into one form: raw columns, the file, and why a record cannot be read.

CSV and JSON columns are strings, nested JSON its text, so that one dirty row cannot change the type of a column for
the whole run; the expressions in the settings give types. Parquet columns keep their types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from bgmrec.config.sources import Files
from bgmrec.ingest.column_names import words_of
from bgmrec.ingest.csv_files import read_csv
from bgmrec.ingest.input_files import InputFile, check_readable
from bgmrec.ingest.json_lines import read_json
from bgmrec.ingest.parquet_files import read_parquet
from bgmrec.ingest.read_failures import read_failures, unreadable
from bgmrec.ingest.redaction import columns_named
from bgmrec.ingest.source_files import find_files


@dataclass(frozen=True)
class Expressions:
    """What a source's expressions say about its raw columns.

    Args:
        identifiers: expressions whose values are ids, keys of joins, or other text that has one form in every format.
        others: all others.
    """

    identifiers: Sequence[str] = ()
    others: Sequence[str] = ()

    def identifying(self, spark: SparkSession) -> frozenset[str]:
        """Lower-case names of the columns that identifiers are made of.

        Args:
            spark: the session, for its parser.
        """
        return columns_named(spark, self.identifiers)

    def words(self) -> frozenset[str]:
        """Lower-case words of all expressions: the columns that they may read are among them."""
        return frozenset(words_of(self.all))

    @property
    def all(self) -> list[str]:
        """All expressions."""
        return [*self.identifiers, *self.others]


def read_files(
    spark: SparkSession,
    files: Files,
    *,
    data: str,
    ds: date,
    where: str,
    expressions: Expressions | None = None,
    withheld: bool = False,
) -> DataFrame:
    """Reads the files of one source: its raw columns and those of `raw_record`.

    Args:
        spark: the session.
        files: format, paths and options.
        data: what `{data}` in a path stands for.
        ds: the logical date, the last day of the window.
        where: the source in the settings.
        expressions: of the source; None: every column is read as it is.
        withheld: whether values may not be shown in errors.

    Raises:
        InputError: a path or a day of the window is missing, or the files cannot be opened.
    """
    found = find_files(spark, files, data, ds, where).read
    return read_found(spark, files, found, where=where, expressions=expressions, withheld=withheld)


def read_found(
    spark: SparkSession,
    files: Files,
    found: Sequence[InputFile],
    *,
    where: str,
    expressions: Expressions | None = None,
    withheld: bool = False,
) -> DataFrame:
    """Reads some files of one source.

    Args:
        spark: the session.
        files: format and options.
        found: the files.
        where: the source in the settings.
        expressions: of the source; None: every column is read as it is.
        withheld: whether values may not be shown in errors.

    Raises:
        InputError: the files cannot be opened.
    """
    at = ", ".join(file.path for file in found[:3]) or where
    expressions = expressions or Expressions()
    try:
        # headers, keys and footers are read from the files
        with read_failures(spark, at, lambda: [file.uri for file in found], withheld=withheld):
            check_readable(spark, files, found)
            parts = _parts(spark, files, found, expressions, withheld)
            return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)
    except AnalysisException as error:
        raise unreadable(at, str(error)) from error


def _parts(
    spark: SparkSession, files: Files, found: Sequence[InputFile], expressions: Expressions, withheld: bool
) -> list[DataFrame]:
    identifiers, words = expressions.identifying(spark), expressions.words()
    if files.format == "parquet":
        return read_parquet(spark, files, found, identifiers, words)
    if files.format == "jsonl":
        return read_json(spark, files, found, identifiers)
    return read_csv(spark, files, found, words, withheld)


def shows_columns(files: Files, withheld: bool) -> bool:
    """Whether errors may list the columns: a CSV file without a header has values in their place.

    Args:
        files: format and columns.
        withheld: whether values may not be shown.
    """
    return not withheld or files.format != "csv" or bool(files.columns)
