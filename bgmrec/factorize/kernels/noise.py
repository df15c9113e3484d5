"""Normal numbers by counter: a draw depends on what it is for, not on who draws it or in which order.

Each number is a function of (seed, round, side, idx, coordinate), so that results do not change with the
partitioning. SplitMix64's finaliser (Steele, Lea, Flood 2014) mixes the counter, Box-Muller shapes it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

USER_SIDE, ITEM_SIDE = 0, 1

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_UNIT = 2.0**-53


@numba.njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _absorb(state: np.uint64, value: np.uint64) -> np.uint64:
    return _mix((state ^ value) + _GOLDEN)


@numba.njit(cache=True, nogil=True)
def _fill(state: np.uint64, idx: np.ndarray, out: np.ndarray) -> None:
    for row in range(out.shape[0]):
        of_row = _absorb(state, np.uint64(idx[row]))
        for column in range(0, out.shape[1], 2):
            first = _absorb(of_row, np.uint64(column))
            second = _absorb(of_row, np.uint64(column + 1))
            radius = math.sqrt(-2.0 * math.log((np.float64(first >> np.uint64(11)) + 0.5) * _UNIT))
            angle = 2.0 * math.pi * np.float64(second >> np.uint64(11)) * _UNIT
            out[row, column] = radius * math.cos(angle)
            if column + 1 < out.shape[1]:
                out[row, column + 1] = radius * math.sin(angle)


def normals(seed: int, round_: int, side: int, idx: np.ndarray, width: int) -> np.ndarray:
    """Standard normal numbers, float32 (len(idx), width); row l depends on idx[l] alone."""
    state = np.uint64(0)
    for value in (seed, round_, side):
        # numba gives a uint64 back as a Python int, which it would take for an int64 the next time
        state = np.uint64(_absorb(state, np.uint64(value % 2**64)))
    out = np.empty((len(idx), width), dtype=np.float32)
    _fill(state, np.ascontiguousarray(idx, dtype=np.int64), out)
    return out
