"""The profile of a run's input by source: aggregates over the mapped rows, and what they say in numbers.

The run's rows are those of the files of the logical date; files whose path names no date belong to it. Counts, ranges
and a hash minimum per bucket of ids are aggregated over all rows; values are those of a sample of rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as f

from bgmrec.ingest import accounting as acc
from bgmrec.ingest.duplicates import SOURCE_POSITION
from bgmrec.ingest.sampled_values import Field, sampled_share, sampled_values
from bgmrec.ingest.sketch import BUCKETS, estimated_distinct
from bgmrec.ingest.unicode_forms import is_not_ascii
from bgmrec.storage import columns as c

STATES = tuple(state for state in acc.STATES if state != acc.DUPLICATE)  # duplicates are still among the rows
POINT_ZERO = ".0"  # how pandas writes the ids of an integer column with gaps

_BUCKET_BITS = BUCKETS.bit_length() - 1
_REST = 2.0 ** (64 - _BUCKET_BITS)  # what a hash is below, without the bits of its bucket

_BUCKET = "bucket"


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
    mapped: DataFrame,
    sources: Sequence[SourceRows],
    ids: Sequence[str],
    fields: Sequence[Field],
) -> dict[str, dict[str, Any]]:
    """By source: rows by state, ids, and fields with nulls, range, top values and quantiles.

    Each id has `sample`: the hashes of at most `BUCKETS` of its distinct values, chosen at random.

    Args:
        mapped: every row.
        sources: in the order of the settings.
        ids: id columns; the first one is null where a row is not kept, and only there.
        fields: all others.
    """
    rows = mapped.where(_of_date(sources))
    more = _totals(ids[0], fields)
    # counts and ranges are computed by bucket of the first id, which saves a pass
    minima = {name: _minima(rows, name, more if name == ids[0] else ()).collect() for name in ids}
    kept = rows.where(f.col(ids[0]).isNotNull())
    shares = [sampled_share(source.rows) for source in sources]
    values = sampled_values(kept, shares, [*fields, *(Field(name, "id", f.col(name)) for name in ids)])
    return {
        source.name: _profile(
            {name: [row for row in part if row[SOURCE_POSITION] == at] for name, part in minima.items()},
            values[at],
            fields,
            whole=shares[at] == 1,
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
        f.min(f.shiftrightunsigned(hashed, _BUCKET_BITS)).alias("least"),
        f.count(f.when(is_not_ascii(value), 1)).alias("non_ascii"),
        f.count(f.when(value.endswith(POINT_ZERO), 1)).alias("point_zero"),
        *more,
    )


def _profile(
    minima: Mapping[str, list[Row]],
    values: Sequence[dict[str, Any]],
    fields: Sequence[Field],
    whole: bool,
) -> dict[str, Any]:
    """The profile of one source; `whole`: the sample is all of its rows."""
    by_bucket = next(iter(minima.values()))
    of_fields, of_ids = values[: len(fields)], values[len(fields) :]
    return {
        "rows": {state: sum(row[state] for row in by_bucket) for state in STATES},
        "ids": {name: _id(minima[name], facts, whole) for name, facts in zip(minima, of_ids, strict=True)},
        "fields": {
            field.name: _field(at, field, by_bucket, facts)
            for at, (field, facts) in enumerate(zip(fields, of_fields, strict=True))
        },
    }


def _id(minima: list[Row], values: dict[str, Any], whole: bool) -> dict[str, Any]:
    top, of_ids = values["top"], [row for row in minima if row[_BUCKET] is not None]
    estimated = estimated_distinct([row["least"] / _REST for row in of_ids])
    return {
        "distinct": values["values"] if whole else estimated,
        "new_share": None,
        "non_ascii": sum(row["non_ascii"] for row in minima),
        "point_zero": sum(row["point_zero"] for row in minima),
        "largest_share": top[0][1] / values["sampled"] if top else None,
        "top": top,
        "sample": [_signed(row["least"] << _BUCKET_BITS | row[_BUCKET]) for row in of_ids],
    }


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits


def _field(at: int, field: Field, by_bucket: list[Row], values: dict[str, Any]) -> dict[str, Any]:
    ranges = [row for row in by_bucket if f"low_{at}" in row and row[f"low_{at}"] is not None]
    return {
        "kind": field.kind,
        "nulls": sum(row[f"nulls_{at}"] for row in by_bucket),
        "low": min((row[f"low_{at}"] for row in ranges), default=None),
        "high": max((row[f"high_{at}"] for row in ranges), default=None),
        **values,
    }
