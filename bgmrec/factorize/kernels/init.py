"""Random factors for the first half step."""

from __future__ import annotations

import numpy as np

from bgmrec.factorize.kernels.noise import normal_numbers
from bgmrec.factorize.kernels.shape import ModelShape


def initial_rows(idx: np.ndarray, shape: ModelShape, *, seed: int, side: int, scale: float) -> np.ndarray:
    """Random factor rows, float32 (len(idx), width): latent coordinates ~ N(0, scale²), bias 0.

    A row depends on its idx and not on the partitioning.

    Args:
        idx: entities, int64 (n,).
        shape: shape of the model.
        seed: seed of the run.
        side: USER_SIDE or ITEM_SIDE.
        scale: standard deviation of a coordinate.
    """
    rows = np.zeros((len(idx), shape.width), dtype=np.float32)
    rows[:, : shape.rank] = np.float32(scale) * normal_numbers(seed, 0, side, idx, shape.rank)
    return rows
