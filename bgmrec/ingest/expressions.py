"""Evaluates the settings' Spark SQL expressions over raw columns, and says which setting a bad one came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.config.sources import JoinedTable
from bgmrec.errors import SettingsError
from bgmrec.ingest.parsed import ParsedFiles
from bgmrec.ingest.sources import raw_columns, read_files

JOIN_MISSED = "_join_missed"  # true where a side table had no row for the log's key


def select_expressions(
    raw: DataFrame, expressions: Mapping[str, str], keep: Sequence[str | Column], *, where: str, optional: bool
) -> DataFrame:
    """Evaluates named expressions beside the columns in `keep`.

    Args:
        raw: the raw columns.
        expressions: new name → Spark SQL.
        keep: columns that stay as they are.
        where: the settings that the expressions stand in, for the error.
        optional: a column that no record carried this time counts as null (JSON leaves absent fields out).

    Raises:
        SettingsError: an expression does not parse, or names a column that the source lacks.
    """
    for name, text in expressions.items():
        raw = with_columns_of(raw, text, f"{where}.{name.lstrip('_')}", optional)
    return raw.select(*keep, *(f.expr(text).alias(name) for name, text in expressions.items()))


def resolves(raw: DataFrame, text: str) -> bool:
    """Whether an expression that parses finds its columns."""
    try:
        raw.select(f.expr(text))
    except ParseException:
        return True  # its error is for `select_expressions` to explain
    except AnalysisException as error:
        return _absent_column(error) is None
    return True


def with_columns_of(raw: DataFrame, text: str, where: str, optional: bool) -> DataFrame:
    """The raw columns, with nulls added for absent optional ones, once the expression resolves over them."""
    while True:
        try:
            raw.select(f.expr(text))
            return raw
        except ParseException as error:
            raise _bad_expression(where, text, error) from error
        except AnalysisException as error:
            absent = _absent_column(error) if optional else None
            if absent is None or absent in raw.columns:
                raise _bad_expression(where, text, error, ", ".join(raw_columns(raw))) from error
            raw = raw.withColumn(absent, f.lit(None).cast("string"))


def _absent_column(error: AnalysisException) -> str | None:
    if not (error.getErrorClass() or "").startswith("UNRESOLVED_COLUMN"):
        return None
    return (error.getMessageParameters() or {}).get("objectName", "").strip("`") or None


def _bad_expression(where: str, text: str, error: AnalysisException, columns: str = "") -> SettingsError:
    return SettingsError(
        "an expression over raw columns is not valid Spark SQL here",
        where=where,
        expected=f"an expression over the columns {columns}" if columns else "a Spark SQL expression",
        found=f"{text!r}: {str(error).strip().splitlines()[0][:300]}",
        cure="correct the expression, or name the file's columns in the source's `columns`",
    )


def join_tables(
    raw: DataFrame,
    joins: Sequence[JoinedTable],
    *,
    where: str,
    data: str,
    ds: date,
    parsed: ParsedFiles | None = None,
) -> DataFrame:
    """Left joins of side tables (log → video → music), and `JOIN_MISSED` where one of them had no such key.

    `on` holds a column name, or `log column = side column`. Where a side table has several rows of a key, the one
    with the greatest selected values stays, which does not depend on the order of the files.

    Raises:
        SettingsError: a key or selected column is not there.
        InputError: a side table's files are missing.
    """
    raw = raw.withColumn(JOIN_MISSED, f.lit(False))
    for table in joins:
        side = read_files(raw.sparkSession, table, data=data, ds=ds, parsed=parsed)
        raw = _join(raw, side, table, f"{where}.joins.{table.name}")
    return raw


def _join(raw: DataFrame, side: DataFrame, table: JoinedTable, where: str) -> DataFrame:
    optional = table.format == "jsonl"
    keys = [key.partition("=") for key in table.on]
    left = {f"_key_{n}": f"cast({left} as string)" for n, (left, _, _) in enumerate(keys)}
    right = {f"_key_{n}": f"cast({right or left} as string)" for n, (left, _, right) in enumerate(keys)}
    for text in table.select:
        side = with_columns_of(side, text, f"{where}.select", optional)
    values = side.select(*(f.expr(text) for text in table.select)).columns
    selected = [f.expr(text) for text in table.select]
    one_per_key = select_expressions(side, right, selected, where=where, optional=optional)
    one_per_key = one_per_key.groupBy(*right).agg(f.max(f.struct(*values)).alias("_side"))
    keyed = select_expressions(raw, left, ["*"], where=where, optional=optional)
    return keyed.join(one_per_key, on=list(left), how="left").select(
        *(f.col(f"`{name}`") for name in raw.columns if name not in values and name != JOIN_MISSED),
        (f.col(JOIN_MISSED) | f.col("_side").isNull()).alias(JOIN_MISSED),
        *(f.col("_side")[name].alias(name) for name in values),
    )


def record_json(columns: Sequence[str]) -> Column:
    """The raw record as JSON, for the rejects; a broken one as the text it was."""
    return f.to_json(f.struct(*(f.col(f"`{name}`") for name in columns)))


def timestamp(moment: datetime) -> Column:
    """A literal in the session's time zone, UTC; a Python datetime would be read in the driver's."""
    return f.lit(moment.isoformat(sep=" ")).cast("timestamp")
