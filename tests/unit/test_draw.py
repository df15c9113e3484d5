"""Draws of rows: mean and covariance over many seeds, zero noise, and independence of the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.factorize.kernels.layout import build_block
from bgmrec.factorize.kernels.row_scale import RowScale
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import Noise, draw_block, solve_block
from bgmrec.factorize.kernels.terms import Regularisation
from tests.reference.gibbs import row_posterior

SHAPE = ModelShape(3, bias=True, mean=3.2)
ALPHA = 1.7
SEEDS = 4000


class Case:
    """Six rows, one of them cold, with a full prior precision."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.observed = random.random((6, 9)) < 0.6
        self.observed[4] = False
        self.dst, self.src_idx = (at.astype(np.int32) for at in np.nonzero(self.observed))
        self.ratings = random.integers(1, 6, self.dst.size).astype(np.float32)
        self.weights = random.uniform(0.5, 2, self.dst.size).astype(np.float32)
        self.source = random.normal(0, 0.7, (9, SHAPE.width)).astype(np.float32)
        self.means = random.normal(0, 0.5, (6, SHAPE.width)).astype(np.float32)
        basis = random.normal(size=(SHAPE.width, SHAPE.width))
        self.precision = basis @ basis.T + 2 * np.eye(SHAPE.width)

    def block(self, number: int = 0, count: int = 1):
        in_block = self.dst % count == number
        return build_block(
            number, count, 6, self.dst[in_block], self.src_idx[in_block], self.ratings[in_block], self.weights[in_block]
        )

    def draw(self, seed: int, number: int = 0, count: int = 1, std: float = ALPHA**-0.5, round_: int = 1, scales=None):
        block = self.block(number, count)
        positions = block.src_ids[block.src_pos]
        noise = Noise(seed, round_, 0, std)
        means = self.means[number::count]
        row_scales = (np.ones(6) if scales is None else scales)[number::count]
        return draw_block(
            block,
            self.source,
            positions,
            means,
            self.precision / ALPHA,
            SHAPE,
            noise,
            scales=row_scales,
            num_blocks=count,
        )


@pytest.fixture(scope="module")
def many() -> tuple[Case, np.ndarray]:
    case = Case()
    return case, np.stack([case.draw(seed)[0] for seed in range(SEEDS)]).astype(np.float64)


@pytest.mark.parametrize("row", range(6))
def test_draws_have_the_posterior_mean_and_covariance(many, row):
    """A mean of 4000 draws is off by 1/63 of a standard deviation, an element of the covariance by 1/45 or so."""
    case, draws = many
    in_row = case.dst == row
    mean, covariance = row_posterior(
        case.ratings[in_row].astype(float), case.weights[in_row].astype(float),
        case.source[case.src_idx[in_row]].astype(float), case.means[row].astype(float), case.precision,
        rank=SHAPE.rank, mean=SHAPE.mean, alpha=ALPHA,
    )  # fmt: skip
    spread = np.sqrt(np.diag(covariance))
    of_row = draws[:, row]
    np.testing.assert_allclose((of_row.mean(axis=0) - mean) / spread, 0, atol=0.07)
    np.testing.assert_allclose((np.cov(of_row.T) - covariance) / np.outer(spread, spread), 0, atol=0.09)


def test_zero_noise_solves():
    case = Case()
    case.precision = ALPHA * np.diag(Regularisation(2.0, 0.5).diagonal(SHAPE))
    block = case.block()
    positions = block.src_ids[block.src_pos]
    solved = solve_block(block, case.source, positions, case.means, SHAPE, Regularisation(2.0, 0.5))
    drawn, errors = case.draw(1, std=0.0)
    np.testing.assert_allclose(drawn, solved.factors, atol=1e-5)
    assert errors.sum() == pytest.approx(solved.squared_error, rel=1e-5)


@pytest.mark.parametrize("count", [2, 5, 8])
def test_a_draw_depends_on_the_entity_and_not_on_its_block(count):
    case = Case()
    whole = case.draw(7)[0]
    for number in range(min(count, 6)):
        np.testing.assert_allclose(case.draw(7, number, count)[0], whole[number::count], atol=1e-6)


def test_rounds_and_seeds_differ():
    case = Case()
    first = case.draw(1)[0]
    assert np.abs(first - case.draw(2)[0]).min() > 1e-6
    assert np.abs(first - case.draw(1, round_=2)[0]).min() > 1e-6


def test_errors_are_those_of_the_drawn_rows():
    case = Case()
    drawn, errors = case.draw(3)
    source = case.source.astype(float)
    scores = SHAPE.mean + drawn[:, :3] @ source[:, :3].T + drawn[:, 3:] + source[:, 3]
    squared = case.weights * (case.ratings - scores[case.dst, case.src_idx]) ** 2
    np.testing.assert_allclose(errors, np.bincount(case.dst, squared, minlength=6), rtol=1e-4)


def test_a_row_of_scale_0_is_its_prior_mean():
    case = Case()
    scales = np.array([1.0, 1, 1, 1, 0, 1])  # row 4 is cold
    drawn = case.draw(3, scales=scales)[0]
    np.testing.assert_array_equal(drawn[4], case.means[4])
    np.testing.assert_array_equal(np.delete(drawn, 4, axis=0), np.delete(case.draw(3)[0], 4, axis=0))


def test_a_scale_multiplies_the_precision_of_the_prior():
    case, doubled = Case(), Case()
    doubled.precision = 2 * case.precision
    np.testing.assert_allclose(case.draw(3, scales=np.full(6, 2.0))[0], doubled.draw(3)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("exponent", "scales"),
    [
        (0.0, [1, 1, 1, 1]),  # 0^0 = 1: without an exponent a cold row counts like any other
        (0.5, [0, 0.5, 1, 2]),  # (1/4)^½, 1, (16/4)^½
        (1.0, [0, 0.25, 1, 4]),
    ],
)
def test_scales_grow_with_the_ratings(exponent, scales):
    np.testing.assert_allclose(RowScale(exponent, mean_ratings=4.0).scales(np.array([0, 1, 4, 16])), scales)
