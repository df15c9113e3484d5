"""Synthetic ratings for benchmarks: power-law activity and popularity, values of a planted low rank.

Users are drawn in chunks, each with its own random stream, so that the ratings do not depend on the partitions. Nothing
is shuffled: all ratings of a user are in one chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

CHUNK = 1024  # users
PLANTED_RANK = 8
NOISE = 0.6  # standard deviation of a rating around the product of its factors
_SPARE = 1.4  # draws per rating: popular items are drawn repeatedly
_SCHEMA = "user_idx int, item_idx int, rating float, weight float"


@dataclass(frozen=True)
class PowerLaw:
    """Sizes and skew of the ratings.

    Args:
        users: their number.
        items: their number.
        ratings: approximate number, within a few percent.
        user_exponent: the k-th most active user has a share of about k^-exponent.
        item_exponent: the k-th most popular item has a share of about k^-exponent.
        heavy_user: share of all ratings by user 0; at most one per item.
        heavy_item: share of all ratings of item 0; at most one per user.
        seed: of all random numbers.
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
        partitions: number of tasks.
    """
    chunks = -(-shape.users // CHUNK)

    def draw(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        popularity = item_shares(shape)
        for batch in batches:
            for chunk in batch.column(0).to_pylist():
                yield _batch(chunk_ratings(shape, chunk, popularity))

    return spark.range(0, chunks, 1, min(partitions, chunks)).mapInArrow(draw, _SCHEMA)


def user_counts(shape: PowerLaw, users: np.ndarray) -> np.ndarray:
    """Number of ratings of each user, int64; activity is a fixed permutation of the indices.

    Args:
        shape: of the ratings.
        users: (n,) idx.
    """
    rank = _shuffled(users, shape.users, shape.seed) + 1.0
    total = (shape.users ** (1 - shape.user_exponent)) / (1 - shape.user_exponent)  # about Σ rank^-exponent
    counts = shape.ratings * (1 - shape.heavy_user - shape.heavy_item) * rank**-shape.user_exponent / total
    return np.clip(np.round(counts), 1, shape.items // 2).astype(np.int64)


def item_shares(shape: PowerLaw) -> np.ndarray:
    """Cumulative popularity of the items in idx order, float64 (items,).

    Args:
        shape: of the ratings.
    """
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
    counts = user_counts(shape, users)
    drawn = np.repeat(users, np.ceil(counts * _SPARE).astype(np.int64) + 1)
    items = np.searchsorted(popularity, random.random(len(drawn)))
    pairs = np.unique(drawn * shape.items + np.minimum(items, shape.items - 1))
    pairs = pairs[np.argsort(random.random(len(pairs)))]
    pairs = pairs[np.argsort(pairs // shape.items, kind="stable")]  # by user; a user's items in random order
    owner = pairs // shape.items - users[0]
    position = np.arange(len(pairs)) - np.searchsorted(owner, owner)
    pairs = np.sort(pairs[position < counts[owner]])
    user, item = pairs // shape.items, pairs % shape.items
    if shape.heavy_item:  # as many users rate item 0 as its share requires
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
    """The kept pairs and the added ones, by user and then item."""
    user, item = np.concatenate([user[kept], more_users]), np.concatenate([item[kept], more_items])
    order = np.lexsort([item, user])
    return user[order], item[order]


def _planted(idx: np.ndarray, seed: int) -> np.ndarray:
    """float64 (n, PLANTED_RANK), a function of the index; the product of two rows has a standard deviation of .7."""
    key = (idx[:, None] * PLANTED_RANK + np.arange(PLANTED_RANK) + seed * 7_919).astype(np.uint64)
    uniform = (_mixed(key) >> np.uint64(11)).astype(np.float64) / 2.0**53
    return (uniform - 0.5) * np.sqrt(12.0 * 0.7 / np.sqrt(PLANTED_RANK))


def _mixed(key: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea, Flood 2014)."""
    key = (key + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _shuffled(idx: np.ndarray, n: int, seed: int) -> np.ndarray:
    """A fixed permutation of 0..n-1, float64, by a step that is coprime to n."""
    step = max(1, int(n * 0.6180339887))
    while np.gcd(step, n) != 1:
        step += 1
    return ((idx.astype(np.int64) * step + seed) % n).astype(np.float64)


def _batch(rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> pa.RecordBatch:
    user, item, rating = rows
    arrays = [pa.array(user), pa.array(item), pa.array(rating), pa.array(np.ones(len(user), np.float32))]
    return pa.RecordBatch.from_arrays(arrays, ["user_idx", "item_idx", "rating", "weight"])
