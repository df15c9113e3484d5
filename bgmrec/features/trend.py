"""Time in the model: weights of ratings decay, and preferences for items in rising demand grow.

Demand drifts: on KuaiRand-Pure one day's exposures predict the next days better than all months before. A factor on
the final scores would change every user's scores alike; in the target of both half steps it acts through the factors.
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.config.model import TrendSettings
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp

_DAY = 86_400.0


def with_decay(ratings: DataFrame, half_life_days: float, now: datetime) -> DataFrame:
    """Weights times 2^(−age / half life); a rating without a time keeps its weight.

    Args:
        ratings: training ratings in `schemas.RATINGS_SPLIT`'s columns.
        half_life_days: 0: weights stay.
        now: the end of the training ratings, UTC, where the age is 0.
    """
    if half_life_days == 0:
        return ratings
    factor = f.coalesce(_decay(half_life_days, now), f.lit(1.0))
    return ratings.withColumn(c.WEIGHT, (f.col(c.WEIGHT) * factor).cast("float"))


def with_trend(ratings: DataFrame, settings: TrendSettings, now: datetime) -> DataFrame:
    """Preferences times the trend of their item: rating_ij · τ_j^exponent.

        q_j = Σ_{pairs of j with a time} 2^(−age / half_life),  e_j = Σ_j q_j · n_j / Σ_j n_j,
        τ_j = (q_j + damping) / (e_j + damping)

    τ is the posterior mean, under a Gamma(damping, damping) prior, of a Poisson rate relative to e_j, the demand that
    the item's share of all n pairs predicts. It is near 1 for an item in steady demand, or with few ratings.

    Args:
        ratings: training ratings in `schemas.RATINGS_SPLIT`'s columns.
        settings: `[trend]`; exponent 0: preferences stay.
        now: the end of the training ratings, UTC, where the age is 0.
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
    age = (utc_timestamp(now).cast("double") - f.col(c.RATED_AT).cast("double")) / _DAY
    # greatest ignores nulls: a rating without a time would get age 0
    return f.when(age.isNotNull(), f.pow(f.lit(2.0), -f.greatest(age, f.lit(0.0)) / half_life_days))
