"""Counter-based normal numbers: normal, independent, and the same in any partitioning."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.factorize.kernels.init import initial_rows
from bgmrec.factorize.kernels.noise import ITEM_SIDE, USER_SIDE, normal_numbers
from bgmrec.factorize.kernels.shape import ModelShape


def test_moments_and_tails_are_those_of_the_normal_distribution():
    draws = normal_numbers(1, 0, USER_SIDE, np.arange(100_000), 8).ravel().astype(float)
    error = 1 / np.sqrt(draws.size)
    assert abs(draws.mean()) < 4 * error
    assert abs(draws.var() - 1) < 4 * np.sqrt(2) * error
    assert abs((draws**3).mean()) < 4 * np.sqrt(15) * error
    assert abs((draws**4).mean() - 3) < 4 * np.sqrt(96) * error
    assert abs((np.abs(draws) > 1.959964).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95) * error


def test_coordinates_and_neighbours_are_uncorrelated():
    draws = normal_numbers(1, 0, USER_SIDE, np.arange(50_000), 6).astype(float)
    together = np.hstack([draws[:-1], draws[1:], draws[:-1] ** 2 - 1])
    correlation = np.corrcoef(together.T) - np.eye(18)
    assert np.abs(correlation).max() < 5 / np.sqrt(50_000)


@pytest.mark.parametrize("other", [(2, 0, USER_SIDE), (1, 1, USER_SIDE), (1, 0, ITEM_SIDE), (-1, 0, USER_SIDE)])
def test_seed_round_and_side_give_other_numbers(other):
    idx = np.arange(20_000)
    one, two = normal_numbers(1, 0, USER_SIDE, idx, 1), normal_numbers(*other, idx, 1)
    assert abs(np.corrcoef(one[:, 0], two[:, 0])[0, 1]) < 5 / np.sqrt(20_000)


def test_a_row_depends_on_its_idx_alone():
    everything = normal_numbers(3, 2, ITEM_SIDE, np.arange(50), 5)
    some = np.array([49, 0, 7])
    np.testing.assert_array_equal(normal_numbers(3, 2, ITEM_SIDE, some, 5), everything[some])
    np.testing.assert_array_equal(normal_numbers(3, 2, ITEM_SIDE, some, 3), everything[some, :3])


def test_initial_rows_have_their_scale_and_no_bias():
    rows = initial_rows(np.arange(20_000), ModelShape(4, bias=True), seed=1, side=USER_SIDE, scale=0.1)
    assert rows.shape == (20_000, 5)
    assert rows[:, :4].std() == pytest.approx(0.1, rel=0.02)
    assert not rows[:, 4].any()
