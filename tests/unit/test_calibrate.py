"""The calibration of prior means by entities held out of the fit."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.encoders.calibrate import MIN_ROWS, calibrate

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


def test_unrelated_outputs_give_the_mean_of_the_targets():
    targets = draw(N, 5) + 3
    line = calibrate(draw(N, 5, seed=2), targets, rank=4)
    assert line is not None
    assert np.all(line.slope < 0.2)
    assert line.apply(np.zeros((1, 5), np.float32))[0] == pytest.approx(targets.mean(0), abs=0.1)


def test_the_slope_of_exact_outputs_is_1_and_never_more():
    targets = draw(N, 5)
    for outputs, slope in ((targets, 1.0), (targets / 2, 1.0), (targets * 2, 0.5), (-targets, 0.0)):
        line = calibrate(outputs, targets, rank=4)
        assert line is not None
        assert line.slope == pytest.approx(np.full(5, slope), abs=1e-6)


def test_too_few_rows_give_no_calibration_and_constant_outputs_a_slope_of_0():
    assert calibrate(draw(MIN_ROWS - 1, 3), draw(MIN_ROWS - 1, 3), rank=2) is None
    line = calibrate(np.ones((N, 3), np.float32), draw(N, 3), rank=2)
    assert line is not None and not line.slope.any()
