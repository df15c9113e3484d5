"""One block of a half step against plain NumPy, and the properties that follow from the normal equation alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bgmrec.errors import TrainingError
from bgmrec.factorize.kernels.layout import build_block
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import score_block, solve_block
from bgmrec.factorize.kernels.terms import Regularisation
from tests.reference import normal_equations as reference
from tests.unit.dense import Problem, problem


@pytest.mark.parametrize("alpha0", [0.0, 0.3])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("mean", [0.0, 3.1])
def test_every_combination_of_options_equals_numpy(alpha0, bias, weighted, prior, exponent, mean):
    case = problem(alpha0=alpha0, bias=bias, weighted=weighted, prior=prior, exponent=exponent, mean=mean)
    solved = case.solve()
    np.testing.assert_allclose(solved.factors, case.expected(), atol=1e-4, rtol=1e-4)
    error, penalty = case.objective(solved.factors)
    assert solved.squared_error == pytest.approx(error, rel=1e-4)
    assert solved.penalty == pytest.approx(penalty, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("rank", [1, 7, 8, 15, 16, 17, 33, 64, 100, 128])
@pytest.mark.parametrize("bias", [False, True])
def test_ranks_around_the_vector_width_equal_numpy(rank, bias):
    case = problem(rank=rank, bias=bias, n_src=210, weighted=rank % 2 == 1, reg=5.0)
    np.testing.assert_allclose(case.solve().factors, case.expected(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 3, 4, 5, 63, 64, 65, 127, 128, 129, 1000])
def test_row_lengths_around_the_panel_equal_numpy(n):
    case = problem(n_dst=3, n_src=n, rank=20, reg=3.0)
    np.testing.assert_allclose(case.solve().factors, case.expected(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("alpha0", [0.0, 0.3])
def test_a_row_without_ratings_is_its_prior_to_the_bit(alpha0):
    case = problem(alpha0=alpha0, exponent=1.0)
    cold = ~case.observed.any(axis=1)
    assert cold.sum() == 1
    np.testing.assert_array_equal(case.solve().factors[cold], case.prior[cold])


def test_no_prior_is_a_zero_prior():
    case = problem(prior=False)
    block = case.block()
    positions = block.src_ids[block.src_pos]
    without = solve_block(block, case.src, positions, None, case.shape, case.regularisation)
    np.testing.assert_array_equal(without.factors, case.solve().factors)


def test_equals_lstsq_on_the_augmented_rows():
    case = problem(rank=4, bias=False, mean=3.0, reg=0.7)
    for row in (0, 1, 2):
        rated = case.observed[row]
        augmented = np.vstack([case.src[rated], np.sqrt(0.7) * np.eye(4)])
        target = np.concatenate([case.ratings[row, rated] - 3.0, np.sqrt(0.7) * case.prior[row]])
        expected = np.linalg.lstsq(augmented, target, rcond=None)[0]
        np.testing.assert_allclose(case.solve().factors[row], expected, atol=1e-4)


def test_a_large_lambda_tends_to_the_prior():
    distances = [
        np.abs(c.solve().factors - c.prior).max() for c in (problem(reg=r, bias_reg=r) for r in (1e1, 1e3, 1e6))
    ]
    assert distances[0] > 10 * distances[1] > 100 * distances[2]
    assert distances[2] < 1e-3


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rank=st.integers(1, 20), bias=st.booleans(), reg=st.floats(0.5, 50))
def test_the_prior_shifts_the_problem(seed, rank, bias, reg):
    """x(r, m) = m + x(r − m·design, 0): a prior is a change of origin."""
    case = problem(seed=seed, rank=rank, bias=bias, reg=reg, bias_reg=reg)
    design = case.src.copy()
    if bias:
        design[:, rank] = 1
    moved = replace(case, ratings=case.ratings - case.prior @ design.T, prior=np.zeros_like(case.prior))
    np.testing.assert_allclose(case.solve().factors, case.prior + moved.solve().factors, atol=2e-3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), weighted=st.booleans())
def test_the_order_of_the_triples_changes_nothing(seed, weighted):
    case = problem(seed=seed, weighted=weighted)
    dst, src = np.nonzero(case.observed)
    order = np.random.default_rng(seed).permutation(dst.size)
    values = case.ratings[case.observed].astype(np.float32), case.weights[case.observed].astype(np.float32)
    mixed = build_block(
        0, 1, len(case.observed), *(a[order] for a in (*(x.astype(np.int32) for x in (dst, src)), *values))
    )
    positions = mixed.src_ids[mixed.src_pos]
    solved = solve_block(mixed, case.src, positions, case.prior, case.shape, case.regularisation)
    np.testing.assert_array_equal(solved.factors, case.solve().factors)


def test_a_weight_of_two_is_a_rating_given_twice():
    once = problem(weighted=False, exponent=0.0)
    double = replace(once, weights=np.full_like(once.weights, 2.0))
    halved = replace(once, regularisation=Regularisation(1.0, 0.25))
    np.testing.assert_allclose(double.solve().factors, halved.solve().factors, atol=1e-5)


@pytest.mark.parametrize("alpha0", [0.0, 0.1])
def test_the_objective_falls_with_every_half_step(alpha0):
    case = problem(n_dst=40, n_src=60, rank=6, bias=True, alpha0=alpha0, exponent=0.5, weighted=True, share=0.2)
    dst_prior, src_prior, src = case.prior, case.src, case.src
    values, penalties = [], {False: 0.0, True: 0.0}
    for step in range(8):
        flipped = step % 2 == 1
        matrices = (case.ratings, case.weights, case.observed)
        current = Problem(
            *(m.T if flipped else m for m in matrices), src, src_prior if flipped else dst_prior, case.shape,
            case.regularisation, alpha0,
        )  # fmt: skip
        solved = current.solve()
        penalties[flipped] = solved.penalty
        values.append(solved.squared_error + sum(penalties.values()))
        src = solved.factors
    falls = -np.diff(values[1:])
    assert (falls >= -1e-5 * values[0]).all()
    assert falls[0] > 1e-3 * values[0]


@pytest.mark.parametrize("error", [0.0, 0.4])
def test_the_squared_error_of_a_long_row_that_fits_well_keeps_its_digits(error):
    random = np.random.default_rng(5)
    case = problem(n_dst=3, n_src=30_000, rank=32, reg=1e-3, prior=False)
    truth = case.src[:, :32] @ random.normal(0, 0.6, 32) + 3.5  # the squares of ratings are 80 times those of errors
    ratings = (truth + random.normal(0, error, truth.size)).astype(np.float32).astype(np.float64)
    case = replace(case, ratings=np.tile(ratings, (3, 1)), src=np.hstack([case.src[:, :32], np.zeros((30_000, 1))]))
    case = replace(case, src=case.src.astype(np.float32))
    solved = case.solve()
    expected, _ = case.objective(solved.factors)
    everything = float(np.square(case.ratings[case.observed]).sum())
    assert 0.0 <= solved.squared_error == pytest.approx(expected, rel=1e-4, abs=1e-6 * everything)


def test_rank_one_data_are_recovered():
    random = np.random.default_rng(4)
    users, items = random.uniform(1, 2, 30), random.uniform(1, 2, 40)
    truth = np.outer(users, items)
    shape, numbers = ModelShape(1), Regularisation(1e-3)
    observed = random.random(truth.shape) < 0.5
    observed[:, 0], observed[0] = True, True
    item_rows = np.ones((40, 1), np.float32)
    for _ in range(20):
        ones, zero = np.ones_like(truth), np.zeros
        side = Problem(truth, ones, observed, item_rows, zero((30, 1), np.float32), shape, numbers, 0.0)
        user_rows = side.solve().factors
        side = Problem(truth.T, ones.T, observed.T, user_rows, zero((40, 1), np.float32), shape, numbers, 0.0)
        item_rows = side.solve().factors
    np.testing.assert_allclose(user_rows @ item_rows.T, truth, rtol=1e-2)


def test_scores_equal_the_dense_model():
    case = problem(rank=9, mean=3.5)
    block, factors = case.block(), case.solve().factors
    scores = score_block(block, case.src, block.src_ids[block.src_pos], factors, case.shape)
    dense = reference.dense_scores(factors, case.src, 9, True, 3.5)
    np.testing.assert_allclose(scores, dense[case.observed], atol=1e-5)


@pytest.mark.parametrize("spoil", ["ratings", "src", "prior", "reg"])
def test_a_row_that_cannot_be_solved_is_named(spoil):
    case = problem()
    if spoil == "reg":
        case = replace(case, regularisation=Regularisation(-1e3, 0.5))
        row = 0
    else:
        array = getattr(case, spoil).copy()
        array[7 if spoil != "src" else np.flatnonzero(case.observed[7])[0], 0] = np.nan
        row = 7 if spoil == "prior" else 0 if spoil == "src" else int(np.flatnonzero(case.observed[7:, 0])[0]) + 7
        if spoil == "ratings":
            array[:, 0] = case.ratings[:, 0]
            array[row, 0] = np.nan
        case = replace(case, **{spoil: array})
    with pytest.raises(TrainingError, match=rf"local row {row}\)"):
        case.solve()
