"""What held-out ratings say of a sample of users, model by model: the sums that a bootstrap draws from."""

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
_ORDER, _MADE, _MODEL = "_order", "_made", "_model"
_PAIR = [c.USER_IDX, c.ITEM_IDX]


@dataclass(frozen=True)
class Held:
    """Held-out pairs of a sample of users, and what each model made of them.

    Args:
        pairs: user_idx, item_idx, unique, in the order of both.
        made: model → float64 (pairs,): the position in the model's list, or the error of its score; NaN: none.
            Without any model there are no pairs.
    """

    pairs: pd.DataFrame
    made: Mapping[str, np.ndarray]


def sample_users(pairs: DataFrame, n: int, seed: int) -> DataFrame:
    """`user_idx` of n of the users in the pairs, which the seed decides; cached."""
    users = pairs.select(c.USER_IDX).distinct().withColumn(_ORDER, uniform(seed, c.USER_IDX))
    return users.orderBy(_ORDER, c.USER_IDX).limit(n).select(c.USER_IDX).cache()


def held_in_lists(lists: Mapping[str, DataFrame], targets: DataFrame, users: DataFrame) -> Held:
    """The users' targets with their positions in every list. Actions on the sample.

    Args:
        lists: model → user_idx, item_idx, position.
        targets: user_idx, item_idx, unique.
        users: of `sample_users`.
    """
    return _held(lists, targets.select(*_PAIR), users, f.col(c.POSITION))


def held_ratings(
    scores: Mapping[str, DataFrame], pairs: DataFrame, users: DataFrame, clip: tuple[float, float] | None
) -> Held:
    """The users' held-out ratings with the error of every score. Actions on the sample.

    Args:
        scores: model → user_idx, item_idx, score.
        pairs: user_idx, item_idx, rating.
        users: of `sample_users`.
        clip: range that scores are clipped to.
    """
    error = f.col(c.RATING).cast("double") - clipped(f.col(c.SCORE), clip)
    return _held(scores, pairs.select(*_PAIR, c.RATING), users, error)


def _held(tables: Mapping[str, DataFrame], pairs: DataFrame, users: DataFrame, made: Column) -> Held:
    """The users' pairs, and of every table what `made` is where it has them."""
    if not tables:
        return Held(pd.DataFrame(columns=_PAIR), {})
    wanted = pairs.join(f.broadcast(users), on=c.USER_IDX, how="left_semi").cache()
    every: pd.DataFrame = wanted.select(*_PAIR).toPandas()
    order = every.sort_values(_PAIR, ignore_index=True)
    # one union: a query for each model would cost more than what it finds
    marked = [rows.withColumn(_MODEL, f.lit(model)) for model, rows in tables.items()]
    found = reduce(DataFrame.unionByName, marked).join(f.broadcast(wanted), on=_PAIR, how="inner")
    of_all: pd.DataFrame = found.select(*_PAIR, made.alias(_MADE), _MODEL).toPandas()
    wanted.unpersist()
    by_model = {model: of_all[of_all[_MODEL] == model].drop(columns=_MODEL) for model in tables}
    return Held(
        order, {m: order.merge(rows, on=_PAIR, how="left")[_MADE].to_numpy(float) for m, rows in by_model.items()}
    )


def ranking_sums(held: Held, k: int, chosen: np.ndarray | None = None) -> Sums:
    """Every metric of `metrics.RANKING` at k, over all users of the pairs; one without a chosen target counts nothing.

    Args:
        held: of `held_in_lists`.
        k: cut-off.
        chosen: bool (pairs,), the targets of a slice; none: all.
    """
    user, n_users, kept = _users(held, chosen)
    targets = np.bincount(user, minlength=n_users)
    known = targets > 0
    number = np.cumsum(known) - 1
    sums: Sums = {}
    for model, made in held.made.items():
        positions = made[kept]
        hit = np.isfinite(positions)
        order = np.lexsort((positions[hit], user[hit]))
        hits = np.bincount(number[user[hit]], minlength=int(known.sum()))
        offsets = np.concatenate([[0], np.cumsum(hits)])
        found = list_metrics(offsets, positions[hit][order].astype(int), targets[known], k)
        for metric, parts in found.items():
            numerator, denominator = np.zeros((2, n_users))
            numerator[known], denominator[known] = parts
            sums[metric, model] = UserSums(numerator, denominator)
    return sums


def rating_sums(held: Held, chosen: np.ndarray | None = None) -> Sums:
    """RMSE and MAE over the users' held-out ratings.

    Args:
        held: of `held_ratings`.
        chosen: bool (pairs,), the ratings of a slice; none: all.
    """
    user, n_users, kept = _users(held, chosen)
    sums: Sums = {}
    for model, made in held.made.items():
        error = made[kept]
        scored = np.isfinite(error)
        own, error = user[scored], error[scored]
        n = np.bincount(own, minlength=n_users).astype(float)
        sums["rmse", model] = UserSums(np.bincount(own, error * error, n_users), n, root=True)
        sums["mae", model] = UserSums(np.bincount(own, np.abs(error), n_users), n)
    return sums


def _users(held: Held, chosen: np.ndarray | None) -> tuple[np.ndarray, int, np.ndarray]:
    """Per chosen pair its user, numbered from 0 over the users of all pairs; how many those are; which are chosen."""
    users, user = np.unique(held.pairs[c.USER_IDX].to_numpy(), return_inverse=True)
    kept = np.ones(len(user), bool) if chosen is None else chosen
    return user[kept], len(users), kept


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
    # one union: a query for each model would cost more than what it finds
    marked = [rows.select(c.USER_IDX, c.ITEM_IDX, c.SCORE, f.lit(m).alias("model")) for m, rows in scores.items()]
    evaluated = known.join(reduce(DataFrame.unionByName, marked), on=[c.USER_IDX, c.ITEM_IDX], how="inner")
    error = f.col(c.RATING).cast("double") - clipped(f.col(c.SCORE), clip)
    level = f.ceil(f.log2(f.col("n") + 1)).alias("level")  # 0 | 1 | 2–3 | 4–7 | …
    summed = evaluated.groupBy("model", level)
    levels = summed.agg(f.sqrt(f.avg(error * error)).alias("rmse"), f.count("*").alias("ratings"))
    return sorted((row.asDict() for row in levels.collect()), key=lambda row: (row["level"], row["model"]))
