"""Merges several ratings of one (user, item) into one, by policy."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.ingest.accounting import KEPT, ROWS, STATE
from bgmrec.ingest.duplicates import SAME_RECORD, SOURCE_POSITION
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp

_PAIR = "_pair"  # a hash of both ids; pairs are told apart by the ids
_KEYS = [_PAIR, c.USER_ID, c.ITEM_ID]
_VALUES = [c.RATING, c.WEIGHT, c.RATED_AT]


def without_duplicates(mapped: DataFrame) -> DataFrame:
    """The kept rows, exact duplicates once; `ROWS` is the number of raw rows of each. The order has no influence.

    Args:
        mapped: every row of every source.
    """
    # Partitioned first, the rows are sorted once instead of before and after the shuffle of each aggregate; sorted by a
    # number before the ids, they take half the time. The maximum of a struct keeps that order, hash maps would not.
    kept = mapped.where(f.col(STATE) == KEPT).repartition(c.USER_ID, c.ITEM_ID)
    kept = kept.withColumn(_PAIR, f.xxhash64(c.USER_ID, c.ITEM_ID))
    values = f.max(f.struct(*_VALUES)).alias("_values")
    once = kept.groupBy(*_KEYS, *SAME_RECORD).agg(values, f.count(f.lit(1)).alias(ROWS))
    return once.select(*_KEYS, SOURCE_POSITION, *(f.col("_values")[name].alias(name) for name in _VALUES), ROWS)


def merge_pairs(rows: DataFrame, policy: str, held_out_from: datetime | None = None) -> DataFrame:
    """One row per (user, item); the order of the rows has no influence.

    last: the newest row; a row without a time counts as older than all others; at equal times the later source in
        the settings wins, then the higher rating, then the higher weight.
    max: the highest rating at its first time (a row without a time counts as first), with its highest weight.
    sum: the sum of the weights, the highest rating, the first time. A pair with rows before `held_out_from` sums
        these rows only, so that held-out days do not reach training through old pairs.

    Args:
        rows: of `without_duplicates`.
        policy: last, max or sum.
        held_out_from: the first moment of the validation ratings, UTC; None: the split is not by time.
    """
    if policy == "sum":
        return _sum_weights(rows, held_out_from)
    if policy == "last":
        best = f.struct(c.RATED_AT, SOURCE_POSITION, c.RATING, c.WEIGHT)
    else:
        first = f.coalesce(-f.unix_micros(c.RATED_AT), f.lit(2**63 - 1))
        best = f.struct(c.RATING, first.alias("_first"), c.WEIGHT, c.RATED_AT)
    merged = rows.groupBy(*_KEYS).agg(f.max(best).alias("_best"))
    return merged.select(c.USER_ID, c.ITEM_ID, *(f.col("_best")[name].alias(name) for name in _VALUES))


def _sum_weights(rows: DataFrame, held_out_from: datetime | None) -> DataFrame:
    held_out = f.lit(False)
    if held_out_from is not None:
        held_out = f.coalesce(f.col(c.RATED_AT) >= utc_timestamp(held_out_from), f.lit(False))
    sums = rows.groupBy(*_KEYS).agg(
        f.sum(f.when(~held_out, f.col(c.WEIGHT))).alias("_weight"),
        f.max(f.when(~held_out, f.col(c.RATING))).alias("_rating"),
        f.sum(c.WEIGHT).alias("_weight_of_all"),
        f.max(c.RATING).alias("_rating_of_all"),
        f.when(~f.bool_or(f.col(c.RATED_AT).isNull()), f.min(c.RATED_AT)).alias(c.RATED_AT),
    )
    return sums.select(
        c.USER_ID,
        c.ITEM_ID,
        f.coalesce("_rating", "_rating_of_all").alias(c.RATING),
        f.coalesce("_weight", "_weight_of_all").alias(c.WEIGHT),
        c.RATED_AT,
    )
