"""Evaluates the settings' Spark SQL expressions over raw columns; an error names the setting of a bad expression."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import and_

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.config.sources import JoinedTable
from bgmrec.errors import SettingsError
from bgmrec.ingest.column_names import internal, raw_columns
from bgmrec.ingest.ids import id_expression, id_text
from bgmrec.ingest.sources import Expressions, read_files, shows_columns
from bgmrec.ingest.unicode_forms import Form

JOIN_MISSED = internal("join_missed")  # true where a side table had no row for the log's key

_SIDE = internal("side")
_HASH = internal("hash")


def select_expressions(
    raw: DataFrame,
    expressions: Mapping[str, str],
    keep: Sequence[str | Column],
    *,
    where: str,
    optional: bool,
    show_columns: bool = True,
) -> DataFrame:
    """Evaluates named expressions beside the columns in `keep`.

    Args:
        raw: the raw columns.
        expressions: new name → Spark SQL.
        keep: columns that stay as they are.
        where: the settings that the expressions stand in, for the error.
        optional: a column that no record carries counts as null (JSON records may leave fields out).
        show_columns: whether the error may list the columns of the files.

    Raises:
        SettingsError: an expression does not parse, or names a column that the source lacks.
    """
    for name, text in expressions.items():
        raw = with_columns_of(raw, text, f"{where}.{_setting(name)}", optional, show_columns)
    return raw.select(*keep, *(f.expr(text).alias(name) for name, text in expressions.items()))


def _setting(name: str) -> str:
    """The setting that an expression's column is named after."""
    return name.removeprefix(internal("field_")).removeprefix(internal(""))


def resolves(raw: DataFrame, text: str) -> bool:
    """Whether all columns of the expression exist; true where it does not parse.

    Args:
        raw: the raw columns.
        text: Spark SQL.
    """
    try:
        raw.select(f.expr(text))
    except ParseException:
        return True  # its error is for `select_expressions` to explain
    except AnalysisException as error:
        return _absent_column(error) is None
    return True


def with_columns_of(raw: DataFrame, text: str, where: str, optional: bool, show_columns: bool = True) -> DataFrame:
    """The raw columns, with nulls added for absent optional ones, once the expression resolves over them.

    Args:
        raw: the raw columns.
        text: Spark SQL.
        where: the setting that it stands in, for the error.
        optional: whether a column may be absent.
        show_columns: whether the error may list the columns of the files.

    Raises:
        SettingsError: the expression does not parse, or names a column that the source lacks.
    """
    while True:
        try:
            raw.select(f.expr(text))
            return raw
        except ParseException as error:
            raise _bad_expression(where, text, _first_line(error)) from error
        except AnalysisException as error:
            absent = _absent_column(error)
            if optional and absent is not None and absent not in raw.columns:
                raw = raw.withColumn(absent, f.lit(None).cast("string"))
                continue
            found = f"there is no column {absent}" if absent is not None else _first_line(error)
            if show_columns:
                raise _bad_expression(where, text, found, ", ".join(raw_columns(raw))) from error
            hidden = found if absent is not None else str(error.getErrorClass())
        raise _bad_header(where, text, hidden)  # outside `except`: Spark's message lists the columns, too


def _absent_column(error: AnalysisException) -> str | None:
    if not (error.getErrorClass() or "").startswith("UNRESOLVED_COLUMN"):
        return None
    return (error.getMessageParameters() or {}).get("objectName", "").strip("`") or None


def _first_line(error: AnalysisException) -> str:
    return str(error).strip().splitlines()[0][:300]


def _bad_expression(where: str, text: str, found: str, columns: str = "") -> SettingsError:
    return SettingsError(
        "an expression over raw columns is not valid Spark SQL here",
        where=where,
        expected=f"an expression over the columns {columns}" if columns else "a Spark SQL expression",
        found=f"{text!r}: {found}",
        hint="correct the expression, or name the file's columns in the source's `columns`",
    )


def _bad_header(where: str, text: str, found: str) -> SettingsError:
    return SettingsError(
        "an expression over raw columns is not valid Spark SQL here",
        where=where,
        expected="an expression over the columns in the first line of the files, which is not shown: "
        "where it is no header, it holds raw ids",
        found=f"{text!r}: {found}",
        hint="correct the expression; name the columns in the source's `columns` where its files have no header",
    )


@dataclass(frozen=True)
class SideTable:
    """A side table, one row per key.

    Args:
        rows: the keys as text, a struct of the selected values, and a hash of it.
        left: the same keys as expressions over the log.
        values: names of the selected values.
        where: the settings that it comes from.
        optional: of `select_expressions`.
        form: Unicode normal form of the keys.
    """

    rows: DataFrame
    left: dict[str, str]
    values: list[str]
    where: str
    optional: bool
    form: Form


def read_sides(
    spark: SparkSession,
    joins: Sequence[JoinedTable],
    *,
    where: str,
    data: str,
    ds: date,
    withheld: bool = False,
    form: Form = "none",
) -> list[SideTable]:
    """The side tables of a source (log → video → music).

    `on` holds a column name, or `log column = side column`. Where a side table has several rows of a key, the one
    with the greatest selected values stays, which does not depend on the order of the files.

    Args:
        spark: the session.
        joins: the settings of the tables.
        where: the source in the settings, for errors.
        data: what `{data}` in a path stands for.
        ds: the logical date.
        withheld: whether values may not be shown in errors.
        form: Unicode normal form of the keys.

    Raises:
        SettingsError: a key or selected column does not exist.
        InputError: a side table's files are missing.
    """
    sides = []
    for table in joins:
        at = f"{where}.joins.{table.name}"
        keys = Expressions([right or left for left, _, right in _keys(table)], table.select)
        raw = read_files(spark, table, data=data, ds=ds, where=at, expressions=keys, withheld=withheld)
        sides.append(_side(raw, table, at, withheld, form))
    return sides


def join_keys(table: JoinedTable) -> list[str]:
    """The keys of a side table as expressions over the log.

    Args:
        table: its settings.
    """
    return [left for left, _, _ in _keys(table)]


def _keys(table: JoinedTable) -> list[tuple[str, str, str]]:
    return [key.partition("=") for key in table.on]


def _side(side: DataFrame, table: JoinedTable, where: str, withheld: bool, form: Form) -> SideTable:
    optional, show_columns = table.format == "jsonl", shows_columns(table, withheld)
    spark = side.sparkSession
    left = {_key(n): id_expression(spark, left) for n, (left, _, _) in enumerate(_keys(table))}
    right = {_key(n): id_expression(spark, right or left) for n, (left, _, right) in enumerate(_keys(table))}
    for text in table.select:
        side = with_columns_of(side, text, f"{where}.select", optional, show_columns)
    values = side.select(*(f.expr(text) for text in table.select)).columns
    selected = [f.expr(text) for text in table.select]
    keyed = select_expressions(side, right, selected, where=where, optional=optional, show_columns=show_columns)
    one_per_key = _as_ids(keyed, right, form).groupBy(*right).agg(f.max(f.struct(*values)).alias(_SIDE))
    whole = f.to_json(_SIDE, {"ignoreNullFields": "false"})
    return SideTable(one_per_key.withColumn(_HASH, f.xxhash64(whole)), left, values, where, optional, form)


def _key(n: int) -> str:
    return internal(f"key_{n}")


def _as_ids(rows: DataFrame, keys: Iterable[str], form: Form) -> DataFrame:
    """The keys in the one form that ids have in every format."""
    return rows.withColumns({key: id_text(f.col(key), rows.schema[key].dataType, form) for key in keys})


def join_sides(raw: DataFrame, sides: Sequence[SideTable], *, show_columns: bool = True) -> DataFrame:
    """Left joins, with `JOIN_MISSED` true where one of the tables had no such key.

    `joined_key(n)` holds a hash of the key for the n-th table, null where a part of the key is null;
    `joined_hash(n)` a hash of the row that was found, null where there was none.

    Args:
        raw: the rows of the log.
        sides: the side tables, in the order of the settings.
        show_columns: whether errors may list the columns of the log.

    Raises:
        SettingsError: a key does not exist.
    """
    raw = raw.withColumn(JOIN_MISSED, f.lit(False))
    for n, side in enumerate(sides):
        keyed = select_expressions(
            raw, side.left, ["*"], where=side.where, optional=side.optional, show_columns=show_columns
        )
        raw = (
            _as_ids(keyed, side.left, side.form)
            .join(side.rows, on=list(side.left), how="left")
            .select(
                *(f.col(f"`{name}`") for name in raw.columns if name not in side.values and name != JOIN_MISSED),
                (f.col(JOIN_MISSED) | f.col(_SIDE).isNull()).alias(JOIN_MISSED),
                _key_hash(side).alias(joined_key(n)),
                f.col(_HASH).alias(joined_hash(n)),
                *(f.col(_SIDE)[name].alias(name) for name in side.values),
            )
        )
    return raw


def joined_key(n: int) -> str:
    """The column with a hash of the key that was looked up in the n-th side table."""
    return internal(f"joined_key_{n}")


def joined_hash(n: int) -> str:
    """The column with a hash of the row that was found in the n-th side table."""
    return internal(f"joined_hash_{n}")


def joined_otherwise(rows: DataFrame, sides: Sequence[SideTable]) -> DataFrame:
    """The rows, joined earlier, whose keys find another row now.

    Two keys with the same hash make rows be returned that did not change, which costs time alone.

    Args:
        rows: with the hashes of `join_sides`.
        sides: the side tables as they are now.
    """
    changed = []
    for n, side in enumerate(sides):
        now = side.rows.select(_key_hash(side).alias(joined_key(n)), f.col(_HASH).alias("_now"))
        beside = rows.join(now, joined_key(n), "left")
        changed.append(beside.where(~f.col(joined_hash(n)).eqNullSafe(f.col("_now"))).select(*rows.columns))
    return reduce(DataFrame.unionByName, changed, rows.limit(0))


def _key_hash(side: SideTable) -> Column:
    complete = reduce(and_, (f.col(key).isNotNull() for key in side.left))  # a null key finds no row
    return f.when(complete, f.xxhash64(*side.left))


def record_json(columns: Sequence[str]) -> Column:
    """The raw record as JSON, for the rejects; of an unreadable one its text.

    Args:
        columns: names of the raw columns, and of the unreadable record.
    """
    return f.to_json(f.struct(*(f.col(f"`{name}`").alias(_shown(name)) for name in columns)))


def _shown(name: str) -> str:
    """The name in a record: the text of an unreadable one is `_corrupt_record`, as Spark calls it."""
    return name.replace(internal(""), "_", 1)
