"""Rating prediction: RMSE and MAE by slice."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec.evaluate.slices import with_slices
from bgmrec.storage import columns as c

METRICS = t.StructType(
    [
        t.StructField("model", t.StringType()),
        t.StructField("slice", t.StringType()),
        t.StructField("value", t.StringType()),
        t.StructField("metric", t.StringType()),
        t.StructField("k", t.IntegerType()),
        t.StructField("result", t.DoubleType()),
        t.StructField("count", t.LongType()),  # ratings, users, targets or items behind the result
        t.StructField("missing", t.LongType()),  # rows without a score, users without a list: must be 0
    ]
)


def rating_metrics(
    pairs: DataFrame,
    scores: DataFrame,
    train: DataFrame,
    *,
    models: list[str],
    slices: int,
    clip: tuple[float, float] | None = None,
) -> DataFrame:
    """RMSE and MAE over held-out ratings, all of equal weight, of several models at once: `METRICS`.

    Args:
        pairs: user_idx, item_idx, rating; each (user, item) once.
        scores: model, user_idx, item_idx, score; an absent pair and a null or NaN score count as missing.
        train: the training ratings, which decide who is warm.
        models: names of the models, each of which needs a score for every pair.
        slices: number of slices of items by popularity, and of users by activity.
        clip: range that scores are clipped to; None: none.
    """
    score = f.col(c.SCORE).cast("double")
    is_missing = score.isNull() | f.isnan(score)
    clipped = score if clip is None else f.least(f.greatest(score, f.lit(clip[0])), f.lit(clip[1]))
    error = f.when(~is_missing, f.col(c.RATING).cast("double") - clipped)
    summed = (
        for_each(models, with_slices(pairs.select(c.USER_IDX, c.ITEM_IDX, c.RATING), train, slices))
        .join(scores.select("model", c.USER_IDX, c.ITEM_IDX, c.SCORE), ["model", c.USER_IDX, c.ITEM_IDX], "left")
        .groupBy("model", "slice", "value")
        .agg(
            f.sqrt(f.avg(error * error)).alias("rmse"),
            f.avg(f.abs(error)).alias("mae"),
            f.count(f.lit(1)).alias("count"),
            f.sum(is_missing.cast("long")).alias("missing"),
        )
    )
    metric = f.explode(f.create_map(f.lit("rmse"), f.col("rmse"), f.lit("mae"), f.col("mae"))).alias("metric", "result")
    named = summed.select("model", "slice", "value", metric, f.lit(None).cast("int").alias("k"), "count", "missing")
    return named.select(*METRICS.names)


def for_each(models: list[str], rows: DataFrame) -> DataFrame:
    """Every row once per model, with a column `model`.

    Args:
        models: names of the models.
        rows: what each model is measured on.
    """
    return rows.withColumn("model", f.explode(f.array(*(f.lit(model) for model in models))))
