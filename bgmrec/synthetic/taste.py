"""The latent space of users and music: directions of attribute values, affinity of a pair, trends of genres."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bgmrec.synthetic import noise

WIDTH = 8
BIAS_SCALE = 0.35


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1.

    Args:
        rows: (n, width).
    """
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


@lru_cache(maxsize=64)
def basis(seed: int, name: str, n: int) -> np.ndarray:
    """(n, 8) directions of length 1, one for each value of an attribute.

    Args:
        seed: of the world.
        name: of the attribute.
        n: number of values.
    """
    return unit(noise.normals(seed, f"basis/{name}", np.arange(n), WIDTH))


def affinity(tastes: np.ndarray, characters: np.ndarray) -> np.ndarray:
    """sqrt(8) u·v, row by row: standard deviation about 1 over random pairs, at most sqrt(8).

    Args:
        tastes: (…, 8) of length 1.
        characters: (…, 8) of length 1.
    """
    return np.asarray(np.sqrt(WIDTH) * (tastes * characters).sum(axis=-1))


def trend(seed: int, genres: int, days: int, drift: float) -> np.ndarray:
    """(genres, days) what the trend adds to a genre's logit: a slow sine wave of random phase and period.

    Args:
        seed: of the world.
        genres: their number.
        days: their number.
        drift: amplitude.
    """
    phase, pace = noise.uniforms(seed, "trend", np.arange(genres), 2).T
    turns = phase[:, None] + (0.5 + pace[:, None]) * np.arange(days)[None, :] / days
    return np.asarray(drift * np.sin(2 * np.pi * turns))
