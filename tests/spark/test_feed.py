"""The feed from DataFrames through Parquet and petastorm to arrays: every row once, whatever the shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from bgmrec.errors import SettingsError, TrainingError
from bgmrec.factorize.blocks.ratings import rating_blocks, unpack_ratings
from bgmrec.feed.parquet import FeedSpec
from bgmrec.feed.rows import Rows, concatenate
from bgmrec.feed.tables import centred_ratings, item_inputs, lay_out, user_inputs, with_targets
from bgmrec.storage.arrays import FLOAT, INT, from_cell, to_cell
from bgmrec.storage.schemas import USER_FEED, conform

N_USERS, N_ITEMS = 50, 20
COLUMNS = ("idx", "features", "rated_idx", "rated_values", "weight", "target")


def _features(spark: SparkSession, n: int, width: int = 3) -> DataFrame:
    rows = [(i, to_cell(np.arange(width) + i)) for i in range(n)]
    return spark.createDataFrame(rows, "idx int, features binary")


def _targets(spark: SparkSession, n: int) -> DataFrame:
    return spark.createDataFrame([(i, to_cell(np.array([i, -i]))) for i in range(n)], "idx int, target binary")


def _ratings(spark: SparkSession, partitions: int = 3) -> DataFrame:
    # user u rates u % 7 items; the ratings tell (user, item) apart
    rows = [(u, (3 * u + 7 * k) % N_ITEMS, float(u + 0.01 * k)) for u in range(N_USERS) for k in range(u % 7)]
    return spark.createDataFrame(rows[::-1], "user_idx int, item_idx int, rating float").repartition(partitions)


def _inputs(
    spark: SparkSession, users: int = N_USERS, partitions: int = 3, num_blocks: int = 4, weight_exponent: float = 0.0
) -> DataFrame:
    ratings = _ratings(spark, partitions).withColumn("weight", f.lit(1.0))
    blocks = rating_blocks(ratings, "user_idx", "item_idx", num_blocks, N_USERS)
    return user_inputs(_features(spark, users), unpack_ratings(blocks, num_blocks), weight_exponent=weight_exponent)


def _feed(spark: SparkSession, path: Path, *, processes: int = 1, row_group_rows: int = 4096, ratings: int = 3) -> str:
    inputs = _inputs(spark, partitions=ratings, weight_exponent=0.5)
    feed = conform(with_targets(inputs, _targets(spark, N_USERS)), USER_FEED, "user_feed")
    feed = lay_out(feed, n_rows=N_USERS, processes=processes, row_group_rows=row_group_rows)
    feed.write.parquet(str(path))
    return str(path)


def _spec(path: str, **changes: int) -> FeedSpec:
    return FeedSpec(path, COLUMNS, **{"seed": 0, **changes})


def _order(spec: FeedSpec, shard: int = 0, shards: int = 1, epoch: int = 0) -> list[int]:
    return concatenate(list(spec.open(shard, shards).batches(epoch, 4))).dense["idx"].tolist()


@pytest.fixture(scope="module")
def feed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    return _feed(spark, tmp_path_factory.mktemp("feed") / "user feed", processes=3)


def _check_content(rows: Rows) -> None:
    rated, values = rows.ragged["rated_idx"], rows.ragged["rated_values"]
    for position, user in enumerate(rows.dense["idx"]):
        expected = sorted(((3 * user + 7 * k) % N_ITEMS, user + 0.01 * k) for k in range(user % 7))
        part = slice(*rated.offsets[position : position + 2])
        assert rated.values[part].tolist() == [item for item, _ in expected]
        np.testing.assert_allclose(values.values[part], [value for _, value in expected], rtol=1e-6)
        assert rows.dense["features"][position].tolist() == [user, user + 1, user + 2]
        assert rows.dense["target"][position].tolist() == [user, -user]
        assert rows.dense["weight"][position] == pytest.approx((user % 7) ** 0.5)  # 0 without ratings


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_every_row_arrives_once_and_as_it_was(feed: str, memory_bytes: int):
    opened = _spec(feed, memory_bytes=memory_bytes).open(0, 1)
    assert opened.in_memory == (memory_bytes > 0) and opened.n_rows == N_USERS
    for epoch in (0, 1):
        batches = list(opened.batches(epoch, 7))
        assert sorted(map(len, batches)) == [7] * 6 + [8]
        rows = concatenate(batches)
        assert sorted(rows.dense["idx"].tolist()) == list(range(N_USERS))
        _check_content(rows)


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
@pytest.mark.parametrize("shards", [2, 3])
def test_shards_are_disjoint_and_complete_with_equal_steps(feed: str, memory_bytes: int, shards: int):
    opened = [_spec(feed, memory_bytes=memory_bytes).open(shard, shards) for shard in range(shards)]
    batches = [list(part.batches(0, 40)) for part in opened]
    assert [len(part) for part in batches] == [40] * shards  # more steps than rows: some are empty
    seen = [idx for part in batches for batch in part for idx in batch.dense["idx"].tolist()]
    assert sorted(seen) == list(range(N_USERS))
    assert len({part.n_rows for part in opened}) > 1, "the shards were to be uneven"


@pytest.mark.parametrize("memory_bytes", [2**30, 0])
def test_the_order_belongs_to_seed_epoch_and_shard(feed: str, memory_bytes: int):
    spec = _spec(feed, memory_bytes=memory_bytes)
    assert all(_order(spec) == _order(spec) for _ in range(4))
    orders = {tuple(_order(_spec(feed, memory_bytes=memory_bytes, seed=s), epoch=e)) for s in (0, 1) for e in (0, 1)}
    assert len(orders) == 4
    assert _order(spec, 1, 2) == _order(spec, 1, 2) != sorted(_order(spec, 1, 2))


def test_partitioning_changes_neither_files_nor_order(spark: SparkSession, feed: str, tmp_path: Path):
    other = _feed(spark, tmp_path / "other", processes=3, ratings=1)
    assert _order(_spec(other)) == _order(_spec(feed)) and _order(_spec(other), 1, 3) == _order(_spec(feed), 1, 3)
    # another number of files is another set of shards, and the same order for one process
    assert _order(_spec(_feed(spark, tmp_path / "few", processes=0))) == _order(_spec(feed))


def test_inputs_are_the_same_whatever_the_blocks_and_a_user_beyond_them_has_no_ratings(spark: SparkSession):
    found = [sorted(map(tuple, _inputs(spark, N_USERS + 2, num_blocks=n).collect())) for n in (1, 7)]
    assert found[0] == found[1]
    assert [(row[0], bytes(row[2]), bytes(row[3]), row[4]) for row in found[0][-2:]] == [
        (N_USERS, b"", b"", 0.0),
        (N_USERS + 1, b"", b"", 0.0),
    ]


def test_small_row_groups_make_more_files(spark: SparkSession, tmp_path: Path):
    path = Path(_feed(spark, tmp_path / "small", processes=0, row_group_rows=10))
    sizes = [pq.read_metadata(file).num_rows for file in path.glob("*.parquet")]
    assert len(sizes) == 5 and sum(sizes) == N_USERS


def test_too_few_row_groups_name_the_settings(spark: SparkSession, tmp_path: Path):
    path = _feed(spark, tmp_path / "one", processes=0)
    with pytest.raises(SettingsError, match=r"fewer row groups[\s\S]*feed.processes"):
        _spec(path).open(0, 2)


def test_an_empty_table_is_an_error(spark: SparkSession, tmp_path: Path):
    inputs = _inputs(spark, 0)
    lay_out(with_targets(inputs, _targets(spark, 3)), n_rows=0, processes=0, row_group_rows=10).write.parquet(
        str(tmp_path / "none")
    )
    with pytest.raises(TrainingError, match="no rows"):
        _spec(str(tmp_path / "none")).open(0, 1)


def test_an_empty_file_among_others_is_passed_over(spark: SparkSession, feed: str, tmp_path: Path):
    copy = tmp_path / "copy"
    spark.read.parquet(feed).write.parquet(str(copy))
    (spark.read.parquet(feed).where("idx < 0").coalesce(1).write.mode("append").parquet(str(copy)))
    assert any(pq.read_metadata(file).num_rows == 0 for file in copy.glob("*.parquet"))
    assert sorted(_order(_spec(str(copy)))) == list(range(N_USERS))


def test_an_entity_without_factors_fails_by_name(spark: SparkSession):
    inputs = _inputs(spark, 3)
    with pytest.raises((PySparkException, Py4JJavaError), match="no row for idx 2"):
        with_targets(inputs, _targets(spark, 2)).collect()


def test_item_inputs_take_every_item_with_or_without_document(spark: SparkSession):
    tokens = spark.createDataFrame([(1, to_cell(np.array([4, 2]), INT))], "idx int, tokens binary")
    rows = item_inputs(_features(spark, 30), tokens, _ratings(spark), weight_exponent=1.0).orderBy("idx").collect()
    counts = np.bincount([row.item_idx for row in _ratings(spark).collect()], minlength=30)
    assert [row.weight for row in rows] == counts.tolist()
    assert from_cell(rows[1].tokens, dtype=INT).tolist() == [4, 2] and bytes(rows[0].tokens) == b""
    assert from_cell(rows[29].features, dtype=FLOAT).tolist() == [29, 30, 31]


def test_centred_ratings_leave_what_mean_and_item_do_not_explain(spark: SparkSession):
    ratings = spark.createDataFrame([(0, 0, 5.0), (1, 0, 3.0), (0, 1, 1.0)], "user_idx int, item_idx int, rating float")
    centred = {(r.user_idx, r.item_idx): r.rating for r in centred_ratings(ratings, mean=3.0, damping=2.0).collect()}
    # item 0: deviations 2 and 0, offset 2 / (2 + 2); item 1: deviation -2, offset -2 / (1 + 2)
    assert centred == pytest.approx({(0, 0): 2 - 0.5, (1, 0): 0 - 0.5, (0, 1): -2 + 2 / 3})
