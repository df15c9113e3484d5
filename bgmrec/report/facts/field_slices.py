"""Slices of held-out pairs by any field of their users or items: which pairs have which value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

VALUES = 8  # of a field that stand alone; rarer ones together
QUANTILES = 4  # of a field of numbers with more values than that
LEAST = 20  # held-out pairs: fewer say nothing of a value
OTHER, UNKNOWN = "other", "unknown"


def field_values(
    entities: DataFrame, index: DataFrame, idx_column: str, idx: np.ndarray, fields: Sequence[str]
) -> pd.DataFrame:
    """A row per idx: the fields. An action on the rows that are asked for.

    Args:
        entities: staged users or items, by id.
        index: id and idx.
        idx_column: the name of the latter.
        idx: int (n,), distinct, a bounded number.
        fields: of the entities.
    """
    (id_column,) = set(index.columns) & set(entities.columns)
    asked = index.sparkSession.createDataFrame([(int(one),) for one in idx], f"{idx_column} int")
    known = index.join(f.broadcast(asked), on=idx_column, how="left_semi").select(id_column, idx_column)
    rows = entities.select(id_column, *fields).join(f.broadcast(known), on=id_column, how="right")
    found: pd.DataFrame = rows.toPandas()
    return found.set_index(idx_column)[list(fields)].reindex(idx)


def slices(values: pd.Series) -> dict[str, np.ndarray]:
    """Slice → bool (n,), which of the values are in it; the most frequent first, what is not known last.

    Numbers of many values are cut at their quartiles. A list is in the slice of each of its values.

    Args:
        values: (n,) of one field: numbers, texts, truth values or lists of them, or nothing.
    """
    lists = [_list(value) for value in values]
    known = [value for own in lists for value in own]
    if len(set(known)) > VALUES and all(isinstance(value, int | float) for value in known):
        names, cut = _by_quantile(lists, np.array(known, float))
        return _members({name: name for name in names}, cut)
    counted = pd.Series([_text(value) for value in known], dtype=object).value_counts()
    first = set(counted.index[:VALUES])
    named = {name: name if name in first else OTHER for name in counted.index}
    return _members(named, [[_text(value) for value in own] for own in lists])


def _members(named: dict[str, str], lists: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    found = {name: np.zeros(len(lists), bool) for name in dict.fromkeys(named.values())}
    if OTHER in found:
        found[OTHER] = found.pop(OTHER)
    for at, own in enumerate(lists):
        for value in own:
            found[named[value]][at] = True
    unknown = found.pop(UNKNOWN, np.zeros(len(lists), bool)) | np.array([not own for own in lists], bool)
    return {**found, UNKNOWN: unknown} if unknown.any() else found


def _by_quantile(lists: Sequence[Sequence[Any]], known: np.ndarray) -> tuple[list[str], list[list[str]]]:
    """The ranges that have values, rising, and every value's."""
    ends = np.unique(np.quantile(known, np.linspace(0, 1, QUANTILES + 1)[1:-1], method="lower"))
    names = [f"up to {ends[0]:.6g}", *(f"above {low:.6g}, up to {high:.6g}" for low, high in pairwise(ends))]
    names.append(f"above {ends[-1]:.6g}")
    used = np.unique(np.searchsorted(ends, known))
    return [names[at] for at in used], [[names[at] for at in np.searchsorted(ends, own)] for own in lists]


def _list(value: Any) -> list[Any]:
    """The values of a cell, those that are there."""
    if isinstance(value, list | tuple | np.ndarray):
        return [one for own in value for one in _list(own)]
    return [] if value is None or value != value or value is pd.NaT else [value]


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
