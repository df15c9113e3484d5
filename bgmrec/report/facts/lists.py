"""What lists show of the catalogue: how popular, how new to people, how different within a list, how concentrated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.slices import LEVEL, by_ratings
from bgmrec.report.facts.item_names import GROUP, LABEL
from bgmrec.storage import columns as c
from bgmrec.storage.arrays import from_cell

SLICES = 10
NEVER = "not rated yet"


def shown_by_popularity(
    lists: Mapping[str, DataFrame], train: DataFrame, item_index: DataFrame
) -> list[dict[str, Any]]:
    """Shares of the catalogue, of training ratings and of list places by the items' popularity. An action.

    Args:
        lists: model → item_idx, one row per place.
        train: training ratings.
        item_index: all items.
    """
    slices = by_ratings(train, c.ITEM_IDX, SLICES)
    every = item_index.select(c.ITEM_IDX).join(slices, on=c.ITEM_IDX, how="left")
    of = every.select(c.ITEM_IDX, f.coalesce(LEVEL, f.lit(NEVER)).alias(LEVEL))
    parts = {"catalogue": every, "ratings": train, **lists}
    # one union: a query for each would cost more than what it counts
    marked = [rows.select(f.lit(name).alias("of"), c.ITEM_IDX) for name, rows in parts.items()]
    counted = reduce(DataFrame.unionByName, marked).join(of, on=c.ITEM_IDX, how="inner").groupBy("of", LEVEL)
    rows = counted.agg(f.count("*").alias("n")).collect()
    totals = {name: sum(row["n"] for row in rows if row["of"] == name) for name in parts}
    found = [{"of": row["of"], "slice": row[LEVEL], "share": row["n"] / totals[row["of"]]} for row in rows]
    return sorted(found, key=lambda row: (list(parts).index(row["of"]), row["slice"]))


def list_positions(
    lists: Mapping[str, DataFrame], users: DataFrame, names: DataFrame, train: DataFrame, k: int
) -> pd.DataFrame:
    """model, user_idx, item_idx, label, group and `ratings` (in training) of the users' first k places. An action.

    Args:
        lists: model → user_idx, item_idx, position.
        users: a bounded sample.
        names: of `item_names`.
        train: training ratings.
    """
    counts = train.groupBy(c.ITEM_IDX).agg(f.count(f.lit(1)).alias("ratings"))
    frames = []
    for model, rows in lists.items():
        own = rows.where(f.col(c.POSITION) <= k).join(f.broadcast(users), on=c.USER_IDX, how="left_semi")
        frames.append(own.select(f.lit(model).alias("model"), c.USER_IDX, c.ITEM_IDX))
    known = reduce(DataFrame.unionByName, frames).join(
        names.select(c.ITEM_IDX, LABEL, GROUP), on=c.ITEM_IDX, how="left"
    )
    return known.join(counts, on=c.ITEM_IDX, how="left").fillna(0, ["ratings"]).toPandas()


def item_rows(unpacked: DataFrame, wanted: DataFrame, rank: int) -> dict[int, np.ndarray]:
    """item_idx → float32 (rank,), the factors of a bounded number of items. An action.

    Args:
        unpacked: idx, features of all items.
        wanted: item_idx.
        rank: of the model, whose bias is left out.
    """
    chosen = unpacked.join(f.broadcast(wanted), on=f.col(c.IDX) == f.col(c.ITEM_IDX), how="left_semi")
    return {row[c.IDX]: from_cell(bytes(row[c.FEATURES]))[:rank] for row in chosen.collect()}


def list_facts(positions: pd.DataFrame, factors: Mapping[int, np.ndarray], users: int) -> dict[str, dict[str, float]]:
    """Per model what a list is like, as means over lists.

    novelty = mean of −log2 of the share of users who rated the item in training (one more rating each, so that new
    items have one); diversity = 1 − mean cosine of the factors of two tracks of a list.

    Args:
        places: of `list_places`.
        factors: of `item_rows`, for the places' items.
        users: of the index.
    """
    facts = {}
    for model, rows in positions.groupby("model", sort=False):
        rated = (rows["ratings"].to_numpy(float) + 1) / (users + 1)
        labels, groups = rows[LABEL].replace("", None), rows[GROUP]
        facts[str(model)] = {
            "novelty": float(-np.log2(np.minimum(rated, 1.0)).mean()),
            "ratings": float(rows["ratings"].median()),
            "diversity": _mean([_spread(own, factors) for own in _items_of(rows)]),
            "labels": _distinct(rows.assign(_v=labels)),
            "groups": _distinct(rows.assign(_v=groups)),
            "top_labels": _concentration(labels),
        }
    return facts


def _items_of(rows: pd.DataFrame) -> list[np.ndarray]:
    return [own.to_numpy() for _, own in rows.groupby(c.USER_IDX)[c.ITEM_IDX]]


def _spread(items: np.ndarray, factors: Mapping[int, np.ndarray]) -> float:
    vectors = np.array([factors[item] for item in items if item in factors], float)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if len(vectors) else np.zeros((0, 1))
    units = vectors[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
    n = len(units)
    return float("nan") if n < 2 else float(1 - (np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1)))


def _distinct(rows: pd.DataFrame) -> float:
    """Distinct values per list; NaN where no item has any."""
    return _mean(list(rows.dropna(subset=["_v"]).groupby(c.USER_IDX)["_v"].nunique()))


def _concentration(labels: pd.Series, top: int = 10) -> float:
    counts = labels.dropna().value_counts()
    return float(counts.head(top).sum() / counts.sum()) if len(counts) else float("nan")


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else float("nan")
