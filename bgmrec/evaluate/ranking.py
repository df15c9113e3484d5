"""Top-N lists against held-out targets, by slice, and what the lists show of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.evaluate.metrics import gini, list_metrics
from bgmrec.evaluate.rating import METRICS
from bgmrec.evaluate.slices import ALL, with_slices

_SUMS = "slice string, value string, metric string, k int, total double, weight double, count long, missing long"
_CATALOGUE = "metric string, k int, result double, count long"


def ranking_metrics(
    lists: DataFrame,
    targets: DataFrame,
    catalogue: DataFrame,
    train: DataFrame,
    *,
    model: str,
    ks: list[int],
    popularity_slices: int,
) -> DataFrame:
    """Every metric of `metrics.RANKING`, coverage and Gini at every cut-off: `METRICS`.

    In an item slice a user's targets are those in the slice, and users without any do not count; `count` holds the
    users, or the targets behind the pooled recall. A user with targets but without a list is missing.

    Args:
        lists: user_idx, position, item_idx; users without targets are left out.
        targets: user_idx, item_idx, unique.
        catalogue: item_idx of all items that could be shown.
        train: the training ratings, which decide who is warm.
        model: name in the result.
        ks: cut-offs.
        popularity_slices: slices of items by popularity.
    """
    judged = lists.join(targets.select(c.USER_IDX).distinct(), c.USER_IDX, "left_semi")
    users = _user_hits(judged, with_slices(targets.select(c.USER_IDX, c.ITEM_IDX), train, popularity_slices))
    sums = users.mapInArrow(_summer(ks), _SUMS).groupBy("slice", "value", "metric", "k")
    totals = sums.agg(*(f.sum(name).alias(name) for name in ("total", "weight", "count", "missing")))
    ranked = totals.withColumn("result", f.col("total") / f.col("weight")).withColumn("model", f.lit(model))
    return ranked.select(*METRICS.names).unionByName(_catalogue_metrics(judged, catalogue, model, ks))


def _user_hits(lists: DataFrame, sliced: DataFrame) -> DataFrame:
    """Per user and slice: `targets`, `positions` of the hits rising, and whether the user has a list."""
    placed = lists.select(c.USER_IDX, c.ITEM_IDX, c.POSITION)
    listed = lists.select(c.USER_IDX).distinct().withColumn("listed", f.lit(True))
    per_user = (
        sliced.join(placed, [c.USER_IDX, c.ITEM_IDX], "left")
        .groupBy(c.USER_IDX, "slice", "value")
        .agg(f.count(f.lit(1)).alias("targets"), f.sort_array(f.collect_list(c.POSITION)).alias("positions"))
    )
    known = per_user.join(listed, c.USER_IDX, "left")
    return known.select("slice", "value", "targets", "positions", f.col("listed").isNotNull().alias("listed"))


def _summer(ks: list[int]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            lists = batch.column("positions")
            targets = batch.column("targets").to_numpy()
            offsets = lists.offsets.to_numpy()
            keys = batch.select(["slice", "value"]).to_pandas()
            missing = ~batch.column("listed").to_numpy(zero_copy_only=False)
            for k in ks:
                parts = list_metrics(offsets - offsets[0], lists.flatten().to_numpy(), targets, k)
                for metric, (total, weight) in parts.items():
                    rows = keys.assign(total=total, weight=weight, count=weight.astype(np.int64), missing=missing)
                    sums = rows.groupby(["slice", "value"], as_index=False).sum().assign(metric=metric, k=k)
                    yield _sum_batch(sums)

    return summed


def _sum_batch(sums: pd.DataFrame) -> pa.RecordBatch:
    whole = sums.astype({"k": np.int32, "missing": np.int64})
    names = ["slice", "value", "metric", "k", "total", "weight", "count", "missing"]
    return pa.RecordBatch.from_pandas(whole[names], preserve_index=False)


def _catalogue_metrics(lists: DataFrame, catalogue: DataFrame, model: str, ks: list[int]) -> DataFrame:
    """coverage = share of the catalogue in at least one list; Gini of how often its items are in lists."""
    cuts = f.explode(f.array(*(f.lit(k) for k in ks)))
    shown = lists.withColumn("k", cuts).where(f.col(c.POSITION) <= f.col("k"))
    exposed = shown.groupBy("k", c.ITEM_IDX).agg(f.count(f.lit(1)).alias("exposures"))
    every = catalogue.select(c.ITEM_IDX).distinct().withColumn("k", cuts).join(exposed, ["k", c.ITEM_IDX], "left")
    histogram = every.groupBy("k", f.coalesce("exposures", f.lit(0)).alias("exposures")).agg(
        f.count(f.lit(1)).alias("items")
    )
    results = histogram.groupBy("k").applyInPandas(_spread, _CATALOGUE)
    named = results.select(
        f.lit(model).alias("model"),
        f.lit(ALL).alias("slice"),
        f.lit(ALL).alias("value"),
        "*",
        f.lit(0).alias("missing"),
    )
    return named.select(*(f.col(field.name).cast(field.dataType) for field in METRICS))


def _spread(histogram: pd.DataFrame) -> pd.DataFrame:
    exposures, items = histogram["exposures"].to_numpy(), histogram["items"].to_numpy()
    n = int(items.sum())
    rows = [("coverage", items[exposures > 0].sum() / n), ("gini", gini(exposures, items))]
    k = int(histogram["k"].iloc[0])
    return pd.DataFrame({"metric": [r[0] for r in rows], "k": k, "result": [float(r[1]) for r in rows], "count": n})
