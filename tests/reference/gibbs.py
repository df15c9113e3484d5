"""Posteriors of the sampler in plain float64 NumPy: slow, obvious, the reference for draws over many seeds."""

from __future__ import annotations

import numpy as np


def row_posterior(ratings, weights, source, mean_row, precision, *, rank, mean, alpha):
    """(mean, covariance) of one row: Λ + alpha Σ w d dᵀ, the other side's rows [v, b] as its design.

    Args:
        ratings, weights: (n,), of the row.
        source: (n, width), the rated rows.
        mean_row, precision: the prior, not divided by alpha.
    """
    design = np.hstack([source[:, :rank], np.ones((len(source), 1))])
    target = ratings - mean - source[:, rank]
    matrix = precision + alpha * (design.T * weights) @ design
    rhs = precision @ mean_row + alpha * design.T @ (weights * target)
    return np.linalg.solve(matrix, rhs), np.linalg.inv(matrix)


def link_posterior(rows, features, ridges, scale):
    """Posterior of (Λ, mu, B) by ordinary conjugate regression on [1, f − f̄]: no block elimination, no sums.

    Returns:
        (freedom, Λ's inverse scale, coefficients (1 + columns, width), their row covariance)
    """
    n, width = rows.shape
    design = np.hstack([np.ones((n, 1)), features - features.mean(axis=0)])
    matrix = design.T @ design + np.diag([1.0, *ridges])
    coefficients = np.linalg.solve(matrix, design.T @ rows)
    residual = rows - design @ coefficients
    penalty = coefficients.T @ np.diag([1.0, *ridges]) @ coefficients
    inverse = scale * width * np.eye(width) + residual.T @ residual + penalty
    return width + n, inverse, coefficients, np.linalg.inv(matrix)
