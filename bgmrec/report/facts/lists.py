"""What lists hold: popularity, novelty, diversity and concentration of the recommended items."""

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
NEVER = "no rating yet"


def shown_by_popularity(
    lists: Mapping[str, DataFrame], train: DataFrame, item_index: DataFrame
) -> list[dict[str, Any]]:
    """Shares of the catalogue, of training ratings and of list entries by popularity of the item. An action.

    Args:
        lists: model → item_idx, a row per list entry.
        train: training ratings.
        item_index: `schemas.ITEM_INDEX`.
    """
    slices = by_ratings(train, c.ITEM_IDX, SLICES)
    every = item_index.select(c.ITEM_IDX).join(slices, on=c.ITEM_IDX, how="left")
    of = every.select(c.ITEM_IDX, f.coalesce(LEVEL, f.lit(NEVER)).alias(LEVEL))
    parts = {"catalogue": every, "ratings": train, **lists}
    # one union of all parts: a query for each would mostly cost its start
    marked = [rows.select(f.lit(name).alias("of"), c.ITEM_IDX) for name, rows in parts.items()]
    counted = reduce(DataFrame.unionByName, marked).join(of, on=c.ITEM_IDX, how="inner").groupBy("of", LEVEL)
    rows = counted.agg(f.count("*").alias("n")).collect()
    totals = {name: sum(row["n"] for row in rows if row["of"] == name) for name in parts}
    shares = [{"of": row["of"], "slice": row[LEVEL], "share": row["n"] / totals[row["of"]]} for row in rows]
    return sorted(shares, key=lambda row: (list(parts).index(row["of"]), row["slice"]))


def list_positions(
    lists: Mapping[str, DataFrame], users: DataFrame, names: DataFrame, train: DataFrame, k: int
) -> pd.DataFrame:
    """The first k entries of the users' lists: model, user_idx, item_idx, label, group, training `ratings`. An action.

    Args:
        lists: model → user_idx, item_idx, position.
        users: user_idx of a sample; collected on the driver.
        names: of `item_names`.
        train: training ratings.
        k: cut-off.
    """
    counts = train.groupBy(c.ITEM_IDX).agg(f.count(f.lit(1)).alias("ratings"))
    frames = []
    for model, rows in lists.items():
        entries = rows.where(f.col(c.POSITION) <= k).join(f.broadcast(users), on=c.USER_IDX, how="left_semi")
        frames.append(entries.select(f.lit(model).alias("model"), c.USER_IDX, c.ITEM_IDX))
    named = reduce(DataFrame.unionByName, frames).join(
        names.select(c.ITEM_IDX, LABEL, GROUP), on=c.ITEM_IDX, how="left"
    )
    return named.join(counts, on=c.ITEM_IDX, how="left").fillna(0, ["ratings"]).toPandas()


def item_rows(unpacked: DataFrame, items: DataFrame, rank: int) -> dict[int, np.ndarray]:
    """item_idx → float32 (rank,), the factors of some items without their bias. An action.

    Args:
        unpacked: idx and features of all items.
        items: item_idx; collected on the driver.
        rank: latent dimensions.
    """
    chosen = unpacked.join(f.broadcast(items), on=f.col(c.IDX) == f.col(c.ITEM_IDX), how="left_semi")
    return {row[c.IDX]: from_cell(bytes(row[c.FEATURES]))[:rank] for row in chosen.collect()}


def list_facts(positions: pd.DataFrame, factors: Mapping[int, np.ndarray], users: int) -> dict[str, dict[str, float]]:
    """Per model what its lists are like, as means over lists.

    novelty = mean of −log2((ratings of the item + 1) / (users + 1)) (Zhou et al. 2010, self-information); diversity =
    1 − mean cosine of the factors of two tracks of a list (Ziegler et al. 2005).

    Args:
        positions: of `list_positions`.
        factors: of `item_rows`, for the items of the lists.
        users: users of the index.
    """
    facts = {}
    for model, rows in positions.groupby("model", sort=False):
        rated = (rows["ratings"].to_numpy(float) + 1) / (users + 1)
        labels, groups = rows[LABEL].replace("", None), rows[GROUP]
        facts[str(model)] = {
            "novelty": float(-np.log2(np.minimum(rated, 1.0)).mean()),
            "ratings": float(rows["ratings"].median()),
            "diversity": _mean([_diversity(items, factors) for items in _items_by_list(rows)]),
            "labels": _distinct(rows.assign(_v=labels)),
            "groups": _distinct(rows.assign(_v=groups)),
            "top_labels": _concentration(labels),
        }
    return facts


def _items_by_list(rows: pd.DataFrame) -> list[np.ndarray]:
    return [items.to_numpy() for _, items in rows.groupby(c.USER_IDX)[c.ITEM_IDX]]


def _diversity(items: np.ndarray, factors: Mapping[int, np.ndarray]) -> float:
    vectors = np.array([factors[item] for item in items if item in factors], float)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if len(vectors) else np.zeros((0, 1))
    units = vectors[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
    n = len(units)
    return float("nan") if n < 2 else float(1 - (np.square(units.sum(axis=0)).sum() - n) / (n * (n - 1)))


def _distinct(rows: pd.DataFrame) -> float:
    """Mean number of distinct values in a list; NaN where no item has a value."""
    return _mean(list(rows.dropna(subset=["_v"]).groupby(c.USER_IDX)["_v"].nunique()))


def _concentration(labels: pd.Series, top: int = 10) -> float:
    counts = labels.dropna().value_counts()
    return float(counts.head(top).sum() / counts.sum()) if len(counts) else float("nan")


def _mean(values: list[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else float("nan")
