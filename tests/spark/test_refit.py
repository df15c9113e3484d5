"""A refit of one side's encoder: what it remembers of the factors is not taken for knowledge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bgmrec.config.model import FeedSettings
from bgmrec.encoders.fit import FitNumbers
from bgmrec.encoders.state import initial_state
from bgmrec.factorize.blocks.factors import collect_factors, pack_factors
from bgmrec.storage.arrays import FLOAT, INT, to_cell
from bgmrec.storage.schemas import ENTITY_FEATURES, ITEM_INPUTS
from bgmrec.storage.tables import Tables
from bgmrec.train.refit import Refit, SideEncoder

N, FEATURES, RANK, BLOCKS, SEED = 400, 40, 3, 2, 5
NUMBERS = {"vocabulary_size": 0, "feature_width": FEATURES, "width": RANK, "hidden": 64, "dropout_rate": 0.0}
FIT = FitNumbers(epochs=30, batch_size=64, learning_rate=1e-2, weight_decay=0.0, feature_weight_decay=0.0)


def draw(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(FLOAT)


KNOWN = draw(N, FEATURES, seed=1)
FACTORS = np.tanh(KNOWN @ draw(FEATURES, RANK, seed=2) / 6) + 1  # what can be known of an item, known
STRANGE = draw(N, FEATURES, seed=3)


def encoder(spark, store, features, share):
    rows = [(i, to_cell(features[i]), to_cell([], INT), 1.0) for i in range(N)]
    inputs = Tables(spark, str(store)).write(spark.createDataFrame(rows, ITEM_INPUTS), "item_inputs")
    return SideEncoder(
        side="item", n=N, num_blocks=BLOCKS, inputs=inputs, initial=initial_state("text_cnn", NUMBERS, SEED),
        first=FIT, later=replace(FIT, epochs=2), rank=RANK, held_out_share=share, feed=FeedSettings(), seed=SEED,
    )  # fmt: skip


def refit(spark, store, features, share, factors=FACTORS):
    """The state and the prior means (N, RANK) after one refit."""
    side, folder = encoder(spark, store, features, share), Tables(spark, str(store / "round"))
    rows = spark.createDataFrame([(i, to_cell(factors[i])) for i in range(N)], ENTITY_FEATURES)
    packed = folder.write(pack_factors(rows, N, BLOCKS), "factors")
    side.refit(Refit(packed, None, Tables(spark, str(store / "before")), folder, 1, lambda loss: None))
    return side.load(folder), collect_factors(folder.read("item_prior"), BLOCKS, RANK, max_bytes=10**9)


def held_out(spark, store, share):
    side = encoder(spark, store, KNOWN, share)
    return np.array([row.idx for row in side.inputs.where(side._held_out()).select("idx").collect()])


def test_what_an_encoder_only_remembers_is_not_believed(spark, tmp_path):
    _, believed = refit(spark, tmp_path / "all", STRANGE, 0.0)
    _, checked = refit(spark, tmp_path / "some", STRANGE, 0.2)
    spread = FACTORS.std(0).mean()
    assert believed.std(0).mean() > 0.7 * spread  # it has learned by heart what says nothing
    assert checked.std(0).mean() < 0.25 * spread
    assert checked.mean(0) == pytest.approx(FACTORS.mean(0), abs=0.2)


def test_what_it_knows_is_believed(spark, tmp_path):
    state, checked = refit(spark, tmp_path, KNOWN, 0.2)
    assert np.all(state.calibration.slope > 0.7)
    error = np.square(checked - FACTORS)[held_out(spark, tmp_path / "again", 0.2)].mean()
    assert error < 0.5 * FACTORS.var(0).mean()


def test_the_fit_does_not_see_the_factors_that_are_held_out(spark, tmp_path):
    out = held_out(spark, tmp_path / "which", 0.2)
    assert 0.1 * N < len(out) < 0.3 * N
    others = FACTORS.copy()
    others[out] += 10
    state, _ = refit(spark, tmp_path / "one", KNOWN, 0.2)
    changed, _ = refit(spark, tmp_path / "other", KNOWN, 0.2, others)
    for name, weights in state.weights.items():
        np.testing.assert_array_equal(weights, changed.weights[name], err_msg=name)
    assert not np.allclose(state.calibration.shift, changed.calibration.shift)


def test_a_later_night_goes_on_from_the_weights_of_the_one_before(spark, tmp_path):
    learned, priors = refit(spark, tmp_path / "before", KNOWN, 0.0)
    side, start = encoder(spark, tmp_path / "after", KNOWN, 0.0), Tables(spark, str(tmp_path / "after" / "round-0"))
    assert not side.warm_start(None, start)
    assert side.load(start) is None
    assert side.warm_start(learned.to_bytes(), start)
    np.testing.assert_allclose(collect_factors(start.read("item_prior"), BLOCKS, RANK, max_bytes=10**9), priors)
    np.testing.assert_array_equal(side.load(start).weights["output.weight"], learned.weights["output.weight"])
    other = initial_state("text_cnn", {**NUMBERS, "hidden": 8}, SEED)
    assert not side.warm_start(other.to_bytes(), Tables(spark, str(tmp_path / "other")))
