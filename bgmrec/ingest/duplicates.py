"""Exact duplicates: rows of one source whose raw columns are all equal, found by a digest of the columns."""

from __future__ import annotations

from zlib import crc32

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.ingest.column_names import internal

SOURCE_POSITION = "_source_position"  # position of the source in the settings
DIGESTS = [internal("digest_a"), internal("digest_b")]
SAME_RECORD = [SOURCE_POSITION, *DIGESTS]


def with_digests(raw: DataFrame, columns: list[str], drop_duplicates: bool) -> DataFrame:
    """Adds 96 bits over the raw columns: among a billion rows 1e-11 false duplicates are expected.

    Args:
        raw: the raw rows.
        columns: names of the raw columns.
        drop_duplicates: False: every row gets a digest of its own, so that none is a duplicate.
    """
    if not drop_duplicates:
        return raw.withColumns(dict(zip(DIGESTS, [f.monotonically_increasing_id(), f.lit(0)], strict=True)))
    # The hashes skip nulls, so that a column that a file lacks equals one that it leaves empty. The names of the
    # non-null columns are hashed, too, so that a value cannot move from one column to the next unnoticed.
    values = {name: _text(name, raw.schema[name].dataType) for name in sorted(columns)}
    present = [f.when(value.isNotNull(), f.lit(crc32(name.encode()))) for name, value in values.items()]
    hashed = [*values.values(), *present]
    return raw.withColumns(dict(zip(DIGESTS, [f.xxhash64(*hashed), f.hash(*hashed)], strict=True)))


def _text(name: str, kind: t.DataType) -> Column:
    """A text per value: a cast would give the list of "a, b" the same text as the list of "a" and "b"."""
    value = f.col(f"`{name}`")
    nested = isinstance(kind, (t.ArrayType, t.MapType, t.StructType))
    return f.to_json(value, {"ignoreNullFields": "false"}) if nested else value.cast("string")
