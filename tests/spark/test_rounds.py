"""Rounds: the objective falls, shuffled tables equal broadcast ones, a killed training resumes, a warm start helps."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from pyspark.sql import functions as f

from bgmrec.config.model import FactorizeSettings
from bgmrec.factorize.blocks.factors import collect_factors, solved_factors
from bgmrec.factorize.blocks.prepare import DataSizes, measure, write_blocks, write_user_blocks
from bgmrec.factorize.kernels.noise import ITEM_SIDE, normal_numbers
from bgmrec.runtime.logs import Progress, configure_logging, logger
from bgmrec.storage import columns as c
from bgmrec.storage.models import FACTS, ModelStore
from bgmrec.storage.tables import Tables
from bgmrec.train.checkpoint import Checkpoints
from bgmrec.train.finish import final_rounds
from bgmrec.train.problem import make_problem
from bgmrec.train.rounds import run_rounds
from bgmrec.train.start import write_start
from bgmrec.train.validation import rmse_validator

USERS, ITEMS, SEED = 40, 30, 3
SETTINGS = FactorizeSettings(rank=4, user_reg=2.0, item_reg=2.0, block_rows=7, block_ratings=10_000)
SHUFFLED = {"broadcast_bytes": 300}  # neither side's factors fit: 30 × 5 × 4 bytes are 600
ANY = 10**9


@pytest.fixture(scope="module")
def ratings(spark):
    """Ratings of rank 2 with noise: three quarters are training ratings, the others validate."""
    random = np.random.default_rng(SEED)
    taste = random.normal(size=(USERS, 2)) @ random.normal(size=(2, ITEMS))
    users, items = np.nonzero(random.random((USERS, ITEMS)) < 0.5)
    values = 3.0 + taste[users, items] + random.normal(0, 0.3, users.size)
    part = np.where(random.random(users.size) < 0.75, c.TRAIN, c.VALID)
    rows = [(int(u), int(i), float(r), 1.0, str(p)) for u, i, r, p in zip(users, items, values, part, strict=True)]
    return spark.createDataFrame(rows, "user_idx int, item_idx int, rating float, weight float, part string").cache()


class Training:
    """One training below its own folder."""

    def __init__(self, spark, store, ratings, settings=SETTINGS, previous=None):
        self.tables, self.settings = Tables(spark, str(store)), settings
        index = [spark.range(n) for n in (USERS, ITEMS)]
        self.sizes: DataSizes = measure(self.tables, ratings, *index, settings)
        write_blocks(self.tables, ratings.where("part = 'train'"), self.sizes)
        write_user_blocks(self.tables, "valid_rating_blocks", ratings.where("part = 'valid'"), self.sizes)
        self.problem = make_problem(self.tables, self.sizes, settings, None, None)
        self.checkpoints = Checkpoints(self.tables)
        self.warm = write_start(
            self.checkpoints.round_folder(0), ITEMS, self.sizes.item_blocks, self.problem.shape, seed=SEED,
            scale=settings.init_scale, previous=previous,
        )  # fmt: skip

    def run(self, rounds, patience=100, validate=None):
        progress = Progress(io.StringIO(), live=True)
        return run_rounds(
            self.problem, self.checkpoints, rounds=rounds, patience=patience,
            validate=validate or self.validator(), progress=progress,
        )  # fmt: skip

    def validator(self):
        return rmse_validator(
            self.tables.read("valid_rating_blocks"), self.problem.shape, item_blocks=self.sizes.item_blocks,
            broadcast_bytes=self.settings.broadcast_bytes, clip=None, blocks_per_batch=2,
        )  # fmt: skip

    def table(self, side, number):
        blocks = {"user": self.sizes.user_blocks, "item": self.sizes.item_blocks}[side]
        store = self.checkpoints.round_folder(number)
        return collect_factors(solved_factors(store, side), blocks, self.problem.shape.width, max_bytes=ANY)


@pytest.fixture(scope="module")
def uninterrupted(spark, ratings, tmp_path_factory):
    training = Training(spark, tmp_path_factory.mktemp("uninterrupted"), ratings)
    return training, training.run(4)


def test_the_objective_falls_and_the_ratings_are_learned(uninterrupted):
    _, state = uninterrupted
    totals = [entry["objective"]["total"] for entry in state.history]
    assert all(later < earlier * (1 + 1e-6) for earlier, later in itertools.pairwise(totals))
    assert state.history[-1]["valid"] < 0.7  # the mean alone reaches 1.5, noise alone 0.3


def test_the_objective_is_logged_by_term(uninterrupted, spark, ratings, tmp_path):
    training, stream = Training(spark, tmp_path, ratings), io.StringIO()
    configure_logging("text", stream)
    try:
        training.run(1)
    finally:
        logger.handlers[:] = []
        logger.propagate = True
    terms = uninterrupted[1].history[0]["objective"]
    assert f"user prior {terms['user_prior']:.5g}" in stream.getvalue()
    assert f"item prior {terms['item_prior']:.5g}" in stream.getvalue()


def test_rounds_with_shuffled_tables_equal_those_with_broadcast_ones(uninterrupted, spark, ratings, tmp_path):
    shuffled = Training(spark, tmp_path, ratings, SETTINGS.model_copy(update=SHUFFLED))
    state = shuffled.run(4)
    np.testing.assert_allclose(shuffled.table("user", 4), uninterrupted[0].table("user", 4), atol=1e-4)
    np.testing.assert_allclose(shuffled.table("item", 4), uninterrupted[0].table("item", 4), atol=1e-4)
    assert state.best_value == pytest.approx(uninterrupted[1].best_value, abs=1e-5)


def test_blocks_change_nothing(uninterrupted, spark, ratings, tmp_path):
    cut = Training(spark, tmp_path, ratings, SETTINGS.model_copy(update={"block_rows": 1}))
    cut.run(4)
    np.testing.assert_allclose(cut.table("user", 4), uninterrupted[0].table("user", 4), atol=1e-4)


def test_rounds_of_conjugate_gradients_continue_from_the_last_factors(spark, ratings, tmp_path):
    plays = ratings.withColumn("rating", f.lit(1.0).cast("float"))
    numbers = {"mode": "implicit", "unobserved_weight": 0.2}
    totals = {}
    for steps in (0, 1):
        settings = SETTINGS.model_copy(update={**numbers, "cg_steps": steps})
        training = Training(spark, tmp_path / str(steps), plays, settings)
        state = training.run(8)
        totals[steps] = [entry["objective"]["total"] for entry in state.history]
    assert all(later < earlier * (1 + 1e-6) for earlier, later in itertools.pairwise(totals[1]))
    assert totals[1][0] > totals[0][0] + 0.1  # one step does not solve a row
    assert totals[1][-1] == pytest.approx(totals[0][-1], rel=0.01)  # many rounds of one step do


def test_an_interrupted_round_is_repeated_and_no_other(uninterrupted, spark, ratings, tmp_path):
    training, rounds = Training(spark, tmp_path, ratings), []
    real = training.validator()

    def dies_in_round_three(users, items):
        if len(rounds) == 2:
            raise KeyboardInterrupt
        rounds.append(len(rounds) + 1)
        return real(users, items)

    with pytest.raises(KeyboardInterrupt):
        training.run(4, validate=dies_in_round_three)
    finished = []

    def counts(users, items):
        finished.append(1)
        return real(users, items)

    state = training.run(4, validate=counts)
    assert len(finished) == 2
    assert [entry["round"] for entry in state.history] == [1, 2, 3, 4]
    np.testing.assert_array_equal(training.table("user", 4), uninterrupted[0].table("user", 4))


def test_patience_counts_from_the_best_round(spark, ratings, tmp_path):
    values = iter([0.9, 0.5, 0.6, 0.7, 0.1])
    training = Training(spark, tmp_path, ratings)
    state = training.run(10, patience=2, validate=lambda users, items: next(values))
    assert (state.round, state.best_round) == (4, 2)
    assert training.table("user", 2).shape == (USERS, 5)  # the best round stays beside the last


def test_final_rounds_learn_from_validation_ratings(uninterrupted, spark, ratings, tmp_path):
    training, state = uninterrupted
    everything = Tables(spark, str(tmp_path))
    write_blocks(everything, ratings, training.sizes)
    problem = make_problem(everything, training.sizes, SETTINGS, None, None)
    served = final_rounds(problem, training.checkpoints.round_folder(state.best_round), everything, 2)
    validate = training.validator()
    assert validate(solved_factors(served, "user"), solved_factors(served, "item")) < 0.8 * state.best_value


class TestWarmStart:
    @pytest.fixture
    def stored(self, uninterrupted, spark, tmp_path):
        """A stored model of all items but the last five."""
        training, _ = uninterrupted
        earlier = Training.table(training, "item", 4)[: ITEMS - 5]
        cells = [(block, len(earlier[block::3]), bytearray(earlier[block::3].tobytes())) for block in range(3)]
        blocks = spark.createDataFrame(cells, "block int, n_rows int, factors binary")
        facts = {**dict.fromkeys(FACTS), "shape": {"rank": 4, "bias": True, "mean": 3.0}, "item_blocks": 3}
        return ModelStore(Tables(spark, str(tmp_path / "models"))).save("run", {"item_factors": blocks}, {}, {}, facts)

    def test_earlier_items_keep_their_factors_and_new_items_get_random_ones(
        self, stored, uninterrupted, spark, ratings, tmp_path
    ):
        training = Training(spark, tmp_path / "run", ratings, previous=stored)
        start = training.table("item", 0)
        assert training.warm
        np.testing.assert_array_equal(start[: ITEMS - 5], uninterrupted[0].table("item", 4)[: ITEMS - 5])
        drawn = SETTINGS.init_scale * normal_numbers(SEED, 0, ITEM_SIDE, np.arange(ITEMS - 5, ITEMS), 4)
        np.testing.assert_allclose(start[ITEMS - 5 :, :4], drawn, rtol=1e-5)

    def test_a_warm_start_is_ahead_of_a_cold_one(self, stored, uninterrupted, spark, ratings, tmp_path):
        first = Training(spark, tmp_path / "run", ratings, previous=stored).run(1)
        assert first.best_value < uninterrupted[1].history[0]["valid"]

    def test_a_model_of_another_rank_is_not_used(self, stored, spark, ratings, tmp_path):
        other = SETTINGS.model_copy(update={"rank": 3})
        training = Training(spark, tmp_path / "run", ratings, other, previous=stored)
        assert not training.warm
        assert training.table("item", 0).shape == (ITEMS, 4)
