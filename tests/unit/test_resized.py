"""An earlier encoder for more items: earlier items keep their rows, and another network is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bgmrec.encoders.calibrate import Calibration
from bgmrec.encoders.state import initial_state, resized, with_item_factors

NUMBERS = {
    "n_items": 5, "feature_width": 3, "width": 2, "hidden": [4], "use_presence": True, "use_item_factors": True,
    "bias": True,
}  # fmt: skip


def state(seed, **changed):
    return initial_state("asdae", {**NUMBERS, **changed}, seed)


def test_earlier_items_keep_their_rows_and_new_ones_get_random_rows():
    before, fresh = state(1), state(2, n_items=7)
    more = resized(before, fresh)
    assert more.numbers == fresh.numbers and more.network() is not None
    tables = [name for name, array in before.weights.items() if len(array) != len(fresh.weights[name])]
    assert len(tables) >= 4  # both input tables, the output's and the item factors
    for name, array in more.weights.items():
        np.testing.assert_array_equal(array[: len(before.weights[name])], before.weights[name], err_msg=name)
        if name in tables:
            np.testing.assert_array_equal(array[5:], fresh.weights[name][5:], err_msg=name)


@pytest.mark.parametrize("changed", [{"n_items": 4}, {"feature_width": 4}, {"hidden": [5]}, {"use_presence": False}])
def test_another_network_is_refused(changed):
    assert resized(state(1), state(2, **changed)) is None


def test_the_calibration_stays_with_the_weights():
    line = Calibration(np.array([0.5, 0.25], np.float32), np.ones(2, np.float32))
    before = replace(state(1), calibration=line)
    assert resized(before, state(2, n_items=7)).calibration is line
    assert with_item_factors(before, np.ones((5, 2), np.float32)).calibration is line


def test_another_kind_is_refused():
    assert (
        resized(state(1), initial_state("text_cnn", {"vocabulary_size": 5, "feature_width": 3, "width": 2}, 1)) is None
    )


def test_another_dropout_rate_is_another_network():
    assert resized(state(1), state(2, dropout_rate=0.3)) is None
