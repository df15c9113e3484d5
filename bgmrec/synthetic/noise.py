"""Random numbers as a function of (seed, stream, id), so that rows do not depend on partitions or order."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.special import ndtri

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def uniforms(seed: int, stream: str, ids: np.ndarray, n: int) -> np.ndarray:
    """`n` numbers in (0, 1) for each id: SplitMix64 (Steele, Lea, Flood 2014) over (seed, stream, id, number).

    Args:
        seed: of the world.
        stream: name of the draw; streams with different names are independent.
        ids: (rows,) non-negative integers.
        n: draws per id.

    Returns:
        (rows, n) float64.
    """
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    key = np.frombuffer(digest[:8], dtype="<u8")
    states = _mix(np.asarray(ids).astype(np.uint64) * _GOLDEN + key)
    steps = np.arange(1, n + 1, dtype=np.uint64) * _GOLDEN
    bits = _mix(states[:, None] + steps[None, :])  # (rows,) -> (rows, n)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54


def uniform_per_id(seed: int, stream: str, ids: np.ndarray) -> np.ndarray:
    """(rows,) one number in (0, 1) for each id.

    Args:
        seed: of the world.
        stream: name of the draw.
        ids: (rows,).
    """
    return uniforms(seed, stream, ids, 1)[:, 0]


def normals(seed: int, stream: str, ids: np.ndarray, n: int) -> np.ndarray:
    """(rows, n) standard normal draws.

    Args:
        seed: of the world.
        stream: name of the draw.
        ids: (rows,).
        n: draws per id.
    """
    return np.asarray(ndtri(uniforms(seed, stream, ids, n)))


def gumbels(seed: int, stream: str, ids: np.ndarray, n: int) -> np.ndarray:
    """(rows, n) Gumbel draws: the argmax of logits plus Gumbel draws is a draw from the softmax of the logits.

    Args:
        seed: of the world.
        stream: name of the draw.
        ids: (rows,).
        n: draws per id.
    """
    return np.asarray(-np.log(-np.log(uniforms(seed, stream, ids, n))))


def integers(seed: int, stream: str, ids: np.ndarray, high: int) -> np.ndarray:
    """(rows,) one integer in [0, high) for each id.

    Args:
        seed: of the world.
        stream: name of the draw.
        ids: (rows,).
        high: upper bound, excluded.
    """
    return (uniform_per_id(seed, stream, ids) * high).astype(np.int64)


def long_tailed(draws: np.ndarray, n: int, exponent: float) -> np.ndarray:
    """Uniform draws → positions 0..n-1 with frequency ~ (position + 1)^-exponent.

    Args:
        draws: in (0, 1), of any shape.
        n: number of positions.
        exponent: below 1.
    """
    power = 1.0 - exponent
    positions = (1.0 + draws * ((n + 1.0) ** power - 1.0)) ** (1.0 / power) - 1.0
    return np.minimum(positions.astype(np.int64), n - 1)


def _mix(states: np.ndarray) -> np.ndarray:
    states = (states ^ (states >> np.uint64(30))) * _MIX_1
    states = (states ^ (states >> np.uint64(27))) * _MIX_2
    return np.asarray(states ^ (states >> np.uint64(31)))
