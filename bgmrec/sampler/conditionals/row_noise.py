"""Noise that differs from row to row: rating (i, j) has the noise precision alpha · w_i · w_j.

w_i ~ Gamma(strength, strength) before the data and Gamma(strength + n_i / 2, strength + alpha e_i / 2) after them,
e_i = Σ_j w_j (r − r̂)²: some people rate by the half star and others by mood. Weights are kept in the factor rows,
behind the bias, and scaled on reading so that their mean logarithm over ratings is 0.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv, ndtr

from bgmrec.factorize.kernels.layout import RatingBlock, block_idx
from bgmrec.factorize.kernels.noise import normals

_WEIGHT_STREAM = 16  # added to the side: the rows' own numbers and their weights' must not be the same


def pair_weights(block: RatingBlock, own: np.ndarray, source: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """w · w_i · w_j of every rating; float32 (ratings,).

    Args:
        own: float32 (n_rows,), weights of the block's rows, scaled.
        source: float32 (n,), those of the source rows.
        positions: each rating's row in `source`.
    """
    weights = np.repeat(own, np.diff(block.row_offsets)) * source[positions]
    return weights * block.weights if block.weights.size else weights


def draw_weights(
    block: RatingBlock, errors: np.ndarray, strength: float, *, alpha: float, seed: int, round_: int, side: int,
    num_blocks: int,
) -> np.ndarray:  # fmt: skip
    """One draw of the block's row weights, by counter: it depends on idx and not on who draws; float64 (n_rows,).

    Args:
        errors: float64 (n_rows,), e_i.
        strength: of the prior.
        alpha: noise precision.
    """
    idx = block_idx(block.n_rows * num_blocks, num_blocks, block.block)[: block.n_rows]
    share = ndtr(normals(seed, round_, side + _WEIGHT_STREAM, idx, 1)[:, 0].astype(np.float64))
    shapes = strength + 0.5 * np.diff(block.row_offsets)
    return gammaincinv(shapes, share) / (strength + 0.5 * alpha * errors)
