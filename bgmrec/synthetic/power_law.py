"""Ratings of a chosen size and shape, for measuring: power-law users and items, ratings of a planted low rank.

Users are drawn in chunks, each from a stream of its own, so that the ratings depend on the numbers alone and not on
the partitions. Nothing is shuffled: a user's items are distinct within the chunk that draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

CHUNK = 1024  # users
PLANTED_RANK = 8
NOISE = 0.6  # standard deviation of a rating about what its factors say
_SPARE = 1.4  # draws per wanted item: popular items come twice
_SCHEMA = "user_idx int, item_idx int, rating float, weight float"


@dataclass(frozen=True)
class PowerLaw:
    """How many, and how unevenly.

    Args:
        users, items, ratings: sizes; the ratings are reached to within a few percent.
        user_exponent, item_exponent: the k-th most active or popular one has a share of about k^-exponent.
        heavy_user, heavy_item: shares of all ratings that user 0 and item 0 have instead of that; at most one rating
            per item, or user.
        seed: of everything.
    """

    users: int
    items: int
    ratings: int
    user_exponent: float = 0.5
    item_exponent: float = 0.7
    heavy_user: float = 0.0
    heavy_item: float = 0.0
    seed: int = 1


def power_law_ratings(spark: SparkSession, shape: PowerLaw, partitions: int) -> DataFrame:
    """user_idx, item_idx, rating (about 1..5), weight (1); every pair once.

    Args:
        spark: the session.
        shape: of the ratings.
        partitions: tasks.
    """
    chunks = -(-shape.users // CHUNK)

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        popularity = item_shares(shape)
        for batch in batches:
            for chunk in batch.column(0).to_pylist():
                yield _batch(chunk_ratings(shape, chunk, popularity))

    return spark.range(0, chunks, 1, min(partitions, chunks)).mapInArrow(draw, _SCHEMA)


def user_counts(shape: PowerLaw, users: np.ndarray) -> np.ndarray:
    """Ratings of each user, int64: which user is how active is a fixed shuffle of the indices."""
    rank = _shuffled(users, shape.users, shape.seed) + 1.0
    total = (shape.users ** (1 - shape.user_exponent)) / (1 - shape.user_exponent)  # about Σ rank^-exponent
    counts = shape.ratings * (1 - shape.heavy_user - shape.heavy_item) * rank**-shape.user_exponent / total
    return np.clip(np.round(counts), 1, shape.items // 2).astype(np.int64)


def item_shares(shape: PowerLaw) -> np.ndarray:
    """Cumulated popularity of the items in idx order, float64 (items,)."""
    rank = _shuffled(np.arange(shape.items), shape.items, shape.seed + 1) + 1.0
    shares = rank**-shape.item_exponent
    return np.cumsum(shares / shares.sum())


def chunk_ratings(shape: PowerLaw, chunk: int, popularity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(user idx, item idx, rating) of one chunk of users, by user and then item.

    Args:
        shape: of the ratings.
        chunk: number of the chunk.
        popularity: from `item_shares`.
    """
    random = np.random.default_rng([shape.seed, chunk])
    users = np.arange(chunk * CHUNK, min((chunk + 1) * CHUNK, shape.users))
    wanted = user_counts(shape, users)
    drawn = np.repeat(users, np.ceil(wanted * _SPARE).astype(np.int64) + 1)
    items = np.searchsorted(popularity, random.random(len(drawn)))
    pairs = np.unique(drawn * shape.items + np.minimum(items, shape.items - 1))
    pairs = pairs[np.argsort(random.random(len(pairs)))]
    pairs = pairs[np.argsort(pairs // shape.items, kind="stable")]  # by user; a user's items in random order
    owner = pairs // shape.items - users[0]
    folder = np.arange(len(pairs)) - np.searchsorted(owner, owner)
    pairs = np.sort(pairs[folder < wanted[owner]])
    user, item = pairs // shape.items, pairs % shape.items
    if shape.heavy_item:  # so many users rate item 0 as make its share
        fans = users[random.random(len(users)) < shape.heavy_item * shape.ratings / shape.users]
        user, item = _instead(user, item, item != 0, fans, np.zeros_like(fans))
    if shape.heavy_user and chunk == 0:
        seen = random.permutation(shape.items)[: round(shape.heavy_user * shape.ratings)]
        user, item = _instead(user, item, user != 0, np.zeros_like(seen), seen)
    signal = np.einsum("ij,ij->i", _planted(user, shape.seed), _planted(item, shape.seed + 1))
    rating = np.clip(3.5 + signal + random.normal(0, NOISE, len(user)), 1, 5).astype(np.float32)
    return user.astype(np.int32), item.astype(np.int32), rating


def _instead(
    user: np.ndarray, item: np.ndarray, kept: np.ndarray, more_users: np.ndarray, more_items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The kept pairs and more, by user and then item."""
    user, item = np.concatenate([user[kept], more_users]), np.concatenate([item[kept], more_items])
    order = np.lexsort([item, user])
    return user[order], item[order]


def _planted(idx: np.ndarray, seed: int) -> np.ndarray:
    """float64 (n, PLANTED_RANK), a function of the index alone; two rows' product has a standard deviation of .7."""
    key = (idx[:, None] * PLANTED_RANK + np.arange(PLANTED_RANK) + seed * 7_919).astype(np.uint64)
    uniform = (_mixed(key) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return (uniform - 0.5) * np.sqrt(12.0 * 0.7 / np.sqrt(PLANTED_RANK))


def _mixed(key: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014)."""
    key = (key + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _shuffled(idx: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A fixed one-to-one map of 0..n-1, float64: a step that shares no divisor with n."""
    step = max(1, int(n * 0.6180339887))
    while np.gcd(step, n) != 1:
        step += 1
    return ((idx.astype(np.int64) * step + seed) % n).astype(np.float64)


def _batch(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> pa.RecordBatch:
    user, item, rating = rows
    arrays = [pa.array(user), pa.array(item), pa.array(rating), pa.array(np.ones(len(user), np.float32))]
    return pa.RecordBatch.from_arrays(arrays, ["user_idx", "item_idx", "rating", "weight"])
