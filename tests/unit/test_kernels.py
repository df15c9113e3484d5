"""Tiles and dot products in vector registers against NumPy."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from bgmrec.factorize.kernels.dots import rows_add, rows_dot
from bgmrec.factorize.kernels.tiles import (
    WEIGHT_RHS,
    WEIGHT_RHS_STEP,
    factor_tile,
    multiply_tile,
    multiply_weight_rhs,
    solve_tile,
)
from bgmrec.factorize.kernels.vectors import LANES, row_add, row_dot, row_multiply, row_scale


@numba.njit
def tile_of(out, a, b, depth, sign):
    multiply_tile(out, LANES, 2 * LANES, a, 3, LANES + 5, b, 2, LANES + 4, depth, np.float32(sign))


@numba.njit
def weight_rhs_of(out, a, b, depth):
    multiply_weight_rhs(out, 0, LANES, a, 0, LANES, b, 0, WEIGHT_RHS, depth, np.float32(1))


@numba.njit
def factored(matrix, inverse):
    return factor_tile(matrix, 0, 2 * LANES, inverse, 0)


@numba.njit
def solved(matrix, inverse):
    solve_tile(matrix, LANES, 0, 2 * LANES, inverse, 0)


@numba.njit
def row_operations(target, source, dots):
    row_scale(target, 1, source, 2, np.float32(3), 2)
    row_add(target, 1, source, 2 + LANES, np.float32(-0.5), 1)
    dots[0] = row_dot(source, 0, source, 1, 2)


@numba.njit
def product_of(target, left, rhs):
    row_multiply(target, 1, left, 2, rhs, 3, 2)


@numba.njit
def dots_of(out, table, rows, count, vector):
    rows_dot(out, 0, table, 1, 2 * LANES + 3, rows, 0, count, vector, 0, 2)


@numba.njit
def sum_of(target, table, rows, count, scales):
    rows_add(target, 1, table, 1, 2 * LANES + 3, rows, 0, count, scales, 0, 2)


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("depth", [0, 1, 7, 64])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tile_is_a_sum_of_outer_products(depth, sign):
    a, b, out = floats(65, LANES + 5, seed=1), floats(65, LANES + 4, seed=2), floats(LANES, 2 * LANES, seed=3)
    expected = out.copy()
    expected[:, LANES:] += sign * b[:depth, 2 : 2 + LANES].T @ a[:depth, 3 : 3 + LANES]
    tile_of(out.reshape(-1), a.reshape(-1), b.reshape(-1), depth, sign)
    np.testing.assert_allclose(out, expected, atol=1e-4)


@pytest.mark.parametrize("depth", [0, 1, 3, 4, 5, 62])
def test_weight_and_rhs_columns_read_rows_up_to_their_step(depth):
    a, b, out = floats(64, LANES), floats(64, WEIGHT_RHS), floats(WEIGHT_RHS, LANES)
    b[depth : -(-depth // WEIGHT_RHS_STEP) * WEIGHT_RHS_STEP] = 0
    expected = out + b[:depth].T @ a[:depth]
    weight_rhs_of(out.reshape(-1), a.reshape(-1), b.reshape(-1), depth)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_factor_and_solve_give_the_cholesky_columns():
    n = 2 * LANES
    basis = floats(3 * n, n).astype(np.float64)
    gram = basis.T @ basis
    matrix, inverse = gram.astype(np.float32), np.zeros(LANES, np.float32)
    assert factored(matrix.reshape(-1), inverse)
    solved(matrix.reshape(-1), inverse)
    columns = np.linalg.cholesky(gram).T[:LANES]
    np.testing.assert_allclose(matrix[:LANES], columns, atol=1e-4)
    assert not np.tril(matrix[:LANES, :LANES], -1).any()
    np.testing.assert_allclose(inverse, 1 / np.diag(columns), rtol=1e-5)


@pytest.mark.parametrize("pivot", [-1.0, 0.0, np.nan])
@pytest.mark.parametrize("position", [0, LANES - 1])
def test_a_pivot_that_is_not_positive_is_reported(pivot, position):
    matrix = np.eye(2 * LANES, dtype=np.float32)
    matrix[position, position] = pivot
    assert not factored(matrix.reshape(-1), np.zeros(LANES, np.float32))


def test_row_operations():
    source, target, dots = floats(3 * LANES), np.zeros(3 * LANES, np.float32), np.zeros(1, np.float32)
    row_operations(target, source, dots)
    expected = np.zeros(3 * LANES)
    expected[1 : 1 + 2 * LANES] = 3 * source[2 : 2 + 2 * LANES]
    expected[1 : 1 + LANES] -= 0.5 * source[2 + LANES : 2 + 2 * LANES]
    np.testing.assert_allclose(target, expected, atol=1e-6)
    assert dots[0] == pytest.approx(source[: 2 * LANES] @ source[1 : 1 + 2 * LANES], rel=1e-4)


def test_a_product_is_taken_element_by_element():
    left, rhs, target = floats(3 * LANES, seed=1), floats(3 * LANES, seed=2), np.zeros(3 * LANES, np.float32)
    product_of(target, left, rhs)
    expected = np.zeros(3 * LANES)
    expected[1 : 1 + 2 * LANES] = left[2 : 2 + 2 * LANES] * rhs[3 : 3 + 2 * LANES]
    np.testing.assert_allclose(target, expected, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, LANES - 1, LANES])
def test_many_dot_products_keep_their_lanes(count):
    table, vector, out = floats(40, 2 * LANES + 3), floats(2 * LANES), np.zeros(LANES, np.float32)
    rows = np.random.default_rng(5).integers(0, 40, LANES).astype(np.int32)
    dots_of(out, table.reshape(-1), rows[:count], count, vector)
    expected = table[rows[:count], 1 : 1 + 2 * LANES] @ vector
    np.testing.assert_allclose(out[:count], expected, atol=1e-5)
    np.testing.assert_allclose(out[count:], expected[-1], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, LANES - 1, LANES])
def test_a_sum_of_rows_takes_the_first_count_rows(count):
    table, scales, target = floats(40, 2 * LANES + 3), floats(LANES, seed=1), floats(2 * LANES + 2, seed=2)
    rows = np.random.default_rng(5).integers(0, 40, LANES).astype(np.int32)
    expected = target.copy()
    expected[1 : 1 + 2 * LANES] += scales[:count] @ table[rows[:count], 1 : 1 + 2 * LANES]
    sum_of(target, table.reshape(-1), rows[:count], count, scales)
    np.testing.assert_allclose(target, expected, atol=1e-4)
