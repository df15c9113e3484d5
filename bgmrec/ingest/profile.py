"""The profile of a run's input by source: one action over the mapped rows, and what it says in numbers.

The run's rows are those of the files of the logical date; files whose path names no date belong to it. Small
aggregations are read by one action: counts, ranges and a hash minimum per bucket of ids, over all rows, and the values
of a sample of rows, which are chosen by the digest of the raw record and so are the same in every run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION
from bgmrec.ingest.sketch import BUCKETS, estimated_distinct
from bgmrec.ingest.unicode_forms import is_not_ascii
from bgmrec.storage import columns as c

STATES = tuple(state for state in acc.STATES if state != acc.DUPLICATE)  # duplicates are still among the rows
POINT_ZERO = ".0"  # how pandas writes the ids of an integer column with gaps

_SAMPLE = 100_000  # rows at most, about: shares are off by 0.3 points
_TOP = 50  # most frequent values
_STEPS = 200  # steps between quantiles
_LABEL = 80  # characters of a value
_BUCKET_BITS = BUCKETS.bit_length() - 1
_REST = 2.0 ** (64 - _BUCKET_BITS)  # what a hash is below, without the bits of its bucket

_PART, _COLUMN, _BUCKET = "part", "column", "bucket"
_TOTALS, _VALUES = "totals", "values"


@dataclass(frozen=True)
class Field:
    """A column of the mapped rows.

    Args:
        name: in the profile.
        kind: `number`, `timestamp`, or another type of `[[items.fields]]`.
        value: the column; null in rows that are not kept.
    """

    name: str
    kind: str
    value: Column


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source that are profiled.

    Args:
        name: of the source.
        rows: how many there are, about.
        files: URIs of the files whose rows they are; None: all of the source.
    """

    name: str
    rows: int
    files: Sequence[str] | None = None


def profile_rows(
    mapped: DataFrame, sources: Sequence[SourceRows], ids: Sequence[str], fields: Sequence[Field]
) -> dict[str, dict[str, Any]]:
    """By source: rows by state, ids, and fields with nulls, range, top values and quantiles. One action.

    Each id has `sample`: the hashes of at most `BUCKETS` of its distinct values, chosen at random.

    Args:
        mapped: every row.
        sources: in the order of the settings.
        ids: id columns; the first one is null where a row is not kept, and only there.
        fields: all others.
    """
    rows = mapped.where(_of_date(sources))
    parts = {
        # counts and ranges are computed by bucket of the first id, which saves a pass
        _TOTALS: _minima(rows, ids[0], _totals(ids[0], fields)),
        **{name: _minima(rows, name) for name in ids[1:]},
        _VALUES: _values(
            rows.where(f.col(ids[0]).isNotNull()), sources, [*fields, *(Field(name, "id", f.col(name)) for name in ids)]
        ),
    }
    texts = [part.select(f.lit(name).alias(_PART), f.to_json(f.struct("*"))) for name, part in parts.items()]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in parts}
    for name, text in reduce(DataFrame.union, texts).collect():
        found[name].append(json.loads(text))
    return {
        source.name: _profile(
            {name: [row for row in part if row[SOURCE_POSITION] == at] for name, part in found.items()},
            ids,
            fields,
            whole=_one_in(source.rows) == 1,
        )
        for at, source in enumerate(sources)
    }


def hash_of(name: str) -> Column:
    """The hash that `sample` holds.

    Args:
        name: id column.
    """
    return f.xxhash64(name)


def _of_date(sources: Sequence[SourceRows]) -> Column:
    if all(source.files is None for source in sources):
        return f.lit(True)
    return reduce(or_, (_of_source(at, source) for at, source in enumerate(sources)))


def _of_source(at: int, source: SourceRows) -> Column:
    in_source = f.col(SOURCE_POSITION) == at
    # Spark writes the URI of a local file with three slashes, and earlier runs may have stored it with one
    names = [name for uri in source.files or () for name in (uri, uri.replace("file:/", "file:///", 1))]
    return in_source if source.files is None else in_source & f.col(c.SOURCE_FILE).isin(names)


def _totals(first_id: str, fields: Sequence[Field]) -> list[Column]:
    """Counts and ranges. The first id is there where a row is kept: most rows need no look at their state."""
    kept = f.col(first_id).isNotNull()
    counts = [f.count(first_id).alias(acc.KEPT)]
    for state in STATES:
        if state != acc.KEPT:
            counts.append(f.count(f.when(~kept & (f.col(acc.STATE) == state), 1)).alias(state))
    for at, field in enumerate(fields):
        counts.append(f.count(f.when(kept & field.value.isNull(), 1)).alias(f"nulls_{at}"))
        ordered = _ordered(field)
        if ordered is not None:
            ordered = f.when(kept, ordered)
            counts += [f.min(ordered).alias(f"low_{at}"), f.max(ordered).alias(f"high_{at}")]
    return counts


def _ordered(field: Field) -> Column | None:
    """The value as a number, times in seconds; None: it has no order."""
    if field.kind == "timestamp":
        return f.unix_micros(field.value) / 1e6
    return field.value.cast("double") if field.kind in ("number", "integer") else None


def _minima(rows: DataFrame, name: str, more: Sequence[Column] = ()) -> DataFrame:
    """By bucket: the least hash, and rows with ids of two kinds; rows without an id have no bucket."""
    value = f.col(name)
    hashed = f.when(value.isNotNull(), hash_of(name))
    return rows.groupBy(SOURCE_POSITION, hashed.bitwiseAND(BUCKETS - 1).alias(_BUCKET)).agg(
        f.lit(name).alias(_COLUMN),
        f.min(f.shiftrightunsigned(hashed, _BUCKET_BITS)).alias("least"),
        f.count(f.when(is_not_ascii(value), 1)).alias("non_ascii"),
        f.count(f.when(value.endswith(POINT_ZERO), 1)).alias("point_zero"),
        *more,
    )


def _values(rows: DataFrame, sources: Sequence[SourceRows], fields: Sequence[Field]) -> DataFrame:
    """Top values and quantiles of a sample of the rows, by source and position of the field."""
    digest = f.col(DIGESTS[0])
    sampled = reduce(
        or_,
        (
            (f.col(SOURCE_POSITION) == at) & (digest.bitwiseAND(_one_in(source.rows) - 1) == 0)
            for at, source in enumerate(sources)
        ),
    )
    values = f.concat(*(_pairs(at, field) for at, field in enumerate(fields)))
    pairs = rows.where(sampled).select(SOURCE_POSITION, f.inline(values))
    counted = pairs.where("label is not null or number is not null").groupBy(
        SOURCE_POSITION, _COLUMN, "label", "number"
    )
    labelled = f.when(f.col("label").isNotNull(), f.struct("n", "label"))
    steps = f"array({', '.join(f'{n / _STEPS}D' for n in range(_STEPS + 1))})"
    return (
        counted.agg(f.count(f.lit(1)).alias("n"))
        .groupBy(SOURCE_POSITION, _COLUMN)
        .agg(
            f.sum("n").alias("sampled"),
            f.count("label").alias("values"),
            f.slice(f.sort_array(f.collect_list(labelled), asc=False), 1, _TOP).alias("top"),
            f.expr(f"percentile(number, {steps}, n)").alias("quantiles"),
        )
    )


def _one_in(rows: int) -> int:
    """A power of two: one of so many rows is in the sample."""
    return 1 << max(0, (max(rows, 1) - 1) // _SAMPLE).bit_length()


def _pairs(at: int, field: Field) -> Column:
    """The (label, number) of a value: a label is counted, of numbers the quantiles are found."""
    value = field.value
    if field.kind == "list":
        each = f.transform(value, lambda text: _pair(at, f.substring(text, 1, _LABEL), None))
        return f.concat(f.coalesce(each, f.array().cast(_PAIRS)), f.array(_pair(at, None, None)))
    if field.kind == "vector":
        return f.array(_pair(at, None, f.when(value.isNotNull(), f.size(value))))
    if field.kind == "text":
        return f.array(_pair(at, None, f.length(value)))
    if field.kind == "timestamp":
        return f.array(_pair(at, f.date_format(value, "HH"), None))
    number = value if field.kind in ("number", "integer") else None
    return f.array(_pair(at, f.substring(value.cast("string"), 1, _LABEL), number))


_PAIRS = f"array<struct<{_COLUMN}:int,label:string,number:double>>"


def _pair(at: int, label: Column | None, number: Column | None) -> Column:
    none = f.lit(None)
    return f.struct(
        f.lit(at).alias(_COLUMN),
        (none if label is None else label).cast("string").alias("label"),
        (none if number is None else number).cast("double").alias("number"),
    )


def _profile(
    found: Mapping[str, list[dict[str, Any]]], ids: Sequence[str], fields: Sequence[Field], whole: bool
) -> dict[str, Any]:
    """The profile of one source; `whole`: the sample is all of its rows."""
    by_bucket, values = found[_TOTALS], {row[_COLUMN]: row for row in found[_VALUES]}
    minima = {ids[0]: by_bucket, **{name: found[name] for name in ids[1:]}}
    return {
        "rows": {state: sum(row[state] for row in by_bucket) for state in STATES},
        "ids": {name: _id(minima[name], values.get(len(fields) + at), whole) for at, name in enumerate(ids)},
        "fields": {field.name: _field(at, field, by_bucket, values.get(at)) for at, field in enumerate(fields)},
    }


def _id(minima: list[dict[str, Any]], values: Mapping[str, Any] | None, whole: bool) -> dict[str, Any]:
    top, of_ids = _top(values), [row for row in minima if _BUCKET in row]
    estimated = estimated_distinct([row["least"] / _REST for row in of_ids])
    return {
        "distinct": values["values"] if values and whole else estimated,
        "new_share": None,
        "non_ascii": sum(row["non_ascii"] for row in minima),
        "point_zero": sum(row["point_zero"] for row in minima),
        "largest_share": top[0][1] / values["sampled"] if values and top else None,
        "top": top,
        "sample": [_signed(row["least"] << _BUCKET_BITS | row[_BUCKET]) for row in of_ids],
    }


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits


def _field(at: int, field: Field, by_bucket: list[dict[str, Any]], values: Mapping[str, Any] | None) -> dict[str, Any]:
    found = values or {}
    return {
        "kind": field.kind,
        "nulls": sum(row[f"nulls_{at}"] for row in by_bucket),
        # to_json leaves nulls out
        "low": min((row[f"low_{at}"] for row in by_bucket if f"low_{at}" in row), default=None),
        "high": max((row[f"high_{at}"] for row in by_bucket if f"high_{at}" in row), default=None),
        "sampled": found.get("sampled", 0),
        "values": found.get("values", 0),
        "top": _top(values),
        "quantiles": found.get("quantiles"),
    }


def _top(values: Mapping[str, Any] | None) -> list[list[Any]]:
    return [[row["label"], row["n"]] for row in (values or {}).get("top", [])]
