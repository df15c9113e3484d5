"""Raw values → typed entity fields: a value that does not fit its type is malformed, becomes null and is counted."""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import EntityField

# Parquet's writer fails on times before 1900, and a year of five digits is a typing error
_EARLIEST, _LATEST = "1900-01-01 00:00:00", "9999-12-31 23:59:59"
_FLOAT_MAX = 3.4e38


def typed_value(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    """Casts a raw column to the field's type; null where it is missing or malformed.

    Args:
        raw: the raw value, usually a string.
        kind: the raw column's type.
        field: type, separator and bounds.
    """
    value = _TYPED[field.type](raw, kind, field)
    for bound, inside in ((field.minimum, value.__ge__), (field.maximum, value.__le__)):
        if bound is not None and field.type in ("integer", "number"):
            value = f.when(inside(bound), value)
    return value


def is_malformed(raw: Column, kind: t.DataType, value: Column) -> Column:
    """Whether there is a raw value and no typed one; blank text is missing, not malformed.

    Args:
        raw: the raw value.
        kind: the raw column's type.
        value: the typed value.
    """
    present = raw.isNotNull()
    if isinstance(kind, t.StringType):
        present = present & (f.trim(raw) != "")
    return present & value.isNull()


def _text(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    text = f.trim(raw.cast("string"))
    return f.when(text != "", text)


def _number(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    number = raw.cast("double")
    return f.when(f.abs(number) <= _FLOAT_MAX, number)  # NaN compares as greater


def _integer(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    number = raw.cast("double")
    # a cast alone would cut 12.7 to 12
    return f.when(number == f.floor(number), raw.cast("bigint"))


def _boolean(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    return f.trim(raw).cast("boolean") if isinstance(kind, t.StringType) else raw.cast("boolean")


def plausible_time(raw: Column) -> Column:
    """A timestamp of the years 1900 to 9999, else null.

    Args:
        raw: the raw value.
    """
    moment = raw.cast("timestamp")
    return f.when(moment.between(f.lit(_EARLIEST).cast("timestamp"), f.lit(_LATEST).cast("timestamp")), moment)


def _timestamp(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    return plausible_time(raw)


def _parts(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    """An array of strings from an array, from its JSON text, or from separated text."""
    if isinstance(kind, t.ArrayType):
        return raw.cast("array<string>")
    text = f.trim(raw.cast("string"))
    separated = f.split(text, re.escape(field.separator))
    return f.when(text == "", None).otherwise(
        f.when(text.startswith("["), f.from_json(text, "array<string>")).otherwise(separated)
    )


def _list(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    # Spark 4 would pass a bare f.trim the position, too, as the characters to trim
    parts = f.transform(_parts(raw, kind, field), lambda part: f.trim(part))
    return f.array_distinct(f.filter(parts, lambda part: part.isNotNull() & (part != "")))


def _vector(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    numbers = f.transform(_parts(raw, kind, field), lambda part: f.trim(part).cast("float"))
    whole = f.forall(numbers, lambda number: f.coalesce(f.abs(number) <= _FLOAT_MAX, f.lit(False)))
    return f.when(whole, numbers)


_TYPED = {
    "string": _text,
    "text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "list": _list,
    "vector": _vector,
}
