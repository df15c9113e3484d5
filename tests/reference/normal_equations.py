"""The half step in plain float64 NumPy, row by row and pair by pair: slow, obvious, the reference of the kernels."""

from __future__ import annotations

import numpy as np


def dense_scores(dst: np.ndarray, src: np.ndarray, rank: int, bias: bool, mean: float) -> np.ndarray:
    """mean + u·v + a + b of every pair, (n_dst, n_src)."""
    scores = mean + dst[:, :rank] @ src[:, :rank].T
    return scores + dst[:, rank:] + src[:, rank:].T if bias else scores


def row_scale(observed: np.ndarray, exponent: float, alpha0: float) -> np.ndarray:
    """s of every row, (n_dst,); a row without ratings is not solved and gets 1."""
    n = observed.sum(axis=1)
    return np.where(n > 0, (n + alpha0 * observed.shape[1]) ** exponent, 1.0)


def pair_weights(observed: np.ndarray, weights: np.ndarray, alpha0: float) -> np.ndarray:
    """The weight of every pair: w + alpha0 where observed, alpha0 elsewhere."""
    return np.where(observed, weights + alpha0, alpha0)


def half_step(ratings, weights, observed, src, prior, *, rank, bias, mean, reg, bias_reg, exponent, alpha0):
    """Solves every row by the normal equation over all pairs; matrices are dense (n_dst, n_src).

    Unobserved ratings are 0. Returns (n_dst, width).
    """
    design = np.hstack([src[:, :rank], np.ones((len(src), 1))]) if bias else src[:, :rank]
    offset = mean + (src[:, rank] if bias else np.zeros(len(src)))
    ridge = np.diag([reg] * rank + [bias_reg] * bias)
    all_weights = pair_weights(observed, weights, alpha0)
    scale = row_scale(observed, exponent, alpha0)
    out = np.array(prior, dtype=np.float64)
    for row in np.flatnonzero(observed.any(axis=1)):
        target = np.where(observed[row], ratings[row], 0.0) - offset
        gram = (design.T * all_weights[row]) @ design + scale[row] * ridge
        rhs = design.T @ (all_weights[row] * target) + scale[row] * ridge @ prior[row]
        out[row] = np.linalg.solve(gram, rhs)
    return out


def squared_error(ratings, weights, observed, dst, src, *, rank, bias, mean, alpha0) -> float:
    """Σ over all pairs of weight · (r − r̂)², with r = 0 and weight alpha0 where unobserved."""
    error = np.where(observed, ratings, 0.0) - dense_scores(dst, src, rank, bias, mean)
    return float((pair_weights(observed, weights, alpha0) * error**2).sum())


def penalty(observed, dst, prior, *, rank, bias, reg, bias_reg, exponent, alpha0) -> float:
    """Σ_i s_i (reg ‖u − m‖² + bias_reg (a − m)²)."""
    ridge = np.array([reg] * rank + [bias_reg] * bias)
    scale = row_scale(observed, exponent, alpha0)
    return float((scale[:, None] * ridge * (dst - prior) ** 2).sum())
