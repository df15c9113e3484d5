"""Sums over the rows of one side, from which the hyperparameters are drawn; small whatever the number of rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np


@dataclass(frozen=True)
class SideSums:
    """Sums over rows x (width,) with features f (columns,) and scales s (row_scale.py); float64.

    Args:
        rows: number of rows with a scale above 0.
        ratings: number of ratings.
        scale: Σ s.
        squared_error: Σ w (r − r̂)² with the weights after the draw.
        log_weights: Σ n_i log w_i over rows with n_i ratings and noise weight w_i.
        total: Σ s x, (width,).
        outer: Σ s x xᵀ, (width, width).
        cross: Σ s f xᵀ, (columns, width).
    """

    rows: float
    ratings: float
    scale: float
    squared_error: float
    log_weights: float
    total: np.ndarray
    outer: np.ndarray
    cross: np.ndarray

    def __add__(self, other: SideSums) -> SideSums:
        return SideSums(
            self.rows + other.rows,
            self.ratings + other.ratings,
            self.scale + other.scale,
            self.squared_error + other.squared_error,
            self.log_weights + other.log_weights,
            self.total + other.total,
            self.outer + other.outer,
            self.cross + other.cross,
        )

    def to_cell(self) -> bytes:
        """All sums in one binary cell."""
        numbers = [self.rows, self.ratings, self.scale, self.squared_error, self.log_weights]
        return np.concatenate([numbers, self.total, self.outer.ravel(), self.cross.ravel()]).tobytes()

    @classmethod
    def from_cell(cls, cell: bytes, width: int) -> SideSums:
        """The sums that `to_cell` packed.

        Args:
            cell: from `to_cell`.
            width: floats per row.
        """
        numbers = np.frombuffer(cell)
        total, outer, cross = np.split(numbers[5:], [width, width + width * width])
        rows, ratings, scale, error, logs = map(float, numbers[:5])
        return cls(rows, ratings, scale, error, logs, total, outer.reshape(width, width), cross.reshape(-1, width))


def block_sums(
    rows: np.ndarray, features: np.ndarray, n: np.ndarray, scales: np.ndarray, errors: np.ndarray, weights: np.ndarray
) -> SideSums:
    """Sums over the rows of one block.

    Args:
        rows: float32 (n_rows, width).
        features: float32 (n_rows, columns).
        n: number of ratings of each row, (n_rows,).
        scales: s of each row, float64 (n_rows,).
        errors: Σ w (r − r̂)² of each row without the row's noise weight, (n_rows,).
        weights: noise weight of each row, (n_rows,).
    """
    exact = rows.astype(np.float64)
    scaled = exact * scales[:, None]
    return SideSums(
        float(np.count_nonzero(scales)),
        float(n.sum()),
        float(scales.sum()),
        float(errors @ weights),
        float(n @ np.log(weights)),
        scaled.sum(axis=0),
        exact.T @ scaled,
        (features.T @ scaled.astype(np.float32)).astype(np.float64),
    )


def add_all(parts: Iterable[bytes], width: int) -> SideSums:
    """The sum over all tasks, in an order that does not depend on the partitioning.

    Args:
        parts: one cell per task.
        width: floats per row.
    """
    return reduce(SideSums.__add__, (SideSums.from_cell(part, width) for part in sorted(parts)))
