"""The splits of the generic studies, distributed: random parts, and cold items and users.

Everything drawn depends on the seed and the indices alone, not on the partitioning.
"""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from bgmrec.features.split import ITEM_KNOWN, USER_KNOWN, beside_known, cold_to_train, uniform
from bgmrec.storage import columns as c

_ITEMS, _USERS, _VALID = 1, 2, 4  # what a draw is for, so that no two are the same


class ColdSplit(NamedTuple):
    """Ratings with their `part`, and the `item_idx` that were made cold."""

    ratings: DataFrame
    items: DataFrame


def random_parts(indexed: DataFrame, *, fraction: float, valid_share: float, seed: int) -> DataFrame:
    """Adds `part`: a rating trains with probability `fraction`, and validates with `valid_share` of the rest.

    A rating whose user or item train lacks moves to train.

    Args:
        indexed: ratings by `user_idx` and `item_idx`.
        fraction: of the ratings that train.
        valid_share: of the others.
        seed: of the draw.
    """
    u = uniform(seed, c.USER_IDX, c.ITEM_IDX)
    part = f.when(u < fraction, c.TRAIN).when(u < fraction + (1 - fraction) * valid_share, c.VALID).otherwise(c.TEST)
    return cold_to_train(indexed.withColumn(c.PART, part))


def cold_parts(indexed: DataFrame, *, item_share: float, user_share: float, seed: int, part: str) -> ColdSplit:
    """Makes items and users cold: their ratings leave training and are judged, those of both are left out.

    For valid, test's cold items and users are left out first and others drawn from the rest, in the same shares.
    What is judged has a training rating of its item or of its user.

    Args:
        indexed: ratings by `user_idx` and `item_idx`.
        item_share, user_share: each item, or user, is cold with this probability.
        seed: of the draw.
        part: valid or test.
    """
    salt, rest = 0, indexed
    if part == c.VALID:
        tested = _evaluated(indexed, item_share, user_share, seed, 0)
        salt, rest = _VALID, indexed.where(~(tested[0] | tested[1]))
    cold_item, cold_user = _evaluated(rest, item_share, user_share, seed, salt)
    name = f.when(cold_item | cold_user, part).otherwise(c.TRAIN)
    marked = rest.where(~(cold_item & cold_user)).withColumn(c.PART, name)
    items = rest.where(cold_item).select(c.ITEM_IDX).distinct()
    return ColdSplit(_known(marked), items)


def _evaluated(rows: DataFrame, item_share: float, user_share: float, seed: int, salt: int) -> tuple[Column, Column]:
    """Whether a rating's item, and its user, are drawn."""
    items = uniform(seed, f.lit(_ITEMS + salt), rows[c.ITEM_IDX]) < item_share
    return items, uniform(seed, f.lit(_USERS + salt), rows[c.USER_IDX]) < user_share


def _known(marked: DataFrame) -> DataFrame:
    """Without the judged ratings of which neither user nor item trains."""
    train = marked.where(f.col(c.PART) == c.TRAIN)
    evaluated = beside_known(marked.where(f.col(c.PART) != c.TRAIN), train)
    kept = evaluated.where(f.coalesce(USER_KNOWN, ITEM_KNOWN).isNotNull())
    return train.unionByName(kept.select(marked.columns))
