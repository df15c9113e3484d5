"""Top-N tables over every layout: against a full sort, however blocks are cut and items travel."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from bgmrec.errors import QualityGateError
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.checks import list_faults, list_violations, pack_lists
from bgmrec.recommend.popularity import PopularItems
from bgmrec.recommend.shards import gather_shards, item_shards, regroup_shards, shard_bytes
from bgmrec.recommend.similar import similar_items
from bgmrec.recommend.top_n import ListRules, members_by_block, top_n, user_blocks
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import INT, to_cell
from tests.reference.top_n import cosines
from tests.reference.top_n import top_n as reference

USERS, ITEMS, RANK, N = 23, 31, 4, 6
SHAPE = ModelShape(rank=RANK, bias=True, mean=3.0)
DENIED = {2, 5, 30}
POPULAR = PopularItems(np.array([9, 1, 4], np.int32), np.array([30, 20, 10], np.float32))


class World:
    """Factors of small eighths (exact in float32, many ties), ratings of all but users 3, 7 and 11."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.users = rng.integers(-4, 5, (USERS, RANK + 1)).astype(np.float32) / 8
        self.items = rng.integers(-4, 5, (ITEMS, RANK + 1)).astype(np.float32) / 8
        self.items[:, 0] += 1 / 16  # no item without a direction …
        self.items[17, :RANK] = 0  # … but this one
        self.rated = [np.sort(rng.choice(ITEMS, rng.integers(1, 9), replace=False)) for _ in range(USERS)]
        for user in (3, 7, 11):
            self.rated[user] = np.empty(0, np.int64)
        self.with_side_information = [3, 11, 12]
        self.groups = rng.integers(0, 6, ITEMS)

    def scores(self, user: int) -> np.ndarray:
        u, v = self.users[user].astype(float), self.items.astype(float)
        return SHAPE.mean + v[:, :RANK] @ u[:RANK] + u[RANK] + v[:, RANK]

    def lists(self, filter_seen: bool = True, per_group: int = 0) -> dict[int, list[tuple[int, float]]]:
        lists = {}
        for user in range(USERS):
            seen = set(self.rated[user]) if filter_seen else set()
            allowed = set(range(ITEMS)) - DENIED
            lists[user] = reference(
                self.scores(user), N, seen=seen, allowed=allowed, groups=self.groups, per_group=per_group
            )
        lists[7] = list(zip(POPULAR.idx.tolist(), POPULAR.scores.tolist(), strict=True))
        return lists


def factor_blocks(spark: SparkSession, factors: np.ndarray, num_blocks: int) -> DataFrame:
    rows = [
        (block, len(factors[block::num_blocks]), bytearray(to_cell(factors[block::num_blocks])))
        for block in range(num_blocks)
    ]
    return spark.createDataFrame(rows, schemas.FACTOR_BLOCKS)


def rating_blocks(spark: SparkSession, rated: list[np.ndarray], num_blocks: int) -> DataFrame:
    """Blocks without a rating are left out: the lists must not need them."""
    rows = []
    for block in range(num_blocks):
        members = rated[block::num_blocks]
        flat = np.concatenate([np.empty(0, np.int64), *members]).astype(np.int32)
        if len(flat):
            src_ids, src_pos = np.unique(flat, return_inverse=True)
            offsets = np.cumsum([0, *map(len, members)]).astype("<i8").tobytes()
            ones = to_cell(np.ones(len(flat)))
            cells = [offsets, to_cell(src_ids, INT), to_cell(src_pos, INT), ones, b""]
            rows.append((block, len(members), *map(bytearray, cells)))
    return spark.createDataFrame(rows, schemas.RATING_BLOCKS)


def candidates(spark: SparkSession, groups: np.ndarray) -> DataFrame:
    rows = [(item, int(groups[item])) for item in range(ITEMS) if item not in DENIED]
    return spark.createDataFrame(rows, "item_idx int, group_idx int")


def collected(df: DataFrame) -> dict[int, list[tuple[int, float]]]:
    lists: dict[int, list[tuple[int, float]]] = {}
    for row in df.orderBy(df.columns[0], c.POSITION).collect():
        entries = lists.setdefault(row[0], [])
        assert row[c.POSITION] == len(entries) + 1
        entries.append((row[2], row[c.SCORE]))
    return lists


def members(spark: SparkSession, users: Iterable[int], num_blocks: int) -> DataFrame:
    return members_by_block(spark.createDataFrame([(user,) for user in users], "user_idx int"), num_blocks)


def broadcast_files(spark: SparkSession) -> set[Path]:
    return set(Path(spark.sparkContext._temp_dir).rglob("*"))


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("user_parts", "item_parts", "streamed"), [(1, 1, False), (40, 5, False), (4, 1, True), (40, 5, True)]
)
def test_lists_equal_a_full_sort(
    spark: SparkSession, world: World, user_parts: int, item_parts: int, streamed: bool
) -> None:
    per_group = 2 if item_parts > 1 else 0
    users = user_blocks(
        factor_blocks(spark, world.users, user_parts),
        rating_blocks(spark, world.rated, user_parts),
        members(spark, world.with_side_information, user_parts),
        partitions=3,
    )
    shards = item_shards(
        factor_blocks(spark, world.items, item_parts), candidates(spark, world.groups), num_blocks=item_parts
    )
    with arrow_batch(spark, 1):
        total = shard_bytes(candidates(spark, world.groups), RANK + 1)
        items = (
            regroup_shards(shards, 300, total)
            if streamed
            else gather_shards(shards, 10**6, total, num_blocks=item_parts)
        )
        rules = ListRules(N, per_group=per_group)
        with top_n(users, items, shape=SHAPE, num_blocks=user_parts, rules=rules, popular=POPULAR) as lists:
            found = lists.localCheckpoint()
        assert collected(found) == world.lists(per_group=per_group)
        sources = {row.user_idx: row.source for row in found.select("user_idx", "source").distinct().collect()}
        blocks = rating_blocks(spark, world.rated, user_parts)
        faults = list_faults(list_violations(pack_lists(found, user_parts), blocks, num_blocks=user_parts, n=N))
    # users 3 and 11 have side information and no ratings; 12 has both, so it is warm; 7 has neither
    assert sources == {**dict.fromkeys(range(USERS), c.WARM), 3: c.COLD, 11: c.COLD, 7: c.POPULAR}
    assert not any(faults.values())


def test_without_the_filter_seen_items_are_listed_and_ranked_without_bias(spark: SparkSession, world: World) -> None:
    shape = ModelShape(rank=RANK + 1)  # the same numbers, the last one a coordinate as any other
    users = user_blocks(factor_blocks(spark, world.users, 2), rating_blocks(spark, world.rated, 2), None, partitions=2)
    shards = item_shards(factor_blocks(spark, world.items, 2), candidates(spark, world.groups), num_blocks=2)
    with arrow_batch(spark, 1):
        items = gather_shards(shards, 10**6, 10**6, num_blocks=2)
        rules = ListRules(N, filter_seen=False)
        with top_n(users, items, shape=shape, num_blocks=2, rules=rules, popular=POPULAR) as lists:
            found = collected(lists)
    allowed = set(range(ITEMS)) - DENIED
    scores = world.users.astype(float) @ world.items.astype(float).T
    warm = set(range(USERS)) - {3, 7, 11}
    assert {user: found[user] for user in warm} == {user: reference(scores[user], N, allowed=allowed) for user in warm}
    assert found[3] == found[7] == found[11] == [(9, 30.0), (1, 20.0), (4, 10.0)]


@pytest.mark.parametrize("streamed", [False, True])
def test_only_query_users_get_a_list(spark: SparkSession, world: World, streamed: bool) -> None:
    query_users = [0, 3, 7, 10, 22]  # of four blocks, all but block 1; 3 is cold, 7 has no side information either
    eligible = candidates(spark, world.groups)
    users = user_blocks(
        factor_blocks(spark, world.users, 4),
        rating_blocks(spark, world.rated, 4),
        members(spark, world.with_side_information, 4),
        members(spark, query_users, 4),
        partitions=3,
    )
    shards, total = (
        item_shards(factor_blocks(spark, world.items, 2), eligible, num_blocks=2),
        shard_bytes(eligible, RANK + 1),
    )
    with arrow_batch(spark, 1):
        items = regroup_shards(shards, 300, total) if streamed else gather_shards(shards, 10**6, total, num_blocks=2)
        with top_n(users, items, shape=SHAPE, num_blocks=4, rules=ListRules(N), popular=POPULAR) as lists:
            found = collected(lists)
    every = world.lists()
    assert found == {user: every[user] for user in query_users}


@pytest.mark.parametrize("streamed", [False, True])
def test_similar_items_are_the_nearest_by_cosine(spark: SparkSession, world: World, streamed: bool) -> None:
    factors = factor_blocks(spark, world.items, 3)
    eligible = candidates(spark, world.groups)
    shards, total = item_shards(factors, eligible, num_blocks=3), shard_bytes(eligible, RANK + 1)
    with arrow_batch(spark, 1):
        items = regroup_shards(shards, 300, total) if streamed else gather_shards(shards, 10**6, total, num_blocks=3)
        before = broadcast_files(spark)
        with similar_items(factors, items, shape=SHAPE, num_blocks=3, n=4) as lists:
            assert streamed or broadcast_files(spark) != before
            found = collected(lists)
        assert broadcast_files(spark) == before
    assert set(found) == set(range(ITEMS)) - {17}, "item 17 has no direction: it has no list and is in none"
    for item, entries in found.items():
        near = {j: s for j, s in cosines(world.items[:, :RANK].astype(float), item).items() if j not in DENIED}
        assert item not in dict(entries)
        np.testing.assert_allclose([score for _, score in entries], sorted(near.values(), reverse=True)[:4], atol=1e-6)
        np.testing.assert_allclose([score for _, score in entries], [near[j] for j, _ in entries], atol=1e-6)


def test_items_above_the_bound_are_not_collected(spark: SparkSession, world: World) -> None:
    eligible = candidates(spark, world.groups)
    shards, total = (
        item_shards(factor_blocks(spark, world.items, 2), eligible, num_blocks=2),
        shard_bytes(eligible, RANK + 1),
    )
    assert total == (ITEMS - len(DENIED)) * (RANK + 1) * 4
    with pytest.raises(QualityGateError, match="cannot be broadcast"):
        gather_shards(shards, 100, total, num_blocks=2)
    nothing = spark.createDataFrame([], "item_idx int, group_idx int")
    with pytest.raises(QualityGateError, match="no item may be recommended"):
        gather_shards(item_shards(factor_blocks(spark, world.items, 2), nothing, num_blocks=2), 100, 0, num_blocks=2)


def test_broken_rules_are_counted_over_all_blocks(spark: SparkSession) -> None:
    rated_blocks = rating_blocks(spark, [np.array([8]), np.array([1, 2, 3]), np.array([9])], 2)
    good, bad = (0, 1, 1, 2.0, c.WARM), (0, 2, 8, 1.0, c.WARM)
    lists = spark.createDataFrame([good, bad, (2, 2, 5, 1.0, c.WARM)], schemas.TOP_N)
    faults = list_faults(list_violations(pack_lists(lists, 2), rated_blocks, num_blocks=2, n=2))
    assert {text: count for text, count in faults.items() if count} == {
        "items that the user has already seen": 1,
        "positions that are not 1, 2, 3, …": 1,
    }
    assert not any(
        list_faults(list_violations(pack_lists(lists.limit(0), 2), rated_blocks, num_blocks=2, n=2)).values()
    )
