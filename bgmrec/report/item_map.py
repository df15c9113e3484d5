"""Item factors in two dimensions, by principal component analysis."""

from __future__ import annotations

import numpy as np


def plane(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two principal components: float64 (items, 2) coordinates, and (2,) shares of the variance.

    The sign of each axis is chosen so that its largest coordinate is positive; a map does not flip between runs.

    Args:
        rows: float (items, rank), at least two items.
    """
    centred = rows.astype(np.float64) - rows.mean(axis=0)
    directions, values, _ = np.linalg.svd(centred, full_matrices=False)
    axes = min(2, len(values))
    points = np.zeros((len(rows), 2))
    points[:, :axes] = directions[:, :axes] * values[:axes]
    largest = points[np.abs(points).argmax(axis=0), [0, 1]]
    total = float(np.square(values).sum()) or 1.0
    shares = np.zeros(2)
    shares[:axes] = np.square(values[:axes]) / total
    return points * np.where(largest < 0, -1.0, 1.0), shares
