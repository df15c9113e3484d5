"""Raw values → typed entity fields: a value that does not fit its type is malformed, becomes null and is counted."""

from __future__ import annotations

import re

from pyspark.sql import Column
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.config.sources import EntityField
from bgmrec.ingest.ids import id_text
from bgmrec.ingest.numbers import NUMBER, number, whole_number

# Parquet's writer fails on times before 1900, and a year of five digits is a typing error
_EARLIEST, _LATEST = "1900-01-01 00:00:00", "9999-12-31 23:59:59"
_FLOAT_MAX = 3.4e38
_NESTED = (t.ArrayType, t.MapType, t.StructType)
# a list in JSON, perhaps torn; other texts in brackets are tags such as "[live] session"
_JSON_LIST = r"^\[\s*(?:[\"'{\[\d\-\]]|true|false|null|$)"
_OBJECT = r'^\{\s*(?:"|\}$)'


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
    if isinstance(kind, _NESTED):
        return f.lit(None).cast("string")
    text = f.trim(_plain_text(raw, kind))
    return f.when(text != "", text)


def _plain_text(raw: Column, kind: t.DataType) -> Column:
    """Whole numbers of every width have one text, as ids have."""
    text = raw.cast("string")
    return f.coalesce(id_text(raw, kind), text) if isinstance(kind, t.NumericType) else text


def _number(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    value = number(raw, kind)
    return f.when(f.abs(value) <= _FLOAT_MAX, value)  # NaN compares as greater


def _integer(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    return whole_number(raw, kind)


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
    """An array of strings from an array, from its JSON text, or from separated text; null where a member is nested."""
    if isinstance(kind, t.ArrayType) and not isinstance(kind.elementType, _NESTED):
        member = kind.elementType
        return f.transform(raw, lambda part: _plain_text(part, member))
    if isinstance(kind, _NESTED):
        return f.lit(None).cast("array<string>")
    text = f.trim(_plain_text(raw, kind))
    separated = f.split(text, re.escape(field.separator))
    members = f.from_json(text, "array<string>")
    flat = f.when(~f.exists(members, lambda part: f.coalesce(part.rlike(_OBJECT), f.lit(False))), members)
    listed = f.when(text.startswith("[") & (members.isNotNull() | text.rlike(_JSON_LIST)), flat).otherwise(separated)
    return f.when(text != "", listed)


def _list(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    # Spark 4 would pass a bare f.trim the position, too, as the characters to trim
    parts = f.transform(_parts(raw, kind, field), lambda part: f.trim(part))
    return f.array_distinct(f.filter(parts, lambda part: part.isNotNull() & (part != "")))


def _vector(raw: Column, kind: t.DataType, field: EntityField) -> Column:
    numbers = f.transform(_parts(raw, kind, field), lambda part: f.when(part.rlike(NUMBER), f.trim(part).cast("float")))
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
