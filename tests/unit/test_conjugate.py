"""Conjugate gradients in the shared basis: they converge to the solution, and every step lowers the objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmrec.errors import TrainingError
from tests.unit.dense import problem

ENOUGH = 60


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
@pytest.mark.parametrize("mean", [0.0, 0.4])
@pytest.mark.parametrize("prior", [False, True])
def test_enough_steps_equal_numpy(bias, weighted, exponent, mean, prior):
    case = problem(alpha0=0.3, bias=bias, weighted=weighted, exponent=exponent, mean=mean, prior=prior)
    near = case.take_steps(ENOUGH)
    np.testing.assert_allclose(near.factors, case.expected(), atol=1e-4, rtol=1e-4)
    error, penalty = case.objective(near.factors)
    assert near.squared_error == pytest.approx(error, rel=1e-4)
    assert near.penalty == pytest.approx(penalty, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("rank", [1, 7, 15, 16, 17, 33, 64])
@pytest.mark.parametrize("bias", [False, True])
def test_ranks_around_the_vector_width_equal_numpy(rank, bias):
    case = problem(rank=rank, bias=bias, n_src=210, alpha0=0.1, weighted=True, reg=5.0)
    np.testing.assert_allclose(case.take_steps(ENOUGH).factors, case.expected(), atol=2e-4, rtol=1e-4)


def test_fewer_ratings_than_steps_are_solved():
    """The shared part is a diagonal that preconditions exactly; n ratings leave n + 1 distinct eigenvalues."""
    case = problem(rank=12, n_src=200, share=0.01, alpha0=0.05, reg=0.5)
    n = case.observed.sum(axis=1)
    few = (n > 0) & (n <= 2)
    assert few.sum() >= 5
    np.testing.assert_allclose(case.take_steps(3).factors[few], case.expected()[few], atol=1e-4)
    assert np.abs(case.take_steps(1).factors[few] - case.expected()[few]).max() > 1e-3


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), bias=st.booleans(), weighted=st.booleans(), exponent=st.sampled_from([0.0, 1.0]))
def test_every_step_lowers_the_objective(seed, bias, weighted, exponent):
    case = problem(seed=seed, rank=8, bias=bias, weighted=weighted, exponent=exponent, alpha0=0.2)
    start = np.random.default_rng(seed).normal(0, 0.5, case.prior.shape).astype(np.float32)
    start[~case.observed.any(axis=1)] = case.prior[~case.observed.any(axis=1)]
    values = [sum(case.objective(start))]
    for steps in (1, 2, 3, 5):
        near = case.take_steps(steps, start)
        values.append(near.squared_error + near.penalty)
    assert (np.diff(values) <= 1e-5 * values[0]).all()
    assert values[1] < values[0]


def test_steps_continue_from_the_given_factors():
    case = problem(rank=10, alpha0=0.3, weighted=True)
    distances = [np.abs(case.take_steps(ENOUGH).factors - case.take_steps(2).factors).max()]
    distances.append(
        np.abs(case.take_steps(ENOUGH).factors - case.take_steps(2, case.take_steps(2).factors).factors).max()
    )
    assert distances[1] < 0.5 * distances[0]
    solved = case.take_steps(ENOUGH).factors
    np.testing.assert_allclose(case.take_steps(1, solved).factors, solved, atol=1e-5)


def test_a_row_without_ratings_is_its_prior_to_the_bit():
    case = problem(alpha0=0.3, exponent=1.0)
    cold = ~case.observed.any(axis=1)
    start = np.ones_like(case.prior)
    np.testing.assert_array_equal(case.take_steps(2, start).factors[cold], case.prior[cold])


def test_a_rating_that_is_not_a_number_names_the_row():
    case = problem(alpha0=0.3)
    ratings = case.ratings.copy()
    ratings[7, np.flatnonzero(case.observed[7])[0]] = np.nan
    with pytest.raises(TrainingError, match=r"local row 7\)"):
        replace(case, ratings=ratings).take_steps(2)
