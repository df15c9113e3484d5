"""Factors before the first half step."""

from __future__ import annotations

import numpy as np

from bgmrec.factorize.kernels.noise import normals
from bgmrec.factorize.kernels.shape import ModelShape


def initial_rows(idx: np.ndarray, shape: ModelShape, *, seed: int, side: int, scale: float) -> np.ndarray:
    """Latent coordinates ~ N(0, scale²), bias 0; float32 (len(idx), width), the same in any partitioning."""
    rows = np.zeros((len(idx), shape.width), dtype=np.float32)
    rows[:, : shape.rank] = np.float32(scale) * normals(seed, 0, side, idx, shape.rank)
    return rows
