"""Ranking metrics of top-N lists on held-out targets, by slice, and how much of the catalogue the lists show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t
from pyspark.sql.pandas.types import to_arrow_schema

from bgmrec.evaluate.hits import KEYS, LISTED, TARGETS, sums_by_slice
from bgmrec.evaluate.metrics import gini, ndcg_gains
from bgmrec.evaluate.rating import METRICS, for_each
from bgmrec.evaluate.slices import ALL, ITEM_POPULARITY, USER_ACTIVITY, with_levels
from bgmrec.storage import columns as c

_SUMS = t.StructType(
    [
        *(t.StructField(name, t.StringType()) for name in (*KEYS, "metric")),
        t.StructField("k", t.IntegerType()),
        *(t.StructField(name, t.DoubleType()) for name in ("total", "weight")),
        *(t.StructField(name, t.LongType()) for name in ("count", "missing")),
    ]
)
_BATCH_ROWS = 50_000
_CATALOGUE = "model string, metric string, k int, result double, count long"


def ranking_metrics(
    lists: DataFrame,
    targets: DataFrame,
    catalogue: DataFrame,
    train: DataFrame,
    *,
    models: list[str],
    ks: list[int],
    slices: int,
) -> DataFrame:
    """Every metric of `metrics.RANKING`, coverage and Gini at every cut-off, of several models at once: `METRICS`.

    In an item slice a user's targets are those in the slice, and users without any do not count. `count` is the number
    of users, for pooled_recall of targets. A user with targets but without a list counts as missing.

    Args:
        lists: model, user_idx, position, item_idx; users without targets are ignored.
        targets: user_idx, item_idx, unique.
        catalogue: item_idx of all candidates.
        train: the training ratings, which decide who is warm.
        models: names of the models, each of which needs a list for every user with targets.
        ks: cut-offs.
        slices: number of slices of items by popularity, and of users by activity.
    """
    evaluated = lists.join(targets.select(c.USER_IDX).distinct(), c.USER_IDX, "left_semi")
    users = _user_hits(lists, targets, train, models, slices)
    sums = users.mapInArrow(_summer(ks), _SUMS).groupBy(*KEYS, "metric", "k")
    totals = sums.agg(*(f.sum(name).alias(name) for name in ("total", "weight", "count", "missing")))
    ranked = totals.withColumn("result", f.col("total") / f.col("weight"))
    return ranked.select(*METRICS.names).unionByName(_catalogue_metrics(evaluated, for_each(models, catalogue), ks))


def mean_ndcg(lists: DataFrame, targets: DataFrame, k: int) -> float:
    """NDCG@k of one model over all users, equal to that of `ranking_metrics` but cheaper. Two actions.

    What a hit adds depends on its position and on its user's number of targets alone, so Spark only counts hits by
    both, and `metrics.ndcg_gains` does the rest on the driver: at most k² counts.

    Args:
        lists: user_idx, position, item_idx; a user without a list has NDCG 0.
        targets: user_idx, item_idx, unique.
        k: cut-off.

    Returns:
        the mean over users with targets; NaN where there are none.
    """
    pairs = targets.select(c.USER_IDX, c.ITEM_IDX)
    per_user = pairs.groupBy(c.USER_IDX).agg(f.count(f.lit(1)).alias("targets"))
    users = per_user.count()
    if not users:
        return math.nan
    hits = lists.where(f.col(c.POSITION) <= k).join(pairs, [c.USER_IDX, c.ITEM_IDX], "inner")
    reachable = f.least(f.col("targets"), f.lit(k)).cast("int").alias("reachable")
    by_cell = hits.join(per_user, c.USER_IDX, "inner").groupBy(c.POSITION, reachable)
    cells = by_cell.agg(f.count(f.lit(1)).alias("hits")).collect()
    position, reachable_targets, count = np.array([tuple(cell) for cell in cells], np.int64).reshape(-1, 3).T
    return float(ndcg_gains(position, reachable_targets, k) @ count / users)


def _user_hits(lists: DataFrame, targets: DataFrame, train: DataFrame, models: list[str], slices: int) -> DataFrame:
    """A row per model and user with targets, as `hits.sums_by_slice` takes it."""
    pairs = targets.select(c.USER_IDX, c.ITEM_IDX)
    # the lists have many rows, the targets few: joined first, the lists are never shuffled or sorted as a whole
    hits = lists.select("model", c.USER_IDX, c.ITEM_IDX, c.POSITION).join(pairs, [c.USER_IDX, c.ITEM_IDX])
    targets_of_all = for_each(models, with_levels(pairs, train, slices))
    target = f.struct(ITEM_POPULARITY, c.POSITION)
    per_user = (
        targets_of_all.join(hits, ["model", c.USER_IDX, c.ITEM_IDX], "left")
        .groupBy("model", c.USER_IDX)
        .agg(f.first(USER_ACTIVITY).alias(USER_ACTIVITY), f.collect_list(target).alias(TARGETS))
    )
    listed = lists.where(f.col(c.POSITION) == 1).select("model", c.USER_IDX, f.lit(True).alias(LISTED))
    joined = per_user.join(listed, ["model", c.USER_IDX], "left")
    return joined.select("model", USER_ACTIVITY, TARGETS, f.col(LISTED).isNotNull().alias(LISTED))


def _summer(ks: list[int]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    schema = to_arrow_schema(_SUMS)

    def summed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in _gathered(batches):
            for sums in sums_by_slice(batch, ks):
                yield pa.RecordBatch.from_pandas(sums, schema, preserve_index=False)

    return summed


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `_BATCH_ROWS`: inside `session.arrow_batch(spark, 1)` they come one by one."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH_ROWS:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting, rows = [], 0
    if rows:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def _catalogue_metrics(lists: DataFrame, catalogue: DataFrame, ks: list[int]) -> DataFrame:
    """Coverage, the share of the catalogue that is in at least one list, and Gini of how often items are in lists."""
    shown = [f.count(f.when(f.col(c.POSITION) <= k, True)) for k in ks]
    exposed = lists.groupBy("model", c.ITEM_IDX).agg(_by_cut(ks, shown).alias("by_cut"))
    never = _by_cut(ks, [f.lit(0).cast("long") for _ in ks])
    cuts = f.inline(f.coalesce("by_cut", never))
    every = catalogue.select("model", c.ITEM_IDX).distinct().join(exposed, ["model", c.ITEM_IDX], "left")
    every = every.select("model", cuts)
    histogram = every.groupBy("model", "k", "exposures").agg(f.count(f.lit(1)).alias("items"))
    results = histogram.groupBy("model", "k").applyInPandas(_spread, _CATALOGUE)
    named = results.select(
        "*", f.lit(ALL).alias("slice"), f.lit(ALL).alias("value"), f.lit(0).cast("long").alias("missing")
    )
    return named.select(*METRICS.names)


def _by_cut(ks: list[int], exposures: list[Column]) -> Column:
    parts = zip(ks, exposures, strict=True)
    return f.array(*(f.struct(f.lit(k).alias("k"), of_cut.alias("exposures")) for k, of_cut in parts))


def _spread(histogram: pd.DataFrame) -> pd.DataFrame:
    exposures, items = histogram["exposures"].to_numpy(), histogram["items"].to_numpy()
    n = int(items.sum())
    results = {"coverage": float(items[exposures > 0].sum() / n), "gini": gini(exposures, items)}
    named = pd.DataFrame({"metric": list(results), "result": list(results.values()), "count": n})
    return named.assign(model=histogram["model"].iloc[0], k=histogram["k"].iloc[0])
