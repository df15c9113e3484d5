"""The link matrix by ridge regression against least squares, with scales, groups and a cold row."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.sampler.conditionals.hyper import LinkMatrix
from bgmrec.sampler.conditionals.ridge import ridge_prior
from bgmrec.sampler.conditionals.sums import block_sums

N, WIDTH, COLUMNS = 50, 3, 4
GROUPS, RIDGES = np.array([0, 0, 1, 1]), np.array([2.0, 30.0])


class World:
    """Rows that are nearly linear in their features; the last row is cold and far from the others."""

    def __init__(self, scales: np.ndarray):
        random = np.random.default_rng(2)
        self.features = random.normal(1, 1, (N, COLUMNS)).astype(np.float32)
        self.rows = (self.features @ random.normal(size=(COLUMNS, WIDTH)) + 5).astype(np.float32)
        self.rows += random.normal(0, 0.1, self.rows.shape).astype(np.float32)
        self.rows[-1] = 100
        self.scales = scales

    def prior(self, ridges: np.ndarray) -> np.ndarray:
        """Prior means of all rows; (N, WIDTH)."""
        ones, exact = np.ones(N), self.features.astype(float)
        sums = block_sums(self.rows, self.features, ones, self.scales, ones, ones)
        mean = np.average(exact, axis=0, weights=self.scales)
        gram = ((exact - mean) * self.scales[:, None]).T @ (exact - mean)
        return ridge_prior(sums, LinkMatrix(mean, gram, GROUPS), ridges).means(self.features)


def scales(cold: float) -> np.ndarray:
    return np.append(np.linspace(0.2, 3, N - 1), cold)


@pytest.mark.parametrize("cold", [0.0, 1.0])
def test_it_is_the_least_squares_solution_of_the_augmented_rows(cold: float) -> None:
    """√s [1, f] B = √s x, with one more row √ridge · e_c · B = 0 per column."""
    world = World(scales(cold))
    design = np.hstack([np.ones((N, 1)), world.features - np.average(world.features, axis=0, weights=world.scales)])
    penalty = np.hstack([np.zeros((COLUMNS, 1)), np.diag(np.sqrt(RIDGES[GROUPS]))])
    root = np.sqrt(world.scales)[:, None]
    left = np.vstack([root * design, penalty])
    right = np.vstack([root * world.rows, np.zeros((COLUMNS, WIDTH))])
    expected = design @ np.linalg.lstsq(left, right, rcond=None)[0]
    np.testing.assert_allclose(world.prior(RIDGES), expected, rtol=1e-3, atol=1e-3)


def test_a_row_of_scale_0_does_not_count() -> None:
    means = World(scales(0.0)).prior(np.array([0.01, 0.01]))
    assert np.abs(means - World(scales(0.0)).rows)[:-1].max() < 0.5
    assert np.abs(World(scales(1.0)).prior(np.array([0.01, 0.01]))[:-1] - means[:-1]).max() > 1


def test_large_ridges_give_every_row_the_mean() -> None:
    world = World(scales(0.0))
    mean = np.average(world.rows, axis=0, weights=world.scales)
    np.testing.assert_allclose(world.prior(np.array([1e9, 1e9])), np.tile(mean, (N, 1)), rtol=1e-4)
