"""What held-out ratings say of a sample of users, model by model: the sums that a bootstrap draws from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.evaluate.metrics import list_metrics
from bgmrec.evaluate.report.bootstrap import UserSums
from bgmrec.split import uniform

Sums = dict[tuple[str, str], UserSums]  # (metric, model) →
_ORDER = "_order"


def sample_users(pairs: DataFrame, n: int, seed: int) -> DataFrame:
    """`user_idx` of n of the users in the pairs, which the seed decides; cached."""
    users = pairs.select(c.USER_IDX).distinct().withColumn(_ORDER, uniform(seed, c.USER_IDX))
    return users.orderBy(_ORDER, c.USER_IDX).limit(n).select(c.USER_IDX).cache()


def ranking_sums(lists: Mapping[str, DataFrame], targets: DataFrame, users: DataFrame, k: int) -> Sums:
    """Every metric of `metrics.RANKING` at k over those of the users that have targets. Actions on the sample.

    Args:
        lists: model → user_idx, item_idx, position.
        targets: user_idx, item_idx, unique.
        users: of `sample_users`.
        k: cut-off.
    """
    wanted = targets.join(f.broadcast(users), on=c.USER_IDX, how="left_semi").cache()
    counts: pd.DataFrame = wanted.groupBy(c.USER_IDX).agg(f.count(f.lit(1)).alias("targets")).toPandas()
    counts = counts.sort_values(c.USER_IDX, ignore_index=True)
    sums: Sums = {}
    for model, rows in lists.items():
        hits = rows.join(f.broadcast(wanted), on=[c.USER_IDX, c.ITEM_IDX], how="left_semi")
        found: pd.DataFrame = hits.select(c.USER_IDX, c.POSITION).toPandas()
        placed = found.sort_values([c.USER_IDX, c.POSITION])
        for metric, (numerator, denominator) in _metrics(placed, counts, k).items():
            sums[metric, model] = UserSums(numerator, denominator)
    wanted.unpersist()
    return sums


def _metrics(hits: pd.DataFrame, counts: pd.DataFrame, k: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    users = counts[c.USER_IDX].to_numpy()
    offsets = np.concatenate([[0], np.searchsorted(hits[c.USER_IDX].to_numpy(), users, side="right")])
    return list_metrics(offsets, hits[c.POSITION].to_numpy(), counts["targets"].to_numpy(), k)


def rating_sums(
    scores: Mapping[str, DataFrame], pairs: DataFrame, users: DataFrame, clip: tuple[float, float] | None
) -> Sums:
    """RMSE and MAE over the users' held-out ratings. An action on the sample.

    Args:
        scores: model → user_idx, item_idx, score.
        pairs: user_idx, item_idx, rating.
        users: of `sample_users`.
        clip: range that scores are clipped to.
    """
    wanted = pairs.select(c.USER_IDX, c.ITEM_IDX, c.RATING).join(f.broadcast(users), on=c.USER_IDX, how="left_semi")
    sums: Sums = {}
    for model, rows in scores.items():
        error = f.col(c.RATING).cast("double") - clipped(f.col(c.SCORE), clip)
        summed = (
            wanted.join(rows, on=[c.USER_IDX, c.ITEM_IDX], how="inner")
            .groupBy(c.USER_IDX)
            .agg(f.sum(error * error).alias("squared"), f.sum(f.abs(error)).alias("absolute"), f.count("*").alias("n"))
        )
        frame: pd.DataFrame = summed.toPandas()
        found = frame.sort_values(c.USER_IDX)
        n = found["n"].to_numpy(float)
        sums["rmse", model] = UserSums(found["squared"].to_numpy(float), n, root=True)
        sums["mae", model] = UserSums(found["absolute"].to_numpy(float), n)
    return sums


def clipped(score: Column, clip: tuple[float, float] | None) -> Column:
    """The score as a rating."""
    score = score.cast("double")
    return score if clip is None else f.least(f.greatest(score, f.lit(clip[0])), f.lit(clip[1]))


def calibration(scores: DataFrame, pairs: DataFrame, clip: tuple[float, float] | None, bins: int = 12) -> list[Any]:
    """Mean predicted and mean given rating by predicted rating, over equally wide bins. Two actions."""
    predicted = clipped(f.col(c.SCORE), clip)
    both = pairs.select(c.USER_IDX, c.ITEM_IDX, c.RATING).join(scores, on=[c.USER_IDX, c.ITEM_IDX], how="inner")
    rows = both.select(predicted.alias("predicted"), f.col(c.RATING).cast("double").alias("given"))
    ends = rows.agg(f.min("given").alias("low"), f.max("given").alias("high")).collect()[0]
    if ends["low"] is None or ends["high"] <= ends["low"]:
        return []
    width = (ends["high"] - ends["low"]) / bins
    at = f.least(f.greatest(f.floor((f.col("predicted") - ends["low"]) / width), f.lit(0)), f.lit(bins - 1))
    summed = rows.groupBy(at.alias("bin")).agg(
        f.avg("predicted").alias("predicted"), f.avg("given").alias("given"), f.count("*").alias("ratings")
    )
    return [row.asDict() for row in summed.orderBy("bin").collect()]


def errors_by_count(
    scores: Mapping[str, DataFrame], pairs: DataFrame, train: DataFrame, side: str, clip: tuple[float, float] | None
) -> list[dict[str, Any]]:
    """RMSE of every model by the number of training ratings of the user or item. An action on a handful of rows.

    Args:
        side: `user_idx` or `item_idx`.
    """
    counts = train.groupBy(side).agg(f.count(f.lit(1)).alias("n"))
    known = pairs.select(c.USER_IDX, c.ITEM_IDX, c.RATING).join(counts, on=side, how="left").fillna(0, ["n"])
    found = []
    for model, rows in scores.items():
        error = f.col(c.RATING).cast("double") - clipped(f.col(c.SCORE), clip)
        level = f.ceil(f.log2(f.col("n") + 1)).alias("level")  # 0 | 1 | 2–3 | 4–7 | …
        summed = known.join(rows, on=[c.USER_IDX, c.ITEM_IDX], how="inner").groupBy(level)
        levels = summed.agg(f.sqrt(f.avg(error * error)).alias("rmse"), f.count("*").alias("ratings")).collect()
        found += [{"model": model, **row.asDict()} for row in levels]
    return sorted(found, key=lambda row: (row["level"], row["model"]))
