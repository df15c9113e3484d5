"""Metrics of the lists of a batch of users: `metrics.list_metrics`, summed by slice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from bgmrec.evaluate.metrics import list_metrics
from bgmrec.evaluate.slices import ALL, ITEM, ITEM_POPULARITY, USER, USER_ACTIVITY
from bgmrec.storage import columns as c

LISTED, TARGETS = "listed", "targets"
KEYS = ["model", "slice", "value"]


class _Units(NamedTuple):
    """The units whose metrics are averaged: users, or a user's targets within one value of an item slice.

    Args:
        user: int (units,), row of the batch.
        value: int (units,), position in `names`; −1: in no slice.
        names: str (values,), values of the slice.
        unit: int (targets,), unit that a target belongs to.
    """

    user: np.ndarray
    value: np.ndarray
    names: np.ndarray
    unit: np.ndarray


def sums_by_slice(users: pa.RecordBatch, ks: list[int]) -> Iterator[pd.DataFrame]:
    """Numerators and denominators of every metric at every cut-off, by model, slice and value.

    Args:
        users: a row per model and user: `model`, `user_activity` (a level; null: cold), `listed`, and `targets`, a list
            of structs `item_popularity` (a level; null: cold) and `position` in the user's list (null: no hit).
        ks: cut-offs.
    """
    models, model_names = _coded(users.column("model"))
    lists = users.column(TARGETS)
    offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
    user = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    targets = lists.flatten()
    positions = targets.field(c.POSITION).fill_null(0).to_numpy()
    activity, activity_names = _coded(users.column(USER_ACTIVITY))
    popularity, popularity_names = _coded(targets.field(ITEM_POPULARITY))
    warmth = np.array([c.COLD, c.WARM], dtype=object)
    every = np.arange(len(offsets) - 1)
    slices = {
        ALL: _Units(every, np.zeros_like(every), np.array([ALL], dtype=object), user),
        USER: _Units(every, (activity >= 0).astype(np.int64), warmth, user),
        USER_ACTIVITY: _Units(every, activity, activity_names, user),
        ITEM: _parts(user, (popularity >= 0).astype(np.int64), warmth),
        ITEM_POPULARITY: _parts(user, popularity, popularity_names),
    }
    listed = users.column(LISTED).to_numpy(zero_copy_only=False)
    for name, units in slices.items():
        yield from _summed(name, units, positions, (models, model_names), listed, ks)


def _coded(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Codes from 0 (−1 for null), and the texts that they stand for."""
    coded = texts.dictionary_encode()
    return coded.indices.fill_null(-1).to_numpy().astype(np.int64), coded.dictionary.to_numpy(zero_copy_only=False)


def _parts(user: np.ndarray, value: np.ndarray, names: np.ndarray) -> _Units:
    """A unit per user and value among its targets."""
    width = len(names) + 1
    keys, unit = np.unique(user * width + value + 1, return_inverse=True)
    return _Units(keys // width, keys % width - 1, names, unit)


def _summed(
    name: str,
    units: _Units,
    positions: np.ndarray,
    models: tuple[np.ndarray, np.ndarray],
    listed: np.ndarray,
    ks: list[int],
) -> Iterator[pd.DataFrame]:
    codes, model_names = models
    width = len(units.names)
    belongs = units.value >= 0
    group = (codes[units.user] * width + units.value)[belongs]
    if not group.size:
        return
    keys = np.unique(group)
    frame = pd.DataFrame({"model": model_names[keys // width], "slice": name, "value": units.names[keys % width]})
    missing = np.bincount(group, ~listed[units.user[belongs]])[keys].astype("int64")
    n = len(units.user)
    hit = np.flatnonzero(positions)
    hit = hit[np.lexsort((positions[hit], units.unit[hit]))]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(units.unit[hit], minlength=n))])
    targets = np.bincount(units.unit, minlength=n)
    for k in ks:
        for metric, sums in list_metrics(offsets, positions[hit], targets, k).items():
            total, weight = (np.bincount(group, values[belongs])[keys] for values in sums)
            rows = frame.assign(metric=metric, k=k, total=total, weight=weight)
            yield rows.assign(count=weight.astype("int64"), missing=missing)
