"""The one grammar of numbers in all fields and formats: sign, digits, a point, an exponent.

Spark's casts take more (`5d`, `0x1p2`, `NaN`), which no data tool writes. A whole number may be written as a float.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.ingest.ids import LARGEST_EXACT

NUMBER = r"^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$"
_LARGEST_WHOLE = float(2**63)


def number(value: Column, kind: t.DataType) -> Column:
    """The value as a double; null where it is none.

    Args:
        value: the raw value.
        kind: its type.
    """
    if isinstance(kind, t.StringType):
        return f.when(_has_plain_ends(value) | value.rlike(NUMBER), value.cast("double"))
    if isinstance(kind, t.NumericType | t.BooleanType | t.NullType):
        return value.cast("double")
    return f.lit(None).cast("double")


def _has_plain_ends(value: Column) -> Column:
    """Whether a text that Spark casts to a double is sure to match `NUMBER`: few texts need the pattern itself."""
    hexadecimal = value.contains("x") | value.contains("X")
    return f.substring(value, -1, 1).between("0", "9") & (f.substring(value, 1, 1) > " ") & ~hexadecimal


def whole_number(value: Column, kind: t.DataType) -> Column:
    """The value as a 64-bit integer; null where it has a fraction or does not fit.

    Args:
        value: the raw value.
        kind: its type.
    """
    as_double = number(value, kind)
    # digits are cast as they are: a double does not hold every whole number above 2^53
    digits = (f.trim(value) if isinstance(kind, t.StringType) else value).cast("bigint")
    exact = f.when(f.abs(as_double) < LARGEST_EXACT, as_double.cast("bigint")).otherwise(digits)
    return f.when((as_double == f.floor(as_double)) & (f.abs(as_double) < _LARGEST_WHOLE), exact)
