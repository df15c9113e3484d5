"""Splits of any ratings by hashes, in Spark: random parts, and cold items and users.

What is drawn depends on the seed and the indices, not on the partitioning.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.features.split import ITEM_KNOWN, USER_KNOWN, cold_to_train, uniform, with_known
from bgmrec.storage import columns as c

_ITEMS, _USERS, _VALID = 1, 2, 4  # salts that keep the draws independent of each other


class ColdParts(NamedTuple):
    """Ratings with their `part`, and the `item_idx` of the cold items."""

    ratings: DataFrame
    items: DataFrame


def random_parts(indexed: DataFrame, *, fraction: float, valid_share: float, seed: int) -> DataFrame:
    """Adds `part`: a rating trains with probability `fraction`, and validates with `valid_share` of the rest.

    A held-out rating whose user or item has no training rating moves to train.

    Args:
        indexed: ratings by `user_idx` and `item_idx`.
        fraction: probability that a rating trains.
        valid_share: probability that another rating validates.
        seed: of the draw.
    """
    u = uniform(seed, c.USER_IDX, c.ITEM_IDX)
    part = f.when(u < fraction, c.TRAIN).when(u < fraction + (1 - fraction) * valid_share, c.VALID).otherwise(c.TEST)
    return cold_to_train(indexed.withColumn(c.PART, part))


def cold_parts(indexed: DataFrame, *, item_share: float, user_share: float, seed: int, part: str) -> ColdParts:
    """Makes items and users cold: their ratings are held out of training.

    Ratings of a cold item by a cold user are dropped, and so are ratings of which neither user nor item trains.
    For valid, the cold items and users of test are dropped first, and others are drawn from the rest.

    Args:
        indexed: ratings by `user_idx` and `item_idx`.
        item_share: probability that an item is cold.
        user_share: probability that a user is cold.
        seed: of the draw.
        part: valid or test.
    """
    salt, ratings = 0, indexed
    if part == c.VALID:
        cold_item, cold_user = _cold_sides(indexed, item_share, user_share, seed, 0)
        salt, ratings = _VALID, indexed.where(~(cold_item | cold_user))
    cold_item, cold_user = _cold_sides(ratings, item_share, user_share, seed, salt)
    part_name = f.when(cold_item | cold_user, part).otherwise(c.TRAIN)
    marked = ratings.where(~(cold_item & cold_user)).withColumn(c.PART, part_name)
    items = ratings.where(cold_item).select(c.ITEM_IDX).distinct()
    return ColdParts(_with_a_warm_side(marked), items)


def _cold_sides(
    ratings: DataFrame, item_share: float, user_share: float, seed: int, salt: int
) -> tuple[Column, Column]:
    """Whether a rating's item is cold, and whether its user is."""
    items = uniform(seed, f.lit(_ITEMS + salt), ratings[c.ITEM_IDX]) < item_share
    return items, uniform(seed, f.lit(_USERS + salt), ratings[c.USER_IDX]) < user_share


def _with_a_warm_side(marked: DataFrame) -> DataFrame:
    """Drops held-out ratings of which neither user nor item has a training rating."""
    train = marked.where(f.col(c.PART) == c.TRAIN)
    held_out = with_known(marked.where(f.col(c.PART) != c.TRAIN), train)
    with_a_warm_side = held_out.where(f.coalesce(USER_KNOWN, ITEM_KNOWN).isNotNull())
    return train.unionByName(with_a_warm_side.select(marked.columns))
