"""Slices of held-out pairs by the values of any field of their users or items."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

VALUES = 8  # the most frequent values have slices of their own, the others share one
QUANTILES = 4  # slices of a numeric field with more than `VALUES` values
LEAST = 20  # a slice with fewer held-out pairs is too small for a metric
OTHER, UNKNOWN = "other", "unknown"


def field_values(
    entities: DataFrame, index: DataFrame, idx_column: str, idx: np.ndarray, fields: Sequence[str]
) -> pd.DataFrame:
    """The fields of some entities, a row per idx in the given order. An action on those rows.

    Args:
        entities: staged users or items.
        index: `schemas.USER_INDEX` or `schemas.ITEM_INDEX`.
        idx_column: `user_idx` or `item_idx`.
        idx: int (n,), distinct; collected on the driver.
        fields: names of fields of the entities.
    """
    (id_column,) = set(index.columns) & set(entities.columns)
    chosen = index.sparkSession.createDataFrame([(int(value),) for value in idx], f"{idx_column} int")
    ids = index.join(f.broadcast(chosen), on=idx_column, how="left_semi").select(id_column, idx_column)
    rows = ids.join(entities.select(id_column, *fields), on=id_column, how="left")
    values: pd.DataFrame = rows.toPandas()
    return values.set_index(idx_column)[list(fields)].reindex(idx)


def slices(values: pd.Series) -> dict[str, np.ndarray]:
    """Slice → bool (n,), which of the values are in it; the most frequent slice first, `unknown` last.

    Numbers with many values are cut at their quartiles. A list is in the slice of each of its values.

    Args:
        values: (n,), one field: numbers, texts, booleans, lists of them, or null.
    """
    cells = [_list(value) for value in values]
    every = [value for cell in cells for value in cell]
    if len(set(every)) > VALUES and all(isinstance(value, int | float) for value in every):
        names, ranges = _by_quantile(cells, np.array(every, float))
        return _members({name: name for name in names}, ranges)
    counts = pd.Series([_text(value) for value in every], dtype=object).value_counts()
    frequent = set(counts.index[:VALUES])
    slice_of = {name: name if name in frequent else OTHER for name in counts.index}
    return _members(slice_of, [[_text(value) for value in cell] for cell in cells])


def _members(slice_of: dict[str, str], cells: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    members = {name: np.zeros(len(cells), bool) for name in dict.fromkeys(slice_of.values())}
    if OTHER in members:
        members[OTHER] = members.pop(OTHER)
    for at, cell in enumerate(cells):
        for value in cell:
            members[slice_of[value]][at] = True
    unknown = members.pop(UNKNOWN, np.zeros(len(cells), bool)) | np.array([not cell for cell in cells], bool)
    return {**members, UNKNOWN: unknown} if unknown.any() else members


def _by_quantile(cells: Sequence[Sequence[Any]], every: np.ndarray) -> tuple[list[str], list[list[str]]]:
    """Names of the ranges that have values, rising, and the ranges of every cell."""
    ends = np.unique(np.quantile(every, np.linspace(0, 1, QUANTILES + 1)[1:-1], method="lower"))
    names = [f"≤ {ends[0]:.6g}", *(f"> {low:.6g}, ≤ {high:.6g}" for low, high in pairwise(ends))]
    names.append(f"> {ends[-1]:.6g}")
    used = np.unique(np.searchsorted(ends, every))
    return [names[at] for at in used], [[names[at] for at in np.searchsorted(ends, cell)] for cell in cells]


def _list(value: Any) -> list[Any]:
    """The values of a cell that are not null."""
    if isinstance(value, list | tuple | np.ndarray):
        return [single for part in value for single in _list(part)]
    return [] if value is None or value != value or value is pd.NaT else [value]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
