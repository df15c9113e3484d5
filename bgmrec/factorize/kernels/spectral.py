"""Leading singular vectors of a sparse matrix N by block power iteration, one side at a time.

    Y = N V with orthonormal V,   Yᵀ Y = W S² Wᵀ,   next V' = Nᵀ (Y W S⁻¹)

Only the small Gram matrix Yᵀ Y is summed over all rows. Rows are stored as [y, scale], before they are made
orthonormal: the transform T = W S⁻¹ is applied to the next product, (N V) T = N (V T).

Source: Halko, Martinsson, Tropp, Finding Structure with Randomness, SIAM Review 2011.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from bgmrec.factorize.kernels.layout import RatingBlock

_SMALLEST = 1e-9  # directions with an eigenvalue below this share of the largest are rounding errors


def row_degrees(block: RatingBlock, normalised: bool) -> np.ndarray:
    """n^−1/2 of every row where the matrix is degree-normalised, else 1; float64 (n_rows,).

    Args:
        block: the rows.
        normalised: whether N is the degree-normalised binary matrix.
    """
    n = np.diff(block.row_offsets)
    return np.where(n > 0, np.maximum(n, 1) ** -0.5, 0.0) if normalised else np.ones(block.n_rows)


def project(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, transform: np.ndarray, normalised: bool
) -> np.ndarray:
    """One block of N V T, float32 (n_rows, columns + 1); the last column is the row's scale.

    Args:
        block: the rows of N.
        source: rows [v, scale], float32 (n, width + 1).
        positions: each rating's row in `source`, int32 (ratings,).
        transform: T, (width, columns).
        normalised: True: N = D⁻½ (r ≠ 0) D⁻½ with the degrees of both sides; False: N holds the ratings.
    """
    scale = row_degrees(block, normalised)
    of_source = source[positions, -1]
    values = of_source if normalised else of_source * block.ratings
    matrix = csr_matrix((values, positions, block.row_offsets), shape=(block.n_rows, len(source)))
    rows = (matrix @ source[:, :-1]) @ transform.astype(np.float32)
    return np.hstack([rows * scale[:, None], scale[:, None]]).astype(np.float32)


def gram_of(rows: np.ndarray) -> np.ndarray:
    """Yᵀ Y, float64 (width, width), of rows [y, scale]."""
    exact = rows[:, :-1].astype(np.float64)
    return exact.T @ exact


def singular_values(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, W) of Yᵀ Y = W S² Wᵀ, largest first, without directions that are rounding errors."""
    values, vectors = np.linalg.eigh(gram)
    significant = values > _SMALLEST * max(float(values[-1]), 1e-300)
    return np.sqrt(values[significant])[::-1], vectors[:, significant][:, ::-1]


def orthonormal(gram: np.ndarray) -> np.ndarray:
    """T such that Y T has orthonormal columns, from Yᵀ Y."""
    values, vectors = singular_values(gram)
    return vectors / values


def final_transforms(
    dst_gram: np.ndarray, src_transform: np.ndarray, rank: int, n: tuple[int, int]
) -> list[np.ndarray]:
    """The transforms from both sides' rows y to features: singular vectors times singular values, mean length 1.

    Args:
        dst_gram: Yᵀ Y of Y = N V.
        src_transform: the transform from the source side's rows to V.
        rank: the largest number of features.
        n: rows of the dst and of the src side.

    Returns:
        [transform of the dst side, transform of the src side], each (width, features)
    """
    values, vectors = singular_values(dst_gram)
    values, vectors = values[:rank], vectors[:, :rank]
    length = np.sqrt((values**2).sum())
    return [vectors * np.sqrt(n[0]) / length, src_transform @ vectors * values * np.sqrt(n[1]) / length]
