"""Splits ratings into training and validation: by time for the nightly run, by a hash of the pair for studies."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.config.sources import SplitSettings
from bgmrec.storage import columns as c
from bgmrec.storage.times import utc_timestamp

USER_KNOWN, ITEM_KNOWN = "_user_known", "_item_known"


def held_out_from(settings: SplitSettings, end: datetime) -> datetime | None:
    """The moment from which ratings are validation ratings; None if the split is not by time.

    Args:
        settings: `[split]`.
        end: the end of the logical date, UTC.
    """
    return end - timedelta(days=settings.valid_days) if settings.method == "time" else None


def split_ratings(indexed: DataFrame, settings: SplitSettings, seed: int, end: datetime) -> DataFrame:
    """Adds `part`: train or valid. A rating without time is train under the time split.

    Args:
        indexed: ratings by `user_idx` and `item_idx`.
        settings: `[split]`.
        seed: of the random split, which depends on it and on the pair alone.
        end: the end of the logical date, UTC; all ratings are earlier.
    """
    parts = indexed.withColumn(c.PART, f.when(_is_valid(settings, seed, end), c.VALID).otherwise(c.TRAIN))
    return cold_to_train(parts) if settings.move_cold_to_train else parts


def uniform(seed: int, *columns: Column | str) -> Column:
    """A number in [0, 1), by a hash of the seed and the values of the columns.

    Args:
        seed: of the random split.
        columns: what the number depends on.
    """
    return f.shiftrightunsigned(f.xxhash64(f.lit(seed), *columns), 11) / float(2**53)


def _is_valid(settings: SplitSettings, seed: int, end: datetime) -> Column:
    boundary = held_out_from(settings, end)
    if boundary is not None:
        return f.col(c.RATED_AT) >= utc_timestamp(boundary)
    if settings.method == "random":
        return uniform(seed, c.USER_IDX, c.ITEM_IDX) < settings.valid_share
    return f.lit(False)


def cold_to_train(parts: DataFrame) -> DataFrame:
    """Moves held-out rows to train whose user or item has no train row before the move.

    Args:
        parts: ratings with `part`.
    """
    train = parts.where(f.col(c.PART) == c.TRAIN)
    held_out = with_known(parts.where(f.col(c.PART) != c.TRAIN), train)
    both_known = f.col(USER_KNOWN).isNotNull() & f.col(ITEM_KNOWN).isNotNull()
    moved = held_out.withColumn(c.PART, f.when(both_known, f.col(c.PART)).otherwise(c.TRAIN))
    return train.unionByName(moved.select(parts.columns))


def with_known(ratings: DataFrame, train: DataFrame) -> DataFrame:
    """Ratings with `_user_known` and `_item_known`: true where train has a row of the user, or the item, else null.

    Args:
        ratings: by `user_idx` and `item_idx`.
        train: training ratings.
    """
    users = train.select(c.USER_IDX, f.lit(True).alias(USER_KNOWN)).distinct()
    items = train.select(c.ITEM_IDX, f.lit(True).alias(ITEM_KNOWN)).distinct()
    return ratings.join(users, on=c.USER_IDX, how="left").join(items, on=c.ITEM_IDX, how="left")
