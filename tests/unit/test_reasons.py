"""The parts of a score: they sum to it, and each is the effect of its rating alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bgmrec.factorize.kernels.reasons import RowInputs, score_parts
from bgmrec.factorize.kernels.terms import Unobserved, source_gram
from tests.reference import normal_equations as reference
from tests.unit.dense import Problem, problem

ROW = 3


def parts_of(case: Problem, row: int, scored: np.ndarray):
    rated = case.observed[row]
    unobserved = Unobserved(case.alpha0, source_gram(case.src, case.shape)) if case.alpha0 else None
    inputs = RowInputs(case.src[rated], case.ratings[row, rated], case.weights[row, rated], case.prior[row])
    return score_parts(inputs, scored, case.shape, case.regularisation, unobserved)


def newer(case: Problem) -> np.ndarray:
    """Item rows of a later half step: in a round users are solved before items."""
    return case.src + np.random.default_rng(5).normal(0, 0.1, case.src.shape).astype(np.float32)


@pytest.mark.parametrize("alpha0", [0.0, 0.3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("mean", [0.0, 3.1])
@pytest.mark.parametrize("exponent", [0.0, 0.5])
def test_the_parts_sum_to_the_score_of_the_compiled_half_step(alpha0, bias, mean, exponent):
    case = problem(alpha0=alpha0, bias=bias, mean=mean, exponent=exponent, weighted=True)
    scored = newer(case)
    scores = reference.dense_scores(case.solve().factors.astype(float), scored, case.shape.rank, bias, mean)
    cold = int(np.flatnonzero(~case.observed.any(axis=1))[0])
    for row in (0, ROW, cold):
        np.testing.assert_allclose(parts_of(case, row, scored).total, scores[row], atol=2e-4)


@pytest.mark.parametrize("alpha0", [0.0, 0.3])
@pytest.mark.parametrize("bias", [False, True])
def test_the_part_of_a_rating_is_what_the_score_loses_without_its_right_hand_side(alpha0, bias):
    """In the dense equation a rating that equals its offset adds nothing to the right-hand side."""
    case = problem(alpha0=alpha0, bias=bias, mean=2.0, weighted=True)
    scored = newer(case)
    parts = parts_of(case, ROW, scored)
    for at, item in enumerate(np.flatnonzero(case.observed[ROW])[:5]):
        offset = 2.0 + (case.src[item, case.shape.rank] if bias else 0.0)
        weight = case.weights[ROW, item]
        muted = case.ratings.copy()
        muted[ROW, item] = weight * offset / (weight + alpha0)
        without = replace(case, ratings=muted).expected()[ROW]
        lost = reference.dense_scores((case.expected()[ROW] - without)[None], scored, case.shape.rank, False, 0.0)[0]
        if bias:
            lost = lost + (case.expected()[ROW] - without)[-1]
        np.testing.assert_allclose(parts.ratings[:, at], lost, atol=1e-8)


@pytest.mark.parametrize("alpha0", [0.0, 0.3])
def test_the_part_of_the_prior_is_what_the_score_loses_with_a_prior_mean_of_zero(alpha0):
    case = problem(alpha0=alpha0, bias=True, mean=2.0, exponent=0.5)
    scored = newer(case)
    without = replace(case, prior=np.zeros_like(case.prior)).expected()
    rank = case.shape.rank
    scores = [reference.dense_scores(users, scored, rank, True, 2.0)[ROW] for users in (case.expected(), without)]
    np.testing.assert_allclose(parts_of(case, ROW, scored).prior, scores[0] - scores[1], atol=1e-8)


def test_without_offsets_unobserved_pairs_have_no_part():
    case = problem(alpha0=0.3, bias=False, mean=0.0)
    np.testing.assert_array_equal(parts_of(case, ROW, newer(case)).unobserved, 0.0)


def test_a_user_without_ratings_is_scored_by_the_prior_alone():
    case = problem(bias=True, mean=3.0)
    cold = int(np.flatnonzero(~case.observed.any(axis=1))[0])
    parts = parts_of(case, cold, case.src)
    assert parts.ratings.shape == (len(case.src), 0)
    assert np.abs(parts.prior).max() > 0
