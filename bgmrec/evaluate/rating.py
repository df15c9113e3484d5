"""Rating prediction: RMSE and MAE by slice."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql import types as t

from bgmrec import columns as c
from bgmrec.evaluate.slices import with_slices

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
    scored: DataFrame,
    train: DataFrame,
    *,
    model: str,
    popularity_slices: int,
    clip: tuple[float, float] | None = None,
) -> DataFrame:
    """RMSE and MAE over rows, every row alike: `METRICS`.

    Args:
        scored: user_idx, item_idx, rating, score; a null or NaN score counts as missing.
        train: the training ratings, which decide who is warm.
        model: name in the result.
        popularity_slices: slices of items by popularity.
        clip: range that scores are clipped to.
    """
    score = f.col(c.SCORE).cast("double")
    if clip is not None:
        score = f.least(f.greatest(score, f.lit(clip[0])), f.lit(clip[1]))
    is_missing = f.col(c.SCORE).isNull() | f.isnan(c.SCORE)
    error = f.col(c.RATING).cast("double") - score
    rows = scored.select(c.USER_IDX, c.ITEM_IDX, error.alias("error"), is_missing.cast("long").alias("missing"))
    summed = (
        with_slices(rows, train, popularity_slices)
        .groupBy("slice", "value")
        .agg(
            f.sqrt(f.avg(f.col("error") * f.col("error"))).alias("rmse"),
            f.avg(f.abs("error")).alias("mae"),
            f.count(f.lit(1)).alias("count"),
            f.sum("missing").alias("missing"),
        )
    )
    metric = f.explode(f.create_map(f.lit("rmse"), f.col("rmse"), f.lit("mae"), f.col("mae"))).alias("metric", "result")
    named = summed.select(
        f.lit(model).alias("model"), "slice", "value", metric, f.lit(None).cast("int").alias("k"), "count", "missing"
    )
    return named.select(*METRICS.names)
