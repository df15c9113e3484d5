"""The distributed half step against plain NumPy: partitions, blocks, broadcast and shuffled tables, many rounds."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from pyspark.errors import PythonException

from bgmrec.factorize.blocks.factors import collect_factors
from bgmrec.factorize.blocks.ratings import rating_blocks
from bgmrec.factorize.half_step import half_step
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.terms import Regularisation, source_gram
from bgmrec.factorize.objective import objective
from bgmrec.factorize.source_tables import broadcast_or_shuffle
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import schemas
from tests.reference import normal_equations as reference

BROADCAST, SHUFFLED = 10**6, 100
SHAPE = ModelShape(3, bias=True, mean=2.5)
NUMBERS = Regularisation(2.0, 0.7, 0.5)
ANY = 10**9


def factor_blocks(spark, table, count):
    """A (n, width) array as schemas.FACTOR_BLOCKS, without any of the package's code."""
    parts = [table[block::count] for block in range(count)]
    data = [(block, len(part), bytearray(part.tobytes())) for block, part in enumerate(parts)]
    return spark.createDataFrame(data, "block int, n_rows int, factors binary")


class Data:
    """Users × items with weights, a cold user and a cold item, factors and priors of both sides."""

    def __init__(self, spark, n_users=23, n_items=17, seed=0, preference=False):
        random = np.random.default_rng(seed)
        self.spark, self.n_users, self.n_items = spark, n_users, n_items
        self.observed = random.random((n_users, n_items)) < 0.4
        self.observed[n_users // 2] = False
        self.observed[:, n_items // 2] = False
        levels = (1, 2) if preference else (1, 6)
        self.ratings = random.integers(*levels, self.observed.shape).astype(float)
        self.weights = random.integers(1, 4, self.observed.shape).astype(float)
        self.items = random.normal(0, 0.5, (n_items, SHAPE.width)).astype(np.float32)
        self.user_prior = random.normal(0, 0.5, (n_users, SHAPE.width)).astype(np.float32)

    def rows(self):
        users, items = np.nonzero(self.observed)
        data = [(int(u), int(i), self.ratings[u, i], self.weights[u, i]) for u, i in zip(users, items, strict=True)]
        return self.spark.createDataFrame(
            [(u, i, float(r), float(w)) for u, i, r, w in data],
            "user_idx int, item_idx int, rating float, weight float",
        )

    def user_blocks(self, count, partitions=None):
        return rating_blocks(self.rows(), "user_idx", "item_idx", count, self.n_users, partitions=partitions)

    def factors(self, table, count):
        return factor_blocks(self.spark, table, count)

    def half_step(self, *, dst=2, src=3, partitions=None, bytes_=BROADCAST, alpha0=0.0, prior=True, **cg):
        step = half_step(
            self.user_blocks(dst, partitions), self.factors(self.items, src),
            self.factors(self.user_prior, dst) if prior else None, SHAPE, NUMBERS, src_num_blocks=src,
            dst_num_blocks=dst, unobserved_weight=alpha0, broadcast_bytes=bytes_, **cg,
        )  # fmt: skip
        with arrow_batch(self.spark, 2), step as rows:
            solved = rows.cache()
            table = collect_factors(solved, dst, SHAPE.width, max_bytes=ANY)
            sums = solved.select("squared_error", "penalty").collect()
            solved.unpersist()
        return table, sum(row[0] for row in sums), sum(row[1] for row in sums)

    def options(self, alpha0):
        return {"rank": 3, "bias": True, "alpha0": alpha0}

    def expected(self, alpha0=0.0, prior=True):
        means = self.user_prior.astype(float) * prior
        numbers = {"reg": 2.0, "bias_reg": 0.7, "exponent": 0.5}
        matrices = self.ratings, self.weights, self.observed
        table = reference.half_step(
            *matrices, self.items.astype(float), means, mean=2.5, **self.options(alpha0), **numbers
        )
        error = reference.squared_error(*matrices, table, self.items.astype(float), mean=2.5, **self.options(alpha0))
        return table, error, reference.penalty(self.observed, table, means, **self.options(alpha0), **numbers)


@pytest.fixture(scope="module")
def data(spark):
    return Data(spark)


def agrees(result, expected):
    np.testing.assert_allclose(result[0], expected[0], atol=1e-4)
    assert result[1] == pytest.approx(expected[1], rel=1e-4)
    assert result[2] == pytest.approx(expected[2], rel=1e-4)


@pytest.mark.parametrize("partitions", [1, 2, 7, 40])
def test_partition_counts_give_the_same_factors(data, partitions):
    agrees(data.half_step(dst=10, src=3, partitions=partitions), data.expected())


@pytest.mark.parametrize(("dst", "src"), [(1, 1), (2, 5), (30, 20)])
@pytest.mark.parametrize("bytes_", [BROADCAST, SHUFFLED])
def test_any_number_of_blocks_either_way(data, dst, src, bytes_):
    agrees(data.half_step(dst=dst, src=src, bytes_=bytes_), data.expected())


@pytest.mark.parametrize("bytes_", [BROADCAST, SHUFFLED])
def test_implicit_mode_either_way(spark, bytes_):
    plays = Data(spark, preference=True)
    agrees(plays.half_step(alpha0=0.2, bytes_=bytes_), plays.expected(alpha0=0.2))


@pytest.mark.parametrize("bytes_", [BROADCAST, SHUFFLED])
def test_conjugate_gradients_either_way(spark, bytes_):
    plays = Data(spark, preference=True)
    exact = plays.expected(alpha0=0.2)
    agrees(plays.half_step(alpha0=0.2, bytes_=bytes_, cg_steps=30), exact)
    start = plays.factors(exact[0].astype(np.float32), 2)
    agrees(plays.half_step(alpha0=0.2, bytes_=bytes_, cg_steps=1, dst_start=start), exact)
    assert np.abs(plays.half_step(alpha0=0.2, bytes_=bytes_, cg_steps=1)[0] - exact[0]).max() > 1e-3


def test_without_priors(data):
    agrees(data.half_step(prior=False), data.expected(prior=False))


def test_broadcast_and_shuffled_tables_agree_to_the_bit(data):
    shuffled = data.half_step(bytes_=SHUFFLED)
    np.testing.assert_array_equal(data.half_step()[0], shuffled[0])


def test_one_user_and_one_item(spark):
    data = Data(spark, n_users=3, n_items=3)
    data.observed[:], data.observed[2, 1] = False, True
    agrees(data.half_step(dst=4, src=4), data.expected())
    agrees(data.half_step(dst=4, src=4, bytes_=1), data.expected())


@pytest.mark.parametrize("bytes_", [BROADCAST, 1])
def test_no_ratings_leave_the_priors(spark, bytes_):
    empty = Data(spark)
    empty.observed[:] = False
    np.testing.assert_array_equal(empty.half_step(bytes_=bytes_)[0], empty.user_prior)


def test_the_table_matches_its_schema(data):
    step = half_step(
        data.user_blocks(2), data.factors(data.items, 3), None, SHAPE, NUMBERS, src_num_blocks=3, dst_num_blocks=2,
        broadcast_bytes=BROADCAST,
    )  # fmt: skip
    with step as solved:
        assert [(field.name, field.dataType) for field in solved.schema] == [
            (field.name, field.dataType) for field in schemas.HALF_STEP
        ]


def test_a_broadcast_table_is_destroyed_with_the_step_even_if_it_fails(spark, data):
    files, broken = Path(spark.sparkContext._temp_dir), Data(spark)
    broken.ratings[tuple(np.argwhere(broken.observed)[0])] = np.nan
    before = set(files.rglob("*"))
    data.half_step()
    assert set(files.rglob("*")) == before
    with pytest.raises(PythonException, match="idx"):
        broken.half_step()
    assert set(files.rglob("*")) == before


def test_shuffled_rows_are_sorted_and_not_hashed(spark, data):
    """Hashing or collecting a partition would need memory that grows with its number of blocks."""
    step = half_step(
        data.user_blocks(6), data.factors(data.items, 3), None, SHAPE, NUMBERS, src_num_blocks=3, dst_num_blocks=6,
        broadcast_bytes=1,
    )  # fmt: skip
    with step as solved:
        solved.count()
        plan = solved._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Sort [block") >= 2
    assert not any(name in plan for name in ("HashJoin", "HashAggregate", "CartesianProduct", "NestedLoop"))


@pytest.mark.parametrize("bytes_", [BROADCAST, SHUFFLED])
def test_a_missing_source_or_prior_is_an_error(spark, data, bytes_):
    few, users = data.factors(data.items[:9], 3), data.factors(data.user_prior, 2)
    step = half_step(
        data.user_blocks(2), few, None, SHAPE, NUMBERS, src_num_blocks=3, dst_num_blocks=2, broadcast_bytes=bytes_
    )
    with pytest.raises(PythonException, match="no factors"), step as rows:
        rows.collect()
    step = half_step(
        data.user_blocks(2), data.factors(data.items, 3), users.where("block = 0"), SHAPE, NUMBERS,
        src_num_blocks=3, dst_num_blocks=2, broadcast_bytes=bytes_,
    )  # fmt: skip
    with pytest.raises(PythonException, match="column prior of a block does not match"), step as rows:
        rows.collect()


def test_a_missing_source_block_is_named_where_tables_are_shuffled(spark, data):
    step = half_step(
        data.user_blocks(2), data.factors(data.items, 3).where("block <> 1"), None, SHAPE, NUMBERS, src_num_blocks=3,
        dst_num_blocks=2, broadcast_bytes=SHUFFLED, n_src=len(data.items),
    )  # fmt: skip
    with pytest.raises(PythonException, match=r"no factors[\s\S]*source block 1"), step as rows:
        rows.collect()


def test_a_rating_that_is_not_a_number_names_the_entity(spark):
    broken = Data(spark)
    user, item = np.argwhere(broken.observed)[-1]
    broken.ratings[user, item] = np.nan
    with pytest.raises(PythonException, match=f"idx {user} "):
        broken.half_step(dst=4)


@pytest.mark.parametrize("bytes_", [BROADCAST, SHUFFLED])
def test_the_gram_counts_every_source_row_once(spark, data, bytes_):
    factors = data.factors(data.items, 5)
    with broadcast_or_shuffle(factors, 5, SHAPE, broadcast_bytes=bytes_, with_gram=True) as source:
        np.testing.assert_allclose(source.gram, source_gram(data.items, SHAPE), rtol=1e-12)


def test_the_objective_falls_over_rounds(spark, data):
    items, rows, totals = data.factors(data.items, 3).cache(), data.rows(), []
    users_by, items_by = (
        data.user_blocks(2).cache(),
        rating_blocks(rows, "item_idx", "user_idx", 3, data.n_items).cache(),
    )
    for _ in range(4):
        step = half_step(
            users_by, items, data.factors(data.user_prior, 2), SHAPE, NUMBERS, src_num_blocks=3, dst_num_blocks=2,
            broadcast_bytes=BROADCAST,
        )  # fmt: skip
        with step as solved:
            users = solved.localCheckpoint()
        step = half_step(
            items_by, users, None, SHAPE, NUMBERS, src_num_blocks=2, dst_num_blocks=3, broadcast_bytes=BROADCAST
        )
        with step as solved:
            items = solved.localCheckpoint()
        totals.append(objective(users, items))
    values = [terms.total for terms in totals]
    assert all(later < earlier for earlier, later in itertools.pairwise(values))
    matrices = data.ratings, data.weights, data.observed
    tables = (
        collect_factors(side, n, SHAPE.width, max_bytes=ANY).astype(float) for side, n in ((users, 2), (items, 3))
    )
    error = reference.squared_error(*matrices, *tables, mean=2.5, **data.options(0.0))
    assert totals[-1].data == pytest.approx(error / 2, rel=1e-4)
    spark.catalog.clearCache()
