"""Power iteration by blocks against NumPy's SVD."""

from __future__ import annotations

import numpy as np
import pytest

from bgmrec.factorize.kernels.layout import build_block
from bgmrec.factorize.kernels.spectral import final_transforms, gram_of, orthonormal, project, row_degrees

N_DST, N_SRC, RANK = 40, 25, 4


def matrix(seed: int = 0) -> np.ndarray:
    """Sparse, with a clear gap after RANK singular values, and an empty row and column."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(N_DST, RANK)) @ random.normal(size=(RANK, N_SRC))
    values[random.random(values.shape) < 0.3] = 0
    values[3], values[:, 5] = 0, 0
    return values.astype(np.float32)


def block_of(values: np.ndarray):
    dst, src = (at.astype(np.int32) for at in np.nonzero(values))
    ratings = values[dst, src]
    return build_block(0, 1, len(values), dst, src, ratings, np.ones_like(ratings))


def iterate(values: np.ndarray, normalised: bool, rounds: int = 30):
    """((dst rows, src rows), transforms) by the steps of the distributed loop."""
    sides = block_of(values), block_of(values.T)
    start = np.random.default_rng(1).normal(size=(N_SRC, 10)).astype(np.float32)
    rows = [np.zeros(0), np.hstack([start, row_degrees(sides[1], normalised)[:, None].astype(np.float32)])]
    transform, of_src = np.eye(10), np.eye(10)
    for step in range(2 * rounds + 1):
        to = step % 2
        block = sides[to]
        if step:
            transform = orthonormal(gram_of(rows[1 - to]))
        if to == 0:
            of_src = transform
        rows[to] = project(block, rows[1 - to], block.src_ids[block.src_pos], transform, normalised)
    return rows, final_transforms(gram_of(rows[0]), of_src, RANK, (N_DST, N_SRC))


def expected(values: np.ndarray, normalised: bool) -> np.ndarray:
    if not normalised:
        return values.astype(float)
    binary = (values != 0).astype(float)
    degrees = [np.maximum(binary.sum(axis=axis), 1) ** -0.5 for axis in (1, 0)]
    return degrees[0][:, None] * binary * degrees[1]


@pytest.mark.parametrize("normalised", [False, True])
def test_features_are_the_leading_singular_vectors_times_their_values(normalised):
    values = matrix()
    rows, transforms = iterate(values, normalised)
    left, singular, right = np.linalg.svd(expected(values, normalised))
    for side, vectors, n in ((0, left, N_DST), (1, right.T, N_SRC)):
        features = rows[side][:, :-1] @ transforms[side]
        exact = vectors[:, :RANK] * singular[:RANK]
        exact *= np.sqrt(n) / np.linalg.norm(exact)
        np.testing.assert_allclose(np.abs(features), np.abs(exact), atol=0.02)
        assert np.mean((features**2).sum(axis=1)) == pytest.approx(1, abs=0.01)


def test_a_matrix_of_low_rank_keeps_only_its_directions():
    random = np.random.default_rng(2)
    values = np.outer(random.normal(size=N_DST), random.normal(size=N_SRC)).astype(np.float32)
    rows, transforms = iterate(values, False, rounds=3)
    assert transforms[0].shape[1] == 1
    np.testing.assert_array_less(0, np.abs(rows[0][:, :-1] @ transforms[0]).max())
