"""The one place that decides how a raw value of any format becomes an id.

Text stays as it stands, without the spaces around it. Whole numbers of every width, decimals and floats without a
fraction are plain digits. Everything else is refused with a reason: two ids that differ in a source never become one.
"""

from __future__ import annotations

from pyspark.errors import ParseException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.ingest.column_names import quoted
from bgmrec.ingest.raw_record import not_text
from bgmrec.ingest.unicode_forms import Form, composed

LARGEST_EXACT = 2**53  # a double holds every whole number up to it
_LARGEST_EXACT_FLOAT = 2**24

NO_ID = "is neither text nor a whole number"
INEXACT = "is a float too large to hold every whole number"


def id_text(value: Column, kind: t.DataType, unicode_form: Form = "none") -> Column:
    """The id; null where the value is missing, blank, or cannot be one.

    Args:
        value: the raw value, or an expression over raw values.
        kind: its type.
        unicode_form: `ids.unicode_form`.
    """
    if isinstance(kind, t.NumericType):
        return _digits(value, kind)
    trimmed = f.trim(_text(value, kind))
    text = f.when(trimmed != "", trimmed)
    return text if unicode_form == "none" else composed(text)


def id_fault(value: Column, kind: t.DataType, refused: Column) -> Column:
    """Why a value that is there cannot be an id; null where it can, or where there is none.

    Args:
        value: the raw value, or an expression over raw values.
        kind: its type.
        refused: whether JSON has a number with a fraction, a boolean or a nested value there.
    """
    no_id = f.when(value.isNotNull(), f.lit(NO_ID))
    if isinstance(kind, t.FloatType | t.DoubleType):
        inexact = f.abs(value) > _largest(kind)
        return f.when(inexact & ~f.isnan(value), f.lit(INEXACT)).when(id_text(value, kind).isNull(), no_id)
    if isinstance(kind, t.StringType):
        return f.when(refused, no_id)
    return f.when(id_text(value, kind).isNull(), no_id)


def refused_in_json(spark: SparkSession, expression: str, columns: list[str]) -> Column:
    """Whether an id's expression is a bare column whose JSON value is neither text nor a whole number.

    Args:
        spark: the session, for its parser.
        expression: Spark SQL.
        columns: the columns beside which it is evaluated.
    """
    name = bare_column(spark, expression)
    companion = next((column for column in columns if name and column.lower() == not_text(name).lower()), None)
    return f.coalesce(f.col(quoted(companion)), f.lit(False)) if companion else f.lit(False)


def id_expression(spark: SparkSession, expression: str) -> str:
    """The expression that an id is made of: without a cast to text, which writes a float as `1.2345678E7`.

    Args:
        spark: the session, for its parser.
        expression: Spark SQL.
    """
    name = bare_column(spark, expression)
    return expression if name is None else quoted(name)


def id_checks(name: str, value: Column, kind: t.DataType, refused: Column) -> dict[str, Column]:
    """Reason → whether a value that is there cannot be an id.

    Args:
        name: of the id, for the reason.
        value: the raw value, or an expression over raw values.
        kind: its type.
        refused: from `refused_in_json`.
    """
    fault = id_fault(value, kind, refused)
    return {f"{name} {reason}": fault == reason for reason in (NO_ID, INEXACT)}


def bare_column(spark: SparkSession, expression: str) -> str | None:
    """The column that an expression consists of, perhaps cast to text; None where it is anything else.

    Args:
        spark: the session, for its parser.
        expression: Spark SQL.
    """
    try:
        node = spark._jsparkSession.sessionState().sqlParser().parseExpression(expression)
    except ParseException:  # what does not parse is reported where it is evaluated
        return None
    if node.getClass().getSimpleName() == "Cast" and str(node.dataType().simpleString()) == "string":
        node = node.child()
    if node.getClass().getSimpleName() != "UnresolvedAttribute" or node.nameParts().size() != 1:
        return None
    return str(node.nameParts().head())


def _digits(value: Column, kind: t.DataType) -> Column:
    if isinstance(kind, t.FloatType | t.DoubleType):
        exact = (value == f.floor(value)) & (f.abs(value) <= _largest(kind))
        return f.when(exact, value.cast("bigint").cast("string"))
    if isinstance(kind, t.DecimalType) and kind.scale:
        return f.when(value == f.floor(value), value.cast(t.DecimalType(38, 0)).cast("string"))
    return value.cast("string")


def _largest(kind: t.DataType) -> int:
    return _LARGEST_EXACT_FLOAT if isinstance(kind, t.FloatType) else LARGEST_EXACT


def _text(value: Column, kind: t.DataType) -> Column:
    if isinstance(kind, t.StringType):
        return value
    if isinstance(kind, t.BinaryType):  # text of writers that do not mark it as such
        return f.when(f.encode(f.decode(value, "UTF-8"), "UTF-8") == value, value.cast("string"))
    return f.lit(None).cast("string")
