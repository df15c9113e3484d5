"""Held-out ratings of a sample of users, and the sums per user and model that a bootstrap draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.metrics import list_metrics
from bgmrec.features.split import uniform
from bgmrec.report.bootstrap import UserSums
from bgmrec.storage import columns as c

Sums = dict[tuple[str, str], UserSums]  # (metric, model) →
EVALUATED_USERS = 5000  # sample of users whose held-out ratings the intervals are made of: read on the driver
_ORDER, _VALUE, _MODEL = "_order", "_value", "_model"
_PAIR = [c.USER_IDX, c.ITEM_IDX]


@dataclass(frozen=True)
class HeldOutPairs:
    """Held-out pairs of a sample of users, with a number per model.

    Args:
        pairs: user_idx, item_idx, unique, sorted by both; without any model there are no pairs.
        by_model: model → float64 (pairs,): the position in the model's list, or the error of its score; NaN: none.
    """

    pairs: pd.DataFrame
    by_model: Mapping[str, np.ndarray]


def sample_users(pairs: DataFrame, n: int, seed: int) -> DataFrame:
    """`user_idx` of a random sample of the users in the pairs; cached.

    Args:
        pairs: user_idx.
        n: size of the sample, at most.
        seed: seed of the sample.
    """
    users = pairs.select(c.USER_IDX).distinct().withColumn(_ORDER, uniform(seed, c.USER_IDX))
    return users.orderBy(_ORDER, c.USER_IDX).limit(n).select(c.USER_IDX).cache()


def held_in_lists(lists: Mapping[str, DataFrame], targets: DataFrame, users: DataFrame) -> HeldOutPairs:
    """The users' targets with their positions in every list. Actions on the sample.

    Args:
        lists: model → user_idx, item_idx, position.
        targets: user_idx, item_idx, unique.
        users: of `sample_users`.
    """
    return _with_values(lists, targets.select(*_PAIR), users, f.col(c.POSITION))


def held_ratings(
    scores: Mapping[str, DataFrame], pairs: DataFrame, users: DataFrame, clip: tuple[float, float] | None
) -> HeldOutPairs:
    """The users' held-out ratings with the error of every score. Actions on the sample.

    Args:
        scores: model → user_idx, item_idx, score.
        pairs: user_idx, item_idx, rating.
        users: of `sample_users`.
        clip: range that scores are clipped to; None: none.
    """
    error = f.col(c.RATING).cast("double") - clipped(f.col(c.SCORE), clip)
    return _with_values(scores, pairs.select(*_PAIR, c.RATING), users, error)


def _with_values(tables: Mapping[str, DataFrame], pairs: DataFrame, users: DataFrame, value: Column) -> HeldOutPairs:
    """The users' pairs, and `value` in every table that has them."""
    if not tables:
        return HeldOutPairs(pd.DataFrame(columns=_PAIR), {})
    sampled = pairs.join(f.broadcast(users), on=c.USER_IDX, how="left_semi").cache()
    every: pd.DataFrame = sampled.select(*_PAIR).toPandas()
    order = every.sort_values(_PAIR, ignore_index=True)
    # one union of all models: a query for each would mostly cost its start
    marked = [rows.withColumn(_MODEL, f.lit(model)) for model, rows in tables.items()]
    matched = reduce(DataFrame.unionByName, marked).join(f.broadcast(sampled), on=_PAIR, how="inner")
    of_all: pd.DataFrame = matched.select(*_PAIR, value.alias(_VALUE), _MODEL).toPandas()
    sampled.unpersist()
    by_model = {model: of_all[of_all[_MODEL] == model].drop(columns=_MODEL) for model in tables}
    return HeldOutPairs(
        order, {m: order.merge(rows, on=_PAIR, how="left")[_VALUE].to_numpy(float) for m, rows in by_model.items()}
    )


def ranking_sums(held_out: HeldOutPairs, k: int, chosen: np.ndarray | None = None) -> Sums:
    """Every metric of `metrics.RANKING` at k over the users with a chosen target; sums of other users are 0.

    Args:
        held_out: of `held_in_lists`.
        k: cut-off.
        chosen: bool (pairs,), the targets of a slice; None: all.
    """
    user, n_users, kept = _users(held_out, chosen)
    targets = np.bincount(user, minlength=n_users)
    has_targets = targets > 0
    number = np.cumsum(has_targets) - 1
    sums: Sums = {}
    for model, values in held_out.by_model.items():
        positions = values[kept]
        hit = np.isfinite(positions)
        order = np.lexsort((positions[hit], user[hit]))
        hits = np.bincount(number[user[hit]], minlength=int(has_targets.sum()))
        offsets = np.concatenate([[0], np.cumsum(hits)])
        metrics = list_metrics(offsets, positions[hit][order].astype(int), targets[has_targets], k)
        for metric, parts in metrics.items():
            numerator, denominator = np.zeros((2, n_users))
            numerator[has_targets], denominator[has_targets] = parts
            sums[metric, model] = UserSums(numerator, denominator)
    return sums


def rating_sums(held_out: HeldOutPairs, chosen: np.ndarray | None = None) -> Sums:
    """RMSE and MAE over the users' held-out ratings.

    Args:
        held_out: of `held_ratings`.
        chosen: bool (pairs,), the ratings of a slice; None: all.
    """
    user, n_users, kept = _users(held_out, chosen)
    sums: Sums = {}
    for model, values in held_out.by_model.items():
        error = values[kept]
        scored = np.isfinite(error)
        rater, error = user[scored], error[scored]
        n = np.bincount(rater, minlength=n_users).astype(float)
        sums["rmse", model] = UserSums(np.bincount(rater, error * error, n_users), n, root=True)
        sums["mae", model] = UserSums(np.bincount(rater, np.abs(error), n_users), n)
    return sums


def _users(held_out: HeldOutPairs, chosen: np.ndarray | None) -> tuple[np.ndarray, int, np.ndarray]:
    """User of each chosen pair, numbered from 0 over the users of all pairs; number of users; bool (pairs,) chosen."""
    users, user = np.unique(held_out.pairs[c.USER_IDX].to_numpy(), return_inverse=True)
    kept = np.ones(len(user), bool) if chosen is None else chosen
    return user[kept], len(users), kept


def clipped(score: Column, clip: tuple[float, float] | None) -> Column:
    """The score as a rating: double, within the range of ratings.

    Args:
        score: the score.
        clip: range that it is clipped to; None: none.
    """
    score = score.cast("double")
    return score if clip is None else f.least(f.greatest(score, f.lit(clip[0])), f.lit(clip[1]))


def calibration(scores: DataFrame, pairs: DataFrame, clip: tuple[float, float] | None, bins: int = 12) -> list[Any]:
    """Mean predicted and mean given rating in equally wide bins of the predicted rating. Two actions.

    Args:
        scores: user_idx, item_idx, score.
        pairs: user_idx, item_idx, rating.
        clip: range that scores are clipped to; None: none.
        bins: number of bins.
    """
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
    """RMSE of every model by the number of training ratings of the user or item. An action on a few rows.

    Args:
        scores: model → user_idx, item_idx, score.
        pairs: user_idx, item_idx, rating.
        train: training ratings.
        side: `user_idx` or `item_idx`.
        clip: range that scores are clipped to; None: none.

    Returns:
        rows of `model`, `level` (0, 1, 2 for 2–3, 3 for 4–7, …), `rmse` and `ratings`.
    """
    counts = train.groupBy(side).agg(f.count(f.lit(1)).alias("n"))
    counted = pairs.select(c.USER_IDX, c.ITEM_IDX, c.RATING).join(counts, on=side, how="left").fillna(0, ["n"])
    # one union of all models: a query for each would mostly cost its start
    marked = [rows.select(c.USER_IDX, c.ITEM_IDX, c.SCORE, f.lit(m).alias("model")) for m, rows in scores.items()]
    evaluated = counted.join(reduce(DataFrame.unionByName, marked), on=[c.USER_IDX, c.ITEM_IDX], how="inner")
    error = f.col(c.RATING).cast("double") - clipped(f.col(c.SCORE), clip)
    level = f.ceil(f.log2(f.col("n") + 1)).alias("level")  # 0 | 1 | 2–3 | 4–7 | …
    summed = evaluated.groupBy("model", level)
    levels = summed.agg(f.sqrt(f.avg(error * error)).alias("rmse"), f.count("*").alias("ratings"))
    return sorted((row.asDict() for row in levels.collect()), key=lambda row: (row["level"], row["model"]))
