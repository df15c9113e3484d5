"""The distributed draw in any partitioning; a killed chain; broadcasts; the scores of the wide table."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.factors import collect_factors
from bgmrec.factorize.blocks.ratings import rating_blocks
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.session import arrow_batch
from bgmrec.sampler.chain import Chain, ChainNumbers, chain_sides, run_chain, start_chain
from bgmrec.sampler.conditionals.hyper import RowPrior
from bgmrec.sampler.conditionals.sums import add_all
from bgmrec.sampler.draw_step import DrawNumbers, draw_step
from bgmrec.sampler.drawn import broadcast_or_shuffle_drawn, read_drawn
from bgmrec.sampler.link_matrix import FeatureBlock, pick_columns, write_link_matrices
from bgmrec.sampler.wide import wide_factors, wide_shape
from bgmrec.storage.tables import Tables

USERS, ITEMS, COLUMNS = 23, 17, 4
SHAPE = ModelShape(3, bias=True, mean=2.5)
WIDTH = SHAPE.width
BROADCAST, SHUFFLED = 10**6, 100
ANY = 10**9
EVEN = RowScale()


def cells(spark, table, count):
    parts = [np.ascontiguousarray(table[block::count]) for block in range(count)]
    rows = [(block, len(part), bytearray(part.tobytes())) for block, part in enumerate(parts)]
    return spark.createDataFrame(rows, "block int, n_rows int, factors binary")


class World:
    """Ratings of users and items, features of both, factors to start from; user 11 and item 8 have no ratings."""

    def __init__(self, spark, seed=0):
        random = np.random.default_rng(seed)
        observed = random.random((USERS, ITEMS)) < 0.5
        observed[11], observed[:, 8] = False, False
        users, items = np.nonzero(observed)
        values = random.integers(1, 6, users.size)
        self.spark, self.n_ratings = spark, users.size
        self.rows = spark.createDataFrame(
            [(int(u), int(i), float(r), 1.0) for u, i, r in zip(users, items, values, strict=True)],
            "user_idx int, item_idx int, rating float, weight float",
        )
        self.features = {"user": random.normal(size=(USERS, COLUMNS)), "item": random.normal(size=(ITEMS, COLUMNS))}
        self.factors = {"user": random.normal(0, 0.3, (USERS, WIDTH)), "item": random.normal(0, 0.3, (ITEMS, WIDTH))}

    def cells(self, kind, side, count):
        return cells(self.spark, getattr(self, kind)[side].astype(np.float32), count)

    def with_links(self, store, side, count, partitions=None, scale=EVEN):
        names = ("user_idx", "item_idx") if side == "user" else ("item_idx", "user_idx")
        n = USERS if side == "user" else ITEMS
        blocks = rating_blocks(self.rows, *names, count, n, partitions=partitions)
        feature_block = FeatureBlock(
            0, COLUMNS, self.cells("features", side, count), COLUMNS, pick_columns(np.arange(COLUMNS))
        )
        return write_link_matrices(store, side, blocks, [feature_block], scale, 10)


@pytest.fixture(scope="module")
def world(spark):
    return World(spark)


def weighted(world, side, count):
    """Drawn blocks with uneven noise weights."""
    n = USERS if side == "user" else ITEMS
    weights = np.linspace(0.5, 2, n)[:, None]
    return cells(world.spark, np.hstack([world.factors[side], weights]).astype(np.float32), count)


def prior() -> RowPrior:
    random = np.random.default_rng(3)
    basis = random.normal(size=(WIDTH, WIDTH))
    return RowPrior(random.normal(size=WIDTH), random.normal(size=(COLUMNS, WIDTH)), basis @ basis.T + np.eye(WIDTH))


def drawn(world, store, *, dst=2, src=3, partitions=None, bytes_=BROADCAST, strength=4.0, exponent=0.0):
    with arrow_batch(world.spark, 2):
        world.with_links(store, "user", dst, partitions)
        blocks = store.read("user_linked_blocks")
        blocks = blocks if partitions is None else blocks.repartition(partitions, "block")
        items = weighted(world, "item", src).selectExpr("*", "cast('' as binary) as sums").cache()
        numbers = DrawNumbers(prior(), RowScale(exponent, 5.0), 1.5, strength, 0.9, 1.1, 7, 3, 0)
        last_draw = weighted(world, "user", dst) if strength else None
        with broadcast_or_shuffle_drawn(items, ITEMS, src, WIDTH + 1, bytes_) as (source, _):
            rows = draw_step(
                blocks, source, last_draw, SHAPE, numbers, num_blocks=dst, broadcast_last_draw=bytes_ == BROADCAST
            ).cache()
            table = collect_factors(rows, dst, WIDTH + 1, max_bytes=ANY)
            sums = add_all([bytes(row[0]) for row in rows.select("sums").collect() if row[0]], WIDTH)
            rows.unpersist()
    return table, sums


@pytest.fixture(scope="module")
def expected(world, tmp_path_factory):
    return drawn(world, Tables(world.spark, str(tmp_path_factory.mktemp("expected"))))


@pytest.mark.parametrize(
    "cut",
    [
        {"dst": 10, "partitions": 1},
        {"dst": 10, "partitions": 2},
        {"dst": 10, "partitions": 7},
        {"dst": 30, "partitions": 40},
        {"dst": 1, "src": 20},
        {"dst": 5, "src": 3, "bytes_": SHUFFLED},
    ],
    ids=str,
)
def test_a_draw_does_not_depend_on_partitions_and_blocks(world, expected, tmp_path, cut):
    table, sums = drawn(world, Tables(world.spark, str(tmp_path)), **cut)
    np.testing.assert_allclose(table, expected[0], atol=1e-4)
    assert (sums.rows, sums.ratings) == (USERS, world.n_ratings)
    for name in ("squared_error", "log_weights", "total", "outer", "cross"):
        np.testing.assert_allclose(getattr(sums, name), getattr(expected[1], name), rtol=1e-3, atol=1e-3)


def test_the_sums_are_those_of_the_rows(world, expected):
    table, sums = expected[0].astype(float), expected[1]
    np.testing.assert_allclose(sums.outer, table[:, :WIDTH].T @ table[:, :WIDTH], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(sums.cross, world.features["user"].T @ table[:, :WIDTH], rtol=1e-3, atol=1e-3)


def test_the_sums_weigh_rows_by_their_scales(world, tmp_path):
    table, sums = drawn(world, Tables(world.spark, str(tmp_path)), exponent=1.0)
    counts = world.rows.groupBy("user_idx").agg(f.count("*").alias("n")).collect()
    scales = np.zeros(USERS)
    scales[[row["user_idx"] for row in counts]] = [row["n"] / 5 for row in counts]
    rows = table[:, :WIDTH].astype(float)
    assert sums.rows == USERS - 1
    np.testing.assert_allclose(sums.scale, scales.sum())
    np.testing.assert_allclose(sums.outer, (rows * scales[:, None]).T @ rows, rtol=1e-4, atol=1e-4)
    means = prior().means(world.features["user"][11:12].astype(np.float32))
    np.testing.assert_allclose(table[11, :WIDTH], means[0], atol=1e-5)


def test_without_row_noise_all_weights_are_1(world, tmp_path):
    table, sums = drawn(world, Tables(world.spark, str(tmp_path)), strength=0.0)
    np.testing.assert_array_equal(table[:, WIDTH], 1)
    assert sums.log_weights == 0


def chain(world, root, *, draws=3, seed=5, bytes_=BROADCAST):
    store = Tables(world.spark, str(root))
    with arrow_batch(world.spark, 2):
        scales = {"user": RowScale(), "item": RowScale(1.0, 5.0)}
        link_matrices = {
            s: world.with_links(store, s, count, scale=scales[s]) for s, count in (("user", 3), ("item", 2))
        }
    numbers = ChainNumbers(2, draws, 4.0, seed, bytes_)
    return Chain(store, SHAPE, chain_sides((USERS, 3), (ITEMS, 2), store, link_matrices, scales), numbers)


def run(world, sampled_chain):
    start = {side: world.cells("factors", side, count) for side, count in (("user", 3), ("item", 2))}
    start_chain(sampled_chain, start["user"], start["item"], 2.0 * world.n_ratings)
    return run_chain(sampled_chain, Progress())


def tables(sampled_chain):
    counts = {"user": 3, "item": 2}
    return {
        (side, number): collect_factors(
            read_drawn(sampled_chain.draw_folder(number), f"{side}_draw"), counts[side], WIDTH + 1, max_bytes=ANY
        )
        for side in counts
        for number in sampled_chain.kept_draws
    }


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    sampled_chain = chain(world, tmp_path_factory.mktemp("whole"))
    return sampled_chain, run(world, sampled_chain), tables(sampled_chain)


def test_a_killed_chain_resumes_and_gives_the_same_draws(world, whole, tmp_path):
    short = chain(world, tmp_path, draws=1)
    run(world, short)
    sampled_chain = chain(world, tmp_path)
    state = run(world, sampled_chain)
    assert state.history == whole[1].history
    assert (state.ridges, state.scales) == (whole[1].ridges, whole[1].scales)
    for key, table in tables(sampled_chain).items():
        np.testing.assert_array_equal(table, whole[2][key])


def test_a_chain_with_shuffled_tables_gives_the_same_draws(world, whole, tmp_path):
    sampled_chain = chain(world, tmp_path, bytes_=SHUFFLED)
    run(world, sampled_chain)
    for key, table in tables(sampled_chain).items():
        np.testing.assert_allclose(table, whole[2][key], atol=1e-3)


def test_only_the_averaged_draws_are_kept(whole):
    sampled_chain, _, _ = whole
    present = [number for number in range(6) if sampled_chain.draw_folder(number).exists("user_draw")]
    assert present == list(sampled_chain.kept_draws) == [3, 4, 5]


def test_another_seed_is_another_chain(world, whole, tmp_path):
    state = run(world, chain(world, tmp_path, seed=6))
    assert state.alpha != pytest.approx(whole[1].alpha, rel=1e-6)


def test_the_wide_table_scores_the_mean_of_the_draws(world, whole):
    sampled_chain, _, draws = whole
    shape, wide = wide_shape(SHAPE, 3), {}
    with arrow_batch(world.spark, 2):
        for side, count in (("user", 3), ("item", 2)):
            paths = [sampled_chain.draw_folder(number).path(f"{side}_draw") for number in sampled_chain.kept_draws]
            rows = wide_factors(world.spark, paths, SHAPE, scaled=side == "user", partitions=2)
            wide[side] = collect_factors(rows.cache(), count, shape.width, max_bytes=ANY)

    def scores(users, items, rank):
        biases = users[:, rank : rank + 1] + items[:, rank]
        return users[:, :rank] @ items[:, :rank].T + biases

    mean = np.mean([scores(draws["user", at], draws["item", at], 3) for at in sampled_chain.kept_draws], axis=0)
    np.testing.assert_allclose(scores(wide["user"], wide["item"], shape.rank), mean, atol=1e-4)
    world.spark.catalog.clearCache()
