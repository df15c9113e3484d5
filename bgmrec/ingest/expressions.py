"""Evaluates the settings' Spark SQL expressions over raw columns, and says which setting a bad one came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import and_

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import JoinedTable
from bgmrec.errors import SettingsError
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
        hint="correct the expression, or name the file's columns in the source's `columns`",
    )


@dataclass(frozen=True)
class SideTable:
    """A side table, one row per key.

    Args:
        rows: `_key_0` … as text, `_side`, a struct of the selected values, and `_hash` of it.
        left: the same keys as expressions over the log.
        values: names of the selected values.
        where: the settings that it comes from.
        optional: of `select_expressions`.
    """

    rows: DataFrame
    left: dict[str, str]
    values: list[str]
    where: str
    optional: bool


def read_sides(
    spark: SparkSession, joins: Sequence[JoinedTable], *, where: str, data: str, ds: date
) -> list[SideTable]:
    """The side tables of a source (log → video → music).

    `on` holds a column name, or `log column = side column`. Where a side table has several rows of a key, the one
    with the greatest selected values stays, which does not depend on the order of the files.

    Raises:
        SettingsError: a key or selected column is not there.
        InputError: a side table's files are missing.
    """
    return [_side(read_files(spark, table, data=data, ds=ds), table, f"{where}.joins.{table.name}") for table in joins]


def _side(side: DataFrame, table: JoinedTable, where: str) -> SideTable:
    optional = table.format == "jsonl"
    keys = [key.partition("=") for key in table.on]
    left = {f"_key_{n}": f"cast({left} as string)" for n, (left, _, _) in enumerate(keys)}
    right = {f"_key_{n}": f"cast({right or left} as string)" for n, (left, _, right) in enumerate(keys)}
    for text in table.select:
        side = with_columns_of(side, text, f"{where}.select", optional)
    values = side.select(*(f.expr(text) for text in table.select)).columns
    selected = [f.expr(text) for text in table.select]
    keyed = select_expressions(side, right, selected, where=where, optional=optional)
    one_per_key = keyed.groupBy(*right).agg(f.max(f.struct(*values)).alias("_side"))
    whole = f.to_json("_side", {"ignoreNullFields": "false"})
    return SideTable(one_per_key.withColumn("_hash", f.xxhash64(whole)), left, values, where, optional)


def join_sides(raw: DataFrame, sides: Sequence[SideTable]) -> DataFrame:
    """Left joins, and `JOIN_MISSED` where one of the tables had no such key.

    Hashes of what was looked for in the n-th table and of what was found stand in `joined_key(n)`, null where a part
    of it is, and `joined_hash(n)`, null where it was missed.

    Raises:
        SettingsError: a key is not there.
    """
    raw = raw.withColumn(JOIN_MISSED, f.lit(False))
    for n, side in enumerate(sides):
        keyed = select_expressions(raw, side.left, ["*"], where=side.where, optional=side.optional)
        raw = keyed.join(side.rows, on=list(side.left), how="left").select(
            *(f.col(f"`{name}`") for name in raw.columns if name not in side.values and name != JOIN_MISSED),
            (f.col(JOIN_MISSED) | f.col("_side").isNull()).alias(JOIN_MISSED),
            _key_hash(side).alias(joined_key(n)),
            f.col("_hash").alias(joined_hash(n)),
            *(f.col("_side")[name].alias(name) for name in side.values),
        )
    return raw


def joined_key(n: int) -> str:
    return f"_joined_key_{n}"


def joined_hash(n: int) -> str:
    return f"_joined_hash_{n}"


def joined_otherwise(rows: DataFrame, sides: Sequence[SideTable]) -> DataFrame:
    """The rows, joined earlier, whose keys would now find something else; and those of two keys with one hash, in vain.

    Args:
        rows: with what `join_sides` left.
        sides: the side tables as they are now.
    """
    found = []
    for n, side in enumerate(sides):
        now = side.rows.select(_key_hash(side).alias(joined_key(n)), f.col("_hash").alias("_now"))
        beside = rows.join(now, joined_key(n), "left")
        found.append(beside.where(~f.col(joined_hash(n)).eqNullSafe(f.col("_now"))).select(*rows.columns))
    return reduce(DataFrame.unionByName, found, rows.limit(0))


def _key_hash(side: SideTable) -> Column:
    whole = reduce(and_, (f.col(key).isNotNull() for key in side.left))  # a null key finds nothing
    return f.when(whole, f.xxhash64(*side.left))


def record_json(columns: Sequence[str]) -> Column:
    """The raw record as JSON, for the rejects; a broken one as the text it was."""
    return f.to_json(f.struct(*(f.col(f"`{name}`") for name in columns)))


def timestamp(moment: datetime) -> Column:
    """A literal in the session's time zone, UTC; a Python datetime would be read in the driver's."""
    return f.lit(moment.isoformat(sep=" ")).cast("timestamp")
