"""Hyperparameter draws against closed forms; sums against the rows they are sums of."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.sampler.conditionals.hyper import (
    LinkMatrix,
    RowPrior,
    draw_noise_precision,
    draw_prior,
    draw_ridges,
    no_link_matrix,
    stream,
    wishart,
)
from bgmrec.sampler.conditionals.sums import add_all, block_sums
from tests.reference.gibbs import link_posterior

N, WIDTH, COLUMNS, SCALE = 40, 3, 4, 0.1
GROUPS = np.array([0, 0, 1, 1])
RIDGES = np.array([3.0, 0.5])


def world(seed: int = 0):
    random = np.random.default_rng(seed)
    features = random.normal(1, 1, (N, COLUMNS)).astype(np.float32)
    rows = (features @ random.normal(size=(COLUMNS, WIDTH)) + random.normal(size=(N, WIDTH))).astype(np.float32)
    return rows, features


def sums_of(rows, features, scales=None):
    ones = np.ones(len(rows))
    return block_sums(rows, features, 2 * ones, ones if scales is None else scales, ones, ones)


def link_of(features) -> LinkMatrix:
    exact = features.astype(float)
    centred = exact - exact.mean(axis=0)
    return LinkMatrix(exact.mean(axis=0), centred.T @ centred, GROUPS)


def test_sums_of_parts_are_the_sum_of_the_whole():
    rows, features = world()
    cells = [sums_of(rows[part], features[part]).to_cell() for part in (slice(0, 7), slice(7, 7), slice(7, N))]
    whole, added = sums_of(rows, features), add_all(cells, WIDTH)
    assert (added.rows, added.ratings, added.squared_error) == (N, 2 * N, N)
    np.testing.assert_allclose(added.outer, whole.outer, rtol=1e-10)
    np.testing.assert_allclose(added.cross, whole.cross, rtol=1e-5)
    np.testing.assert_allclose(added.total, rows.sum(axis=0), rtol=1e-5)


def test_a_row_of_scale_2_counts_like_two_rows_and_one_of_scale_0_like_none():
    rows, features = world()
    scales = np.repeat([2.0, 0.0, 1.0], [10, 5, N - 15])
    scaled = sums_of(rows, features, scales)
    repeated = np.repeat(np.arange(N), scales.astype(int))
    twice = sums_of(rows[repeated], features[repeated])
    for name in ("scale", "total", "outer", "cross"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(twice, name), rtol=1e-5)
    assert (scaled.rows, scaled.ratings) == (N - 5, 2 * N)


@pytest.fixture(scope="module")
def draws() -> list[RowPrior]:
    rows, features = world()
    sums, link_matrix = sums_of(rows, features), link_of(features)
    return [draw_prior(stream(seed, 1, 0), sums, link_matrix, RIDGES, SCALE) for seed in range(4000)]


def test_precision_has_the_wishart_mean(draws):
    """E Λ = freedom · scale; the mean of 4000 draws of freedom 43 is off by less than 1 %."""
    rows, features = world()
    freedom, inverse, _, _ = link_posterior(rows.astype(float), features.astype(float), RIDGES[GROUPS], SCALE)
    expected = freedom * np.linalg.inv(inverse)
    mean = np.mean([draw.precision for draw in draws], axis=0)
    np.testing.assert_allclose(mean, expected, atol=0.015 * np.abs(expected).max())


def test_link_and_mean_have_the_regression_posterior(draws):
    rows, features = world()
    freedom, inverse, coefficients, covariance = link_posterior(
        rows.astype(float), features.astype(float), RIDGES[GROUPS], SCALE
    )
    of_rows = inverse / (freedom - WIDTH - 1)  # E Λ⁻¹
    weights = np.stack([draw.weights for draw in draws])
    spread = np.sqrt(np.outer(np.diag(covariance), np.diag(of_rows)))
    np.testing.assert_allclose((weights.mean(axis=0) - coefficients[1:]) / spread[1:], 0, atol=0.07)
    np.testing.assert_allclose(weights.std(axis=0) / spread[1:], 1, atol=0.06)
    mu = np.stack([draw.offset + features.mean(axis=0) @ draw.weights for draw in draws])
    np.testing.assert_allclose((mu.mean(axis=0) - coefficients[0]) / spread[0], 0, atol=0.07)
    np.testing.assert_allclose(mu.std(axis=0) / spread[0], 1, atol=0.06)
    crossed = np.mean((weights[:, 0, 0] - coefficients[1, 0]) * (weights[:, 1, 0] - coefficients[2, 0]))
    assert crossed == pytest.approx(covariance[1, 2] * of_rows[0, 0], abs=0.05 * spread[1, 0] * spread[2, 0])


def test_without_features_it_is_the_normal_wishart_of_bpmf():
    """W*⁻¹ = W0⁻¹ + N S̄ + beta0 N / (beta0 + N) x̄ x̄ᵀ (Salakhutdinov & Mnih 2008, eq. 14)."""
    rows, _ = world()
    no_features = np.zeros((N, 0), np.float32)
    exact, mean = rows.astype(float), rows.astype(float).mean(axis=0)
    inverse = SCALE * WIDTH * np.eye(WIDTH) + N * np.cov(exact.T, bias=True) + N / (1 + N) * np.outer(mean, mean)
    sums = sums_of(rows, no_features)
    priors = [draw_prior(stream(seed, 1, 1), sums, no_link_matrix(), np.zeros(0), SCALE) for seed in range(3000)]
    expected = (WIDTH + N) * np.linalg.inv(inverse)
    np.testing.assert_allclose(
        np.mean([prior.precision for prior in priors], axis=0), expected, atol=0.02 * np.abs(expected).max()
    )
    offsets = np.stack([prior.offset for prior in priors])
    np.testing.assert_allclose(offsets.mean(axis=0), N * mean / (1 + N), atol=0.02)
    assert priors[0].means(no_features).shape == (N, WIDTH)


def test_wishart_mean_and_variance():
    """Var Λ_ij = freedom (V_ij² + V_ii V_jj)."""
    random = np.random.default_rng(0)
    inverse = np.array([[2.0, 0.5], [0.5, 1.0]])
    scale, freedom = np.linalg.inv(inverse), 7.5
    draws = np.stack([wishart(random, inverse, freedom) for _ in range(20_000)])
    np.testing.assert_allclose(draws.mean(axis=0), freedom * scale, rtol=0.03)
    variance = freedom * (scale**2 + np.outer(np.diag(scale), np.diag(scale)))
    np.testing.assert_allclose(draws.var(axis=0), variance, rtol=0.08)


def test_ridges_and_noise_have_their_gamma_means():
    rows, features = world()
    link_matrix = link_of(features)
    prior = draw_prior(stream(0, 1, 0), sums_of(rows, features), link_matrix, RIDGES, SCALE)
    random = np.random.default_rng(1)
    ridges = np.mean([draw_ridges(random, prior, link_matrix) for _ in range(5000)], axis=0)
    for group in (0, 1):
        part = prior.weights[group * 2 : group * 2 + 2]
        rate = 0.01 + 0.5 * np.trace(part @ prior.precision @ part.T)
        assert ridges[group] == pytest.approx((1 + 0.5 * 2 * WIDTH) / rate, rel=0.05)
    noise = np.mean([draw_noise_precision(random, 50.0, 80.0) for _ in range(5000)])
    assert noise == pytest.approx(41 / 26, rel=0.02)


def test_means_follow_the_features():
    rows, features = world()
    prior = draw_prior(stream(0, 1, 0), sums_of(rows, features), link_of(features), RIDGES, SCALE)
    expected = prior.offset + features.astype(float) @ prior.weights
    np.testing.assert_allclose(prior.means(features), expected, atol=1e-4)


def test_streams_differ_by_each_of_their_numbers():
    numbers = {stream(*key).normal() for key in [(0, 1, 0), (1, 1, 0), (0, 2, 0), (0, 1, 1)]}
    assert len(numbers) == 4
    assert stream(3, 4, 1).normal() == stream(3, 4, 1).normal()
