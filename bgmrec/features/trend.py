"""What time says to the model: old ratings weigh less, and what is in demand is preferred more.

Drift can matter more than taste: on KuaiRand-Pure a day's exposures say more of the next days than all months before.
A factor on the finished scores would do the same to everybody; as the target of both half steps it reaches each user
through the factors.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.config.model import TrendSettings
from bgmrec.storage import columns as c

_DAY = 86_400.0


def with_decay(ratings: DataFrame, half_life_days: float, now: datetime) -> DataFrame:
    """Weights times 2^(−age / half life); a rating without a time keeps its weight.

    Args:
        ratings: training ratings in `schemas.RATINGS_SPLIT`'s columns.
        half_life_days: 0 changes nothing.
        now: the end of the training ratings, UTC: an age is 0 there.
    """
    if half_life_days == 0:
        return ratings
    left = f.coalesce(_decay(half_life_days, now), f.lit(1.0))
    return ratings.withColumn(c.WEIGHT, (f.col(c.WEIGHT) * left).cast("float"))


def with_trend(ratings: DataFrame, settings: TrendSettings, now: datetime) -> DataFrame:
    """Preferences times the trend of their item: rating_ij · τ_j^exponent.

        q_j = Σ_{pairs of j with a time} 2^(−age / half_life),  e_j = Σ_j q_j · n_j / Σ_j n_j,
        τ_j = (q_j + damping) / (e_j + damping)

    τ is the posterior mean of a Poisson rate relative to what the item's share of all n pairs lets expect, under a
    Gamma(damping, damping) prior: 1 for an item as much in demand as ever, and for one of which little is known.

    Args:
        ratings: training ratings in `schemas.RATINGS_SPLIT`'s columns.
        settings: `[trend]`; an exponent of 0 changes nothing.
        now: the end of the training ratings, UTC: an age is 0 there.
    """
    if settings.exponent == 0:
        return ratings
    demand = ratings.groupBy(c.ITEM_IDX).agg(
        f.coalesce(f.sum(_decay(settings.half_life_days, now)), f.lit(0.0)).alias("q"), f.count(f.lit(1)).alias("n")
    )
    totals = demand.agg(f.sum("q").alias("all_q"), f.sum("n").alias("all_n"))
    expected = f.col("all_q") * f.col("n") / f.col("all_n")
    tau = (f.col("q") + settings.damping) / (expected + settings.damping)
    trends = demand.crossJoin(f.broadcast(totals)).select(c.ITEM_IDX, f.pow(tau, settings.exponent).alias("_trend"))
    raised = ratings.join(trends, c.ITEM_IDX, "inner").withColumn(
        c.RATING, (f.col(c.RATING) * f.col("_trend")).cast("float")
    )
    return raised.select(ratings.columns)


def _decay(half_life_days: float, now: datetime) -> Column:
    """2^(−age / half life); null for a rating without a time."""
    moment = f.lit(now.isoformat(sep=" ")).cast("timestamp")
    age = (moment.cast("double") - f.col(c.RATED_AT).cast("double")) / _DAY
    # greatest passes over nulls: a rating without a time would count as one of now
    return f.when(age.isNotNull(), f.pow(f.lit(2.0), -f.greatest(age, f.lit(0.0)) / half_life_days))
