"""Raw column names that clash with bgmrec's, with Spark SQL's, or with another column of the same row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.storage import columns as c


def most_used_spelling(reader: DataFrameReader, paths: list[str], names: list[str]) -> list[str]:
    """The names without those that differ by case alone, which SQL cannot tell apart: the most frequent one stays.

    Args:
        reader: of JSON, with the options of the source.
        paths: files or folders.
        names: keys of the records.
    """
    same: dict[str, list[str]] = {}
    for name in names:
        same.setdefault(name.lower(), []).append(name)
    clashing = [name for group in same.values() if len(group) > 1 for name in group]
    if not clashing:
        return names
    raw = reader.schema(t.StructType([t.StructField(name, t.StringType()) for name in clashing])).json(paths)
    [counts] = raw.select(*(f.count(f.col(_quoted(name))) for name in clashing)).collect()
    used = dict(zip(clashing, counts, strict=True))
    return [max(group, key=lambda name: (used.get(name, 0), name)) for group in same.values()]


@contextmanager
def case_kept(spark: SparkSession) -> Iterator[None]:
    """Makes names that differ by case alone two names inside the block.

    Args:
        spark: the session.
    """
    key = "spark.sql.caseSensitive"
    before = str(spark.conf.get(key))
    spark.conf.set(key, "true")
    try:
        yield
    finally:
        spark.conf.set(key, before)


def unambiguous(raw: DataFrame, names: Sequence[str]) -> DataFrame:
    """The raw columns under unique names: a record with an odd key must not stop a run.

    A name that begins with an underscore, as bgmrec's own do, or is `source_file`, gets `raw` before it.

    Args:
        raw: the raw columns, beside Spark's and bgmrec's own.
        names: of the raw columns.
    """
    new: dict[str, str] = {}
    for name in sorted(names, key=lambda name: _safe(name) != name):  # names that need no change come first
        new[name] = _free(_safe(name), {other.lower() for other in new.values()})
    if all(old == renamed for old, renamed in new.items()):
        return raw
    return raw.select(*(f.col(_quoted(name)).alias(new.get(name, name)) for name in raw.columns))


def _safe(name: str) -> str:
    plain = name.replace("`", "'") or "_"
    return f"raw{plain}" if plain.startswith("_") or plain.lower() == c.SOURCE_FILE else plain


def _free(name: str, taken: set[str]) -> str:
    number = 1
    candidate = name
    while candidate.lower() in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
