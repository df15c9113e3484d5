"""What bgmrec keeps beside the raw columns of a record, whatever its format."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t

from bgmrec.ingest.column_names import internal

FILE = internal("source_file")  # URI of the file
FAULT = internal("fault")  # why the record could not be read; null where it could
CORRUPT = internal("corrupt_record")  # text of a record that could not be read

UNREADABLE = "unreadable record"
_NOT_TEXT = internal("not_text_")


def no_rows(spark: SparkSession, names: Sequence[str]) -> DataFrame:
    """The rows of a source without files.

    Args:
        spark: the session.
        names: of the raw columns.
    """
    fields = [t.StructField(name, t.StringType()) for name in (*names, CORRUPT, FAULT, FILE)]
    return spark.createDataFrame([], t.StructType(fields))


def not_text(name: str) -> str:
    """The column that tells whether a JSON value is neither text nor a whole number.

    Args:
        name: of the raw column.
    """
    return _NOT_TEXT + name


def is_derived(name: str) -> bool:
    """Whether a column says something about the record that is no part of it: equal records may differ in it.

    Args:
        name: of a column.
    """
    return name in (FILE, FAULT) or name.startswith(_NOT_TEXT)
