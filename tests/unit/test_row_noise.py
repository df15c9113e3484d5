"""Noise weights of rows: the weights of ratings, and draws from the posterior Gamma distribution."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.factorize.kernels.layout import build_block
from bgmrec.sampler.conditionals.row_noise import draw_weights, pair_weights


def block_of(number: int = 0, count: int = 1, weight: float = 1.0):
    dst = np.array([0, 0, 1, 2, 2, 2], np.int32)
    src = np.array([0, 2, 1, 0, 1, 2], np.int32)
    in_block = dst % count == number
    ones = np.full(int(in_block.sum()), weight, np.float32)
    return build_block(number, count, 3, dst[in_block], src[in_block], ones, ones)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_the_weight_of_a_rating_is_the_product_of_its_rows_weights(weight):
    rows, source = np.array([2.0, 3.0, 5.0], np.float32), np.array([1.0, 10.0, 100.0], np.float32)
    block = block_of(weight=weight)
    weights = pair_weights(block, rows, source, block.src_ids[block.src_pos])
    np.testing.assert_allclose(weights, weight * np.array([2.0, 200.0, 30.0, 5.0, 50.0, 500.0]))


def test_weights_have_the_posterior_gamma():
    """Shape 4 + n/2, rate 4 + alpha e/2: mean shape/rate, variance shape/rate²."""
    errors = np.array([1.0, 8.0, 0.5])
    found = np.stack(
        [
            draw_weights(block_of(), errors, 4.0, alpha=2.0, seed=seed, round_=1, side=0, num_blocks=1)
            for seed in range(4000)
        ]
    )
    shape, rate = 4 + np.array([2, 1, 3]) / 2, 4 + errors
    np.testing.assert_allclose(found.mean(axis=0), shape / rate, rtol=0.03)
    np.testing.assert_allclose(found.var(axis=0), shape / rate**2, rtol=0.1)


def test_a_weight_depends_on_the_entity_and_not_on_its_block():
    numbers = {"alpha": 1.0, "seed": 5, "round_": 2, "side": 1}
    whole = draw_weights(block_of(), np.ones(3), 4.0, num_blocks=1, **numbers)
    for number in (0, 1):
        block = block_of(number, 2)
        half = draw_weights(block, np.ones(block.n_rows), 4.0, num_blocks=2, **numbers)
        np.testing.assert_allclose(half, whole[number::2])
