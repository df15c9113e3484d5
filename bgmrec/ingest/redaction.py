"""Redacts raw ids in rejected records where a source's expressions call `pseudonym()`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import reduce
from operator import or_
from typing import Any

from pyspark.errors import ParseException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.runtime.sql_functions import PSEUDONYM

REDACTED = "[redacted]"

_MENTION = re.compile(rf"\b{PSEUDONYM}\b", re.IGNORECASE)
# a shorter id stands in other columns by chance: "4" in every rating of 4
_SHORTEST_ID = 4


def calls_pseudonym(expressions: Iterable[str | None]) -> bool:
    """Whether one of the expressions names `pseudonym`, in whatever way it is written.

    Args:
        expressions: Spark SQL; None is skipped.
    """
    return any(_MENTION.search(text) for text in expressions if text)


def pseudonym_inputs(
    spark: SparkSession, expressions: Iterable[str | None], columns: Collection[str]
) -> frozenset[str]:
    """The columns that the expressions read inside `pseudonym(…)`, at any depth and however they are quoted.

    Spark's own parser finds them. Where it finds fewer calls than the text mentions (a subquery, a literal), or a
    call without a column, all columns are returned: too much is redacted rather than too little.

    Args:
        spark: the session, for its parser.
        expressions: Spark SQL; None is skipped.
        columns: the columns to choose from; names are compared without case, as Spark does.

    Returns:
        a subset of `columns`
    """
    inputs: set[str] = set()
    for text in expressions:
        if not text or not _MENTION.search(text):
            continue
        names = _names_inside(spark, text)
        if names is None:
            return frozenset(columns)
        inputs |= names
    return frozenset(name for name in columns if name.lower() in inputs)


def columns_read(spark: SparkSession, expressions: Iterable[str], columns: Collection[str]) -> frozenset[str]:
    """The columns that the expressions read anywhere.

    Args:
        spark: the session, for its parser.
        expressions: Spark SQL.
        columns: the columns to choose from; names are compared without case.

    Returns:
        a subset of `columns`
    """
    names = columns_named(spark, expressions)
    return frozenset(name for name in columns if name.lower() in names)


def columns_named(spark: SparkSession, expressions: Iterable[str]) -> frozenset[str]:
    """Lower-case names of the columns that the expressions read anywhere.

    Args:
        spark: the session, for its parser.
        expressions: Spark SQL.
    """
    return frozenset(name for text in expressions for name in _column_names(_nodes(spark, text)))


def _names_inside(spark: SparkSession, text: str) -> set[str] | None:
    """Lower-case names of the columns inside the calls; None where they cannot all be told."""
    calls = [node for node in _nodes(spark, text) if _kind(node) == "UnresolvedFunction" and _is_pseudonym(node)]
    names: set[str] = set()
    for call in calls:
        inside = list(_below(call))
        columns = _column_names(inside)
        if not columns or any(_kind(node) in ("UnresolvedStar", "UnresolvedRegex") for node in inside):
            return None
        names |= columns
    return names if len(calls) >= len(_MENTION.findall(_without_comments(text))) else None


def _nodes(spark: SparkSession, text: str) -> list[Any]:
    """The nodes of the parsed expression; none where it does not parse, which `select_expressions` reports."""
    try:
        return list(_below(spark._jsparkSession.sessionState().sqlParser().parseExpression(text)))
    except ParseException:
        return []


def _below(tree: Any) -> Iterator[Any]:
    yield tree
    children = tree.children()
    for n in range(children.size()):
        yield from _below(children.apply(n))


def _column_names(nodes: Iterable[Any]) -> set[str]:
    """Lower-case names of the columns among the nodes; of a field in a struct the struct's."""
    return {str(node.nameParts().head()).lower() for node in nodes if _kind(node) == "UnresolvedAttribute"}


def _kind(node: Any) -> str:
    return str(node.getClass().getSimpleName())


def _is_pseudonym(call: Any) -> bool:
    return str(call.nameParts().last()).lower() == PSEUDONYM


def _without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|--[^\n]*", " ", text, flags=re.DOTALL)


def redacted_json(columns: Sequence[t.StructField], inputs: Collection[str], unreadable: Column) -> Column:
    """The raw record as JSON with `[redacted]` for every value that holds, or may hold, a raw id.

    Redacted are the columns in `inputs`; a value that contains the record's own id (the address of a profile); a text
    of several lines, which a lone quote in a CSV file makes of the lines that follow; and the whole of an unreadable
    record, whose values may stand in each other's columns. Blank values stay: they are why an id is missing.

    Args:
        columns: names and types of the raw columns.
        inputs: names of the columns that `pseudonym()` reads.
        unreadable: whether the record could not be read.
    """
    texts = {column.name: _text(column) for column in columns}
    ids = [texts[name] for name in texts if name in inputs]

    def cell(name: str) -> Column:
        text = texts[name]
        hidden = reduce(or_, [unreadable, text.rlike(r"[\r\n]"), *(_contains(text, raw_id) for raw_id in ids)])
        if name in inputs:
            hidden = f.lit(True)
        return f.when(f.trim(text) == "", text).when(hidden & text.isNotNull(), f.lit(REDACTED)).otherwise(text)

    return f.to_json(f.struct(*(cell(name).alias(name) for name in texts)))


def _text(column: t.StructField) -> Column:
    value = f.col(f"`{column.name}`")
    nested = isinstance(column.dataType, (t.ArrayType, t.MapType, t.StructType))
    return f.to_json(value) if nested else value.cast("string")


def _contains(text: Column, raw_id: Column) -> Column:
    trimmed = f.trim(raw_id)
    return f.coalesce((f.length(trimmed) >= _SHORTEST_ID) & f.contains(text, trimmed), f.lit(False))
