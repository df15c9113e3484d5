"""The fit of one side's encoder in a round: calibration by held-out entities, and the warm start."""

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


INFORMATIVE = draw(N, FEATURES, seed=1)
FACTORS = np.tanh(INFORMATIVE @ draw(FEATURES, RANK, seed=2) / 6) + 1  # a function of the informative features
UNRELATED = draw(N, FEATURES, seed=3)


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
    side = encoder(spark, store, INFORMATIVE, share)
    return np.array([row.idx for row in side.inputs.where(side._held_out()).select("idx").collect()])


def test_prior_means_that_an_encoder_only_memorised_are_not_trusted(spark, tmp_path):
    _, trusted = refit(spark, tmp_path / "all", UNRELATED, 0.0)
    _, checked = refit(spark, tmp_path / "some", UNRELATED, 0.2)
    spread = FACTORS.std(0).mean()
    assert trusted.std(0).mean() > 0.7 * spread  # it has memorised factors that its features do not explain
    assert checked.std(0).mean() < 0.25 * spread
    assert checked.mean(0) == pytest.approx(FACTORS.mean(0), abs=0.2)


def test_prior_means_that_an_encoder_can_predict_are_trusted(spark, tmp_path):
    state, checked = refit(spark, tmp_path, INFORMATIVE, 0.2)
    assert np.all(state.calibration.slope > 0.7)
    error = np.square(checked - FACTORS)[held_out(spark, tmp_path / "again", 0.2)].mean()
    assert error < 0.5 * FACTORS.var(0).mean()


def test_the_fit_does_not_see_the_factors_that_are_held_out(spark, tmp_path):
    out = held_out(spark, tmp_path / "which", 0.2)
    assert 0.1 * N < len(out) < 0.3 * N
    others = FACTORS.copy()
    others[out] += 10
    state, _ = refit(spark, tmp_path / "one", INFORMATIVE, 0.2)
    changed, _ = refit(spark, tmp_path / "other", INFORMATIVE, 0.2, others)
    for name, weights in state.weights.items():
        np.testing.assert_array_equal(weights, changed.weights[name], err_msg=name)
    assert not np.allclose(state.calibration.shift, changed.calibration.shift)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_warm_start_has_the_weights_and_prior_means_of_the_run_before(spark, tmp_path, share):
    learned, priors = refit(spark, tmp_path / "before", INFORMATIVE, share)
    assert (learned.calibration is None) == (share == 0.0)
    side, start = (
        encoder(spark, tmp_path / "after", INFORMATIVE, share),
        Tables(spark, str(tmp_path / "after" / "round-0")),
    )
    assert not side.warm_start(None, start)
    assert side.load(start) is None
    assert side.warm_start(learned.to_bytes(), start)
    np.testing.assert_allclose(collect_factors(start.read("item_prior"), BLOCKS, RANK, max_bytes=10**9), priors)
    np.testing.assert_array_equal(side.load(start).weights["output.weight"], learned.weights["output.weight"])
    other = initial_state("text_cnn", {**NUMBERS, "hidden": 8}, SEED)
    assert not side.warm_start(other.to_bytes(), Tables(spark, str(tmp_path / "other")))


def test_a_warm_start_does_not_trust_what_the_run_before_did_not(spark, tmp_path):
    learned, _ = refit(spark, tmp_path / "before", UNRELATED, 0.2)
    side, start = encoder(spark, tmp_path / "after", UNRELATED, 0.2), Tables(spark, str(tmp_path / "after" / "round-0"))
    assert side.warm_start(learned.to_bytes(), start)
    warm = collect_factors(start.read("item_prior"), BLOCKS, RANK, max_bytes=10**9)
    assert warm.std(0).mean() < 0.25 * FACTORS.std(0).mean()


def test_without_enough_held_out_entities_the_calibration_of_the_run_before_stays(spark, tmp_path, monkeypatch):
    learned, _ = refit(spark, tmp_path / "before", UNRELATED, 0.2)
    side, start = encoder(spark, tmp_path / "after", UNRELATED, 0.2), Tables(spark, str(tmp_path / "after" / "round-0"))
    assert side.warm_start(learned.to_bytes(), start)
    monkeypatch.setattr("bgmrec.encoders.calibrate.MIN_ROWS", N)
    folder = Tables(spark, str(tmp_path / "after" / "round-1"))
    rows = spark.createDataFrame([(i, to_cell(FACTORS[i])) for i in range(N)], ENTITY_FEATURES)
    packed = folder.write(pack_factors(rows, N, BLOCKS), "factors")
    side.refit(Refit(packed, None, start, folder, 1, lambda loss: None))
    np.testing.assert_array_equal(side.load(folder).calibration.slope, learned.calibration.slope)
