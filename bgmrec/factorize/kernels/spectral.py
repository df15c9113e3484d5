"""Truncated singular vectors of a sparse matrix by block power iteration, a side at a time (no Spark).

    Y = N V,  V orthonormal;  Yᵀ Y = W S² Wᵀ;  next: V' = Nᵀ (Y W S⁻¹), and so on (Halko, Martinsson, Tropp 2011)

Only Y's small Gram matrix leaves the rows. Rows are stored before they are made orthonormal, [y, scale]: the
transform W S⁻¹ is applied to the next product, (N V) T = N (V T).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from bgmrec.factorize.kernels.layout import RatingBlock

_SMALLEST = 1e-9  # of the largest eigenvalue: below it directions are rounding errors


def row_degrees(block: RatingBlock, normalised: bool) -> np.ndarray:
    """n^-1/2 of every row for the degree-normalised binary matrix, else 1; float64 (n_rows,)."""
    n = np.diff(block.row_offsets)
    return np.where(n > 0, np.maximum(n, 1) ** -0.5, 0.0) if normalised else np.ones(block.n_rows)


def project(
    block: RatingBlock, source: np.ndarray, positions: np.ndarray, transform: np.ndarray, normalised: bool
) -> np.ndarray:
    """One block of N V T; float32 (n_rows, columns + 1), the last column the row's scale.

    Args:
        source: float32 (n, width + 1), rows [v, scale].
        positions: each rating's row in `source`.
        transform: (width, columns), T.
        normalised: N is D⁻½ (r ≠ 0) D⁻½ with both sides' degrees; else the ratings themselves.
    """
    scale = row_degrees(block, normalised)
    of_source = source[positions, -1]
    values = of_source if normalised else of_source * block.ratings
    matrix = csr_matrix((values, positions, block.row_offsets), shape=(block.n_rows, len(source)))
    rows = (matrix @ source[:, :-1]) @ transform.astype(np.float32)
    return np.hstack([rows * scale[:, None], scale[:, None]]).astype(np.float32)


def gram_of(rows: np.ndarray) -> np.ndarray:
    """YᵀY of rows [y, scale]; float64 (width, width)."""
    exact = rows[:, :-1].astype(np.float64)
    return exact.T @ exact


def singular_values(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, W) of YᵀY = W S² Wᵀ, largest first, without directions that are rounding errors."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > _SMALLEST * max(float(values[-1]), 1e-300)
    return np.sqrt(values[kept])[::-1], vectors[:, kept][:, ::-1]


def orthonormal(gram: np.ndarray) -> np.ndarray:
    """T so that Y T has orthonormal columns."""
    values, vectors = singular_values(gram)
    return vectors / values


def final_transforms(
    dst_gram: np.ndarray, src_transform: np.ndarray, rank: int, n: tuple[int, int]
) -> list[np.ndarray]:
    """What makes features of both sides' rows: the leading singular vectors times their values, mean length 1.

    Args:
        dst_gram: of Y = N V.
        src_transform: that made V of the source side's rows.
        rank: features per row at most.
        n: rows of either side.
    """
    values, vectors = singular_values(dst_gram)
    values, vectors = values[:rank], vectors[:, :rank]
    length = np.sqrt((values**2).sum())
    return [vectors * np.sqrt(n[0]) / length, src_transform @ vectors * values * np.sqrt(n[1]) / length]
