"""The values of a sample of a run's rows: most frequent ones, and quantiles of numbers.

The sample is chosen by the digest of the raw record, so that it is the same in every run, and is counted on the driver:
each aggregate of Spark would take longer to compile than to run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.ingest.duplicates import DIGESTS, SOURCE_POSITION

_ROWS = 50_000  # at most, about: shares are off by 0.3 points
_TOP = 50  # most frequent values
_STEPS = 200  # steps between quantiles
_LABEL = 80  # characters of a value


@dataclass(frozen=True)
class Field:
    """A column of the mapped rows.

    Args:
        name: in the profile.
        kind: `number`, `timestamp`, `id`, or another type of `[[items.fields]]`.
        value: the column; null in rows that are not kept.
    """

    name: str
    kind: str
    value: Column


def sampled_share(rows: int) -> int:
    """A power of two: one of so many rows is in the sample.

    Args:
        rows: of the source.
    """
    return 1 << max(0, (max(rows, 1) - 1) // _ROWS).bit_length()


def sampled_values(kept: DataFrame, shares: Sequence[int], fields: Sequence[Field]) -> list[list[dict[str, Any]]]:
    """By source and field: `sampled` values, the number of distinct `values`, `top` and `quantiles`. One action.

    Args:
        kept: the rows.
        shares: `sampled_share` of each source.
        fields: of each row.
    """
    digest = f.col(DIGESTS[0])
    sampled = reduce(
        or_,
        ((f.col(SOURCE_POSITION) == at) & (digest.bitwiseAND(one_in - 1) == 0) for at, one_in in enumerate(shares)),
    )
    columns = [_shown(field).alias(f"value_{at}") for at, field in enumerate(fields)]
    rows = kept.where(sampled).select(SOURCE_POSITION, *columns).collect()
    by_source: list[list[Any]] = [[] for _ in shares]
    for row in rows:
        by_source[row[SOURCE_POSITION]].append(row)
    return [[_facts(field, [row[1 + at] for row in rows]) for at, field in enumerate(fields)] for rows in by_source]


def _shown(field: Field) -> Column:
    """What is counted of a value: text, the hour of a time, a number, or the size of a text or vector."""
    value = field.value
    if field.kind == "list":
        return f.transform(value, lambda text: f.substring(text, 1, _LABEL))
    if field.kind == "vector":
        return f.when(value.isNotNull(), f.size(value))
    if field.kind == "text":
        return f.length(value)
    if field.kind == "timestamp":
        return f.date_format(value, "HH")
    if field.kind in ("number", "integer"):
        return f.struct(value.cast("string"), value.cast("double"))
    return f.substring(value.cast("string"), 1, _LABEL)


def _facts(field: Field, values: Iterable[Any]) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    labels: Iterable[str] = ()
    numbers: list[float] = []
    if field.kind == "list":
        present = labels = [label for value in present for label in value if label is not None]
    elif field.kind in ("vector", "text"):
        numbers = present
    elif field.kind in ("number", "integer"):
        present = [pair for pair in present if pair[0] is not None]
        labels, numbers = (label for label, _ in present), [number for _, number in present]
    else:
        labels = present
    counts = Counter(labels)
    top = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:_TOP]
    steps = np.linspace(0, 1, _STEPS + 1)
    return {
        "sampled": len(present),
        "values": len(counts),
        "top": [list(entry) for entry in top],
        "quantiles": np.quantile(np.asarray(numbers, np.float64), steps).tolist() if numbers else None,
    }
