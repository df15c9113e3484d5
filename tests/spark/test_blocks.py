"""Ratings become blocks, and factor blocks become rows and blocks again, in any partitioning."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.errors import PythonException

from bgmrec.config.model import FactorizeSettings
from bgmrec.errors import TrainingError
from bgmrec.factorize.blocks.factors import collect_factors, initial_factors, pack_factors, table_of, unpack_factors
from bgmrec.factorize.blocks.ratings import num_blocks, rating_blocks
from bgmrec.factorize.kernels.init import initial_rows
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.noise import USER_SIDE
from bgmrec.factorize.kernels.shape import ModelShape

N_USERS, N_ITEMS = 11, 9


def rows(seed=0, share=0.4):
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((N_USERS - 1, N_ITEMS)) < share)  # the last user has no ratings
    return [
        (int(u), int(i), float(random.integers(1, 6)), float(random.integers(1, 4)))
        for u, i in random.permutation(np.stack([users, items], axis=1))
    ]


def table(spark, data, partitions=3):
    frame = spark.createDataFrame(data, "user_idx int, item_idx int, rating float, weight float")
    return frame.repartition(partitions)


def triples(blocks, count):
    out = []
    for cells in blocks:
        block = RatingBlock.from_cells(cells.asDict())
        local = np.repeat(np.arange(block.n_rows), np.diff(block.row_offsets)) * count + block.block
        weights = block.weights if block.weights.size else np.ones(block.ratings.size)
        columns = local, block.src_ids[block.src_pos], block.ratings, weights
        out += list(zip(*(column.tolist() for column in columns), strict=True))
    return out


@pytest.mark.parametrize(("count", "partitions"), [(1, 2), (3, 1), (3, 7), (20, 30)])
def test_blocks_hold_the_ratings_whatever_the_partitioning(spark, count, partitions):
    data = rows()
    result = rating_blocks(
        table(spark, data, partitions), "user_idx", "item_idx", count, N_USERS, partitions=partitions
    )
    blocks = sorted(result.collect(), key=lambda row: row["block"])
    assert [row["block"] for row in blocks] == list(range(count))
    assert sum(row["n_rows"] for row in blocks) == N_USERS
    assert sorted(triples(blocks, count)) == sorted(data)
    alone = rating_blocks(table(spark, data, 1), "user_idx", "item_idx", count, N_USERS, partitions=1)
    assert [row.asDict() for row in blocks] == [row.asDict() for row in sorted(alone.collect())]


def test_the_other_side_is_the_mirror_image(spark):
    data = rows()
    blocks = rating_blocks(table(spark, data), "item_idx", "user_idx", 4, N_ITEMS).collect()
    assert sorted((u, i, r, w) for i, u, r, w in triples(blocks, 4)) == sorted(data)


def test_unit_weights_take_no_room(spark):
    data = [(u, i, r, 1.0) for u, i, r, _ in rows()]
    assert not any(
        row["weights"] for row in rating_blocks(table(spark, data), "user_idx", "item_idx", 2, N_USERS).collect()
    )


def test_no_ratings_at_all(spark):
    blocks = rating_blocks(table(spark, []), "user_idx", "item_idx", 3, N_USERS).collect()
    assert sorted((row["block"], row["n_rows"]) for row in blocks) == [(0, 4), (1, 4), (2, 3)]


@pytest.mark.parametrize("bad", [(N_USERS, 0, 1.0, 1.0), (-1, 0, 1.0, 1.0), (0, -1, 1.0, 1.0), (0, 0, None, 1.0)])
def test_an_index_outside_its_range_and_a_null_are_refused(spark, bad):
    with pytest.raises(PythonException, match="ratings cannot be put into blocks"):
        rating_blocks(table(spark, [*rows(), bad]), "user_idx", "item_idx", 2, N_USERS).collect()


def test_number_of_blocks_keeps_both_bounds():
    settings = FactorizeSettings(block_rows=100, block_ratings=1000)
    assert num_blocks(1, 0, settings) == 1
    assert num_blocks(101, 0, settings) == 2
    assert num_blocks(101, 5001, settings) == 6


@pytest.mark.parametrize("count", [3, 20])
def test_rows_become_blocks_and_rows_again(spark, count):
    vectors = np.random.default_rng(1).normal(size=(N_USERS, 3)).astype(np.float32)
    frame = spark.createDataFrame(
        [(int(i), bytearray(vectors[i].tobytes())) for i in np.random.default_rng(2).permutation(N_USERS)],
        "idx int, features binary",
    )
    blocks = pack_factors(frame.repartition(5), N_USERS, count)
    np.testing.assert_array_equal(collect_factors(blocks, count, 3, max_bytes=N_USERS * 12), vectors)
    again = sorted((row["idx"], bytes(row["features"])) for row in unpack_factors(blocks, count).collect())
    assert again == [(i, vectors[i].tobytes()) for i in range(N_USERS)]


@pytest.mark.parametrize("spoil", ["missing", "twice", "outside", "width"])
def test_a_factor_block_without_one_row_per_entity_is_refused(spark, spoil):
    cell = bytearray(8)
    data = [(i, cell) for i in range(N_USERS)]
    data = {
        "missing": data[:-1],
        "twice": [*data[:-1], data[0]],
        "outside": [*data[:-1], (N_USERS, cell)],
        "width": [*data[:-1], (N_USERS - 1, bytearray(12))],
    }[spoil]
    with pytest.raises(PythonException, match="does not have one row per entity"):
        pack_factors(spark.createDataFrame(data, "idx int, features binary"), N_USERS, 3).collect()


@pytest.mark.parametrize("count", [1, 20])
def test_initial_factors_do_not_depend_on_the_blocks(spark, count):
    shape = ModelShape(5, bias=True)
    blocks = initial_factors(spark, N_USERS, count, shape, seed=3, side=USER_SIDE, scale=0.1)
    expected = initial_rows(np.arange(N_USERS), shape, seed=3, side=USER_SIDE, scale=0.1)
    np.testing.assert_array_equal(collect_factors(blocks, count, 6, max_bytes=10_000), expected)


def test_a_table_collected_in_several_jobs_is_the_same_table(spark, monkeypatch):
    blocks = initial_factors(spark, N_USERS, 5, ModelShape(4), seed=3, side=USER_SIDE, scale=0.1)
    whole = collect_factors(blocks, 5, 4, max_bytes=10_000)
    counts, to_pandas = [], type(blocks).toPandas
    monkeypatch.setattr(type(blocks), "toPandas", lambda rows: counts.append(rows.count()) or to_pandas(rows))
    monkeypatch.setattr("bgmrec.factorize.blocks.factors.CHUNK_BYTES", N_USERS * 16 // 2)
    np.testing.assert_array_equal(collect_factors(blocks, 5, 4, max_bytes=10_000), whole)
    assert counts == [2, 3]


def test_a_large_table_is_never_collected(spark):
    blocks = initial_factors(spark, N_USERS, 2, ModelShape(4), seed=3, side=USER_SIDE, scale=0.1)
    with pytest.raises(TrainingError, match="too large to be collected"):
        collect_factors(blocks, 2, 4, max_bytes=N_USERS * 16 - 1)


def test_blocks_of_another_run_do_not_form_a_table(spark):
    blocks = initial_factors(spark, N_USERS, 2, ModelShape(4), seed=3, side=USER_SIDE, scale=0.1)
    for count, width, found in ((3, 4, "block 0 with"), (2, 3, "block 0 with"), (1, 4, "block 0 with")):
        with pytest.raises(TrainingError, match="do not form one table") as failure:
            collect_factors(blocks, count, width, max_bytes=10_000)
        assert found in str(failure.value)
    twice = blocks.where("block = 0").unionByName(blocks)
    with pytest.raises(TrainingError, match="do not form one table"):
        table_of([row.asDict() for row in twice.collect()], N_USERS, 2, 4)
    with pytest.raises(TrainingError, match="1 blocks, 1 distinct"):
        table_of([row.asDict() for row in blocks.where("block = 0").collect()], N_USERS, 2, 4)
