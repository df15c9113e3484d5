"""Statistics of Parquet files from their footers, as Delta Lake keeps them."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow.parquet as pq

_LONGEST = 64  # characters of a text as a bound; longer ones would only bloat the log


def delta_statistics(metadata: pq.FileMetaData, without: str) -> str:
    """Rows, and for each column the least and greatest value and the number of nulls, as JSON.

    A column of which a row group has no bounds has none.

    Args:
        metadata: of the file.
        without: the partition column, whose value the partition states.
    """
    least: dict[str, Any] = {}
    greatest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    for number in range(metadata.num_columns):
        name = metadata.schema.column(number).path
        groups = [metadata.row_group(group).column(number).statistics for group in range(metadata.num_row_groups)]
        if name == without or any(group is None or not group.has_null_count for group in groups):
            continue
        nulls[name] = sum(group.null_count for group in groups)
        bounded = [group for group, nonempty in zip(groups, _with_values(metadata, groups), strict=True) if nonempty]
        if bounded and all(group.has_min_max and _is_bound(group.min) and _is_bound(group.max) for group in bounded):
            least[name], greatest[name] = min(group.min for group in bounded), max(group.max for group in bounded)
    rows = metadata.num_rows
    return json.dumps({"numRecords": rows, "minValues": least, "maxValues": greatest, "nullCount": nulls})


def _with_values(metadata: pq.FileMetaData, groups: list[Any]) -> list[bool]:
    """Whether a row group has a value that is not null."""
    return [metadata.row_group(n).num_rows > group.null_count for n, group in enumerate(groups)]


def _is_bound(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) or (isinstance(value, str) and len(value) <= _LONGEST)
