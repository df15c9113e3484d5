"""Models of items alone: a user's scores are x · W, x the items that the user likes and W a weight per pair of items.

No Spark: the weights are computed on the driver, from as many users and items as `item_lists` hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

_COLUMNS = 1024  # of the weights, computed at a time
_MOST_WEIGHTS = 1000  # of each column, the largest ones: the others say little, and would not fit into an executor


@dataclass(frozen=True)
class ItemWeights:
    """A model of items alone.

    Args:
        weights: float32 (n, n); entry (i, j) is what a like of item i adds to the score of item j.
        items: int32 (n,), item_idx of each row and column, the most popular item first.
    """

    weights: sparse.csr_array
    items: np.ndarray


def cosine_weights(likes: sparse.csr_array, neighbours: int) -> sparse.csr_array:
    """ItemKNN: cosines of the items' users, of each item the largest ones (Sarwar et al. 2001).

    Args:
        likes: float32 (users, n) of zeros and ones.
        neighbours: cosines kept per column.

    Returns:
        float32 (n, n), zeros on the diagonal.
    """
    scale = 1.0 / np.sqrt(np.maximum(np.asarray(likes.sum(axis=0)).ravel(), 1.0))
    columns = likes.tocsc()

    def cosines(start: int, stop: int) -> np.ndarray:
        together = (likes.T @ columns[:, start:stop]).toarray()
        return together * scale[:, None] * scale[None, start:stop]

    return _largest(cosines, likes.shape[1], neighbours)


def ease_weights(likes: sparse.csr_array, reg: float) -> sparse.csr_array:
    """EASE (Steck 2019): the weights without a diagonal that best reproduce the users' likes, by least squares.

    With P = (XᵀX + λI)⁻¹ they are −P / diag(P), column by column. n³ steps, 8 n² bytes.

    Args:
        likes: float32 (users, n) of zeros and ones.
        reg: λ.

    Returns:
        float32 (n, n), zeros on the diagonal; of each column at most 1000 entries, the largest in size.
    """
    n = likes.shape[1]
    gram, columns = np.empty((n, n), order="F"), likes.tocsc()
    for start in range(0, n, _COLUMNS):
        gram[:, start : start + _COLUMNS] = (likes.T @ columns[:, start : start + _COLUMNS]).toarray()
    gram[np.arange(n), np.arange(n)] += reg
    factor, _ = linalg.lapack.dpotrf(gram, lower=1, overwrite_a=1)
    inverse, _ = linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)  # its lower triangle

    def weights(start: int, stop: int) -> np.ndarray:
        block = np.empty((n, stop - start))
        block[start:] = inverse[start:, start:stop]
        block[:start] = inverse[start:stop, :start].T
        square = np.tril(block[start:stop])
        block[start:stop] = square + np.tril(square, -1).T
        return block / -np.diag(block[start:stop])

    return _largest(weights, n, _MOST_WEIGHTS)


def _largest(columns: Callable[[int, int], np.ndarray], n: int, kept: int) -> sparse.csr_array:
    """The entries that are largest in size, of each column, without the diagonal.

    Args:
        columns: (first, after the last) → those columns.
        n: number of rows and columns.
        kept: entries per column, at most.
    """
    if n == 0:
        return sparse.csr_array((0, 0), dtype=np.float32)
    parts = list(_parts(columns, n, min(kept, n)))
    row, column, weight = (np.concatenate([part[at] for part in parts]) for at in range(3))
    return sparse.csr_array((weight, (row, column)), shape=(n, n))


def _parts(
    columns: Callable[[int, int], np.ndarray], n: int, kept: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for start in range(0, n, _COLUMNS):
        stop = min(start + _COLUMNS, n)
        block = columns(start, stop)
        block[np.arange(start, stop), np.arange(stop - start)] = 0.0
        rows = np.argpartition(-np.abs(block), kept - 1, axis=0)[:kept]
        weights = np.take_along_axis(block, rows, axis=0)
        at = np.broadcast_to(np.arange(start, stop), rows.shape)
        filled = weights != 0.0
        yield rows[filled], at[filled], weights[filled].astype(np.float32)


def best_items(
    model: ItemWeights, likes: sparse.csr_array, excluded: sparse.csr_array, candidates: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best items of some users; of equal scores the more popular item comes first.

    Args:
        model: the weights.
        likes: float32 (users, items) of zeros and ones, the columns as in `model.items`.
        excluded: the same shape; its entries are not listed.
        candidates: bool (items,), which items may be listed.
        n: length of a list.

    Returns:
        (columns, scores): int64 and float32 (users, min(n, items)), the best first; scores of −∞ are no entries.
    """
    scores = (likes @ model.weights).toarray()
    scores[:, ~candidates] = -np.inf
    rows, columns = excluded.nonzero()
    scores[rows, columns] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return order, np.take_along_axis(scores, order, axis=1)
