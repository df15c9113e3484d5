"""Item factors in the plane: the two directions in which a sample of them differs most."""

from __future__ import annotations

import numpy as np


def plane(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components: ((items, 2) coordinates, (2,) share of the variance that each shows).

    Each axis points to where its largest coordinate is positive, so that a map does not flip from run to run.

    Args:
        rows: (items, rank); at least two.
    """
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    shown = min(2, len(values))
    points = np.zeros((len(rows), 2))
    points[:, :shown] = left[:, :shown] * values[:shown]
    largest = points[np.abs(points).argmax(axis=0), [0, 1]]
    total = float(np.square(values).sum()) or 1.0
    shares = np.zeros(2)
    shares[:shown] = np.square(values[:shown]) / total
    return points * np.where(largest < 0, -1.0, 1.0), shares
