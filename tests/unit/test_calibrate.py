"""The trust in an encoder's prior means, from entities that it was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.encoders.calibrate import MIN_ROWS, calibrate
from bgmrec.encoders.state import EncoderState, initial_state

N = 400


def draw(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_the_line_is_the_least_squares_one_for_factors_and_bias_apart():
    # one factor and a bias; four outputs each, repeated so that there are enough rows
    outputs = np.tile(np.array([[0, 10], [2, 10], [4, 30], [6, 30]], np.float32), (MIN_ROWS, 1))
    targets = np.tile(np.array([[1, 1], [1, 1], [3, 6], [3, 6]], np.float32), (MIN_ROWS, 1))
    line = calibrate(outputs, targets, rank=1)
    assert line is not None
    # factor: deviations -3 -1 1 3 and -1 -1 1 1: slope 8 / 20, shift 2 - .4 · 3; bias: 5 more for 20 more
    assert line.slope == pytest.approx([0.4, 0.25])
    assert line.shift == pytest.approx([0.8, -1.5])
    assert line.apply(outputs[:1]) == pytest.approx(np.array([[0.8, 1.0]]))


def test_outputs_that_know_nothing_leave_the_mean_alone():
    targets = draw(N, 5) + 3
    line = calibrate(draw(N, 5, seed=2), targets, rank=4)
    assert line is not None
    assert np.all(line.slope < 0.2)
    assert line.apply(np.zeros((1, 5), np.float32))[0] == pytest.approx(targets.mean(0), abs=0.1)


def test_outputs_that_know_all_are_believed_and_never_more_than_that():
    targets = draw(N, 5)
    for outputs, slope in ((targets, 1.0), (targets / 2, 1.0), (targets * 2, 0.5), (-targets, 0.0)):
        line = calibrate(outputs, targets, rank=4)
        assert line is not None
        assert line.slope == pytest.approx(np.full(5, slope), abs=1e-6)


def test_too_few_rows_and_constant_outputs_are_no_evidence():
    assert calibrate(draw(MIN_ROWS - 1, 3), draw(MIN_ROWS - 1, 3), rank=2) is None
    line = calibrate(np.ones((N, 3), np.float32), draw(N, 3), rank=2)
    assert line is not None and not line.slope.any()


def test_a_state_keeps_its_line():
    state = initial_state("text_cnn", {"vocabulary_size": 5, "feature_width": 2, "width": 3}, 1)
    assert EncoderState.from_bytes(state.to_bytes()).calibration is None
    line = calibrate(draw(N, 3), draw(N, 3), rank=2)
    again = EncoderState.from_bytes(EncoderState(state.kind, state.numbers, state.weights, line).to_bytes())
    assert again.calibration is not None and line is not None
    assert np.array_equal(again.calibration.shift, line.shift) and again.weights.keys() == state.weights.keys()
    again.network()
