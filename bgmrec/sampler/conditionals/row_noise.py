"""Noise weights per row: rating (i, j) has the noise precision alpha · w_i · w_j.

    prior      w_i ~ Gamma(strength, strength)
    posterior  w_i ~ Gamma(strength + n_i / 2, strength + alpha e_i / 2)  with e_i = Σ_j w_j (r − r̂)²

Some users rate more consistently than others. The weights are stored in the factor rows, after the bias, and scaled on
reading so that their mean logarithm over ratings is 0.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaincinv, ndtr

from bgmrec.factorize.kernels.layout import RatingBlock, block_idx
from bgmrec.factorize.kernels.noise import normal_numbers

_WEIGHT_STREAM = 16  # added to the side, so that weights and factors of a row use different random numbers


def pair_weights(
    block: RatingBlock, row_weights: np.ndarray, source_weights: np.ndarray, positions: np.ndarray
) -> np.ndarray:
    """w · w_i · w_j of every rating, float32 (ratings,).

    Args:
        block: the ratings, with their weights w.
        row_weights: scaled noise weights of the block's rows, float32 (n_rows,).
        source_weights: scaled noise weights of the source rows, float32 (n,).
        positions: each rating's position in `source_weights`, int32 (ratings,).
    """
    weights = np.repeat(row_weights, np.diff(block.row_offsets)) * source_weights[positions]
    return weights * block.weights if block.weights.size else weights


def draw_weights(
    block: RatingBlock, errors: np.ndarray, strength: float, *, alpha: float, seed: int, round_: int, side: int,
    num_blocks: int,
) -> np.ndarray:  # fmt: skip
    """One draw of the noise weights of a block's rows, float64 (n_rows,); it depends on idx, not on the partitioning.

    Args:
        block: the block.
        errors: e_i, float64 (n_rows,).
        strength: strength of the prior.
        alpha: noise precision.
        seed: seed of the run.
        round_: number of the draw.
        side: USER_SIDE or ITEM_SIDE.
        num_blocks: blocks of the side.
    """
    idx = block_idx(block.n_rows * num_blocks, num_blocks, block.block)[: block.n_rows]
    share = ndtr(normal_numbers(seed, round_, side + _WEIGHT_STREAM, idx, 1)[:, 0].astype(np.float64))
    shapes = strength + 0.5 * np.diff(block.row_offsets)
    return gammaincinv(shapes, share) / (strength + 0.5 * alpha * errors)
