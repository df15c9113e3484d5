"""Sets validation ratings aside: by time for the nightly run, by a hash of the pair for studies."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.config.sources import SplitSettings
from bgmrec.storage import columns as c

USER_KNOWN, ITEM_KNOWN = "_user_known", "_item_known"


def held_out_from(settings: SplitSettings, end: datetime) -> datetime | None:
    """The moment from which ratings are validation ratings; none where the split is not by time.

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
        end: the end of the logical date, UTC; no rating is later.
    """
    parts = indexed.withColumn(c.PART, f.when(_is_valid(settings, seed, end), c.VALID).otherwise(c.TRAIN))
    return cold_to_train(parts) if settings.move_cold_to_train else parts


def uniform(seed: int, *columns: Column | str) -> Column:
    """A number in [0, 1) that the seed and the columns' values decide."""
    return f.shiftrightunsigned(f.xxhash64(f.lit(seed), *columns), 11) / float(2**53)


def _is_valid(settings: SplitSettings, seed: int, end: datetime) -> Column:
    boundary = held_out_from(settings, end)
    if boundary is not None:
        # text, not a Python datetime: that one would be read in the driver's time zone
        return f.col(c.RATED_AT) >= f.lit(boundary.isoformat(sep=" ")).cast("timestamp")
    if settings.method == "random":
        return uniform(seed, c.USER_IDX, c.ITEM_IDX) < settings.valid_share
    return f.lit(False)


def cold_to_train(parts: DataFrame) -> DataFrame:
    """A held-out row whose user or item has no train row becomes one; whether it has is judged before any moves."""
    train = parts.where(f.col(c.PART) == c.TRAIN)
    held_out = beside_known(parts.where(f.col(c.PART) != c.TRAIN), train)
    known = f.col(USER_KNOWN).isNotNull() & f.col(ITEM_KNOWN).isNotNull()
    evaluated = held_out.withColumn(c.PART, f.when(known, f.col(c.PART)).otherwise(c.TRAIN))
    return train.unionByName(evaluated.select(parts.columns))


def beside_known(ratings: DataFrame, train: DataFrame) -> DataFrame:
    """Ratings with `_user_known` and `_item_known`: true where train has one of the user, or the item; else null."""
    users = train.select(c.USER_IDX, f.lit(True).alias(USER_KNOWN)).distinct()
    items = train.select(c.ITEM_IDX, f.lit(True).alias(ITEM_KNOWN)).distinct()
    return ratings.join(users, on=c.USER_IDX, how="left").join(items, on=c.ITEM_IDX, how="left")
