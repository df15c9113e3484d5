"""Counter-based normal random numbers: independent of the partitioning and of the order of drawing.

Each number is a function of (seed, round, side, idx, coordinate). SplitMix64's finaliser mixes the counter, the
Box-Muller transform makes it normal.

Source: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
"""

from __future__ import annotations

import math

import numpy as np

from bgmrec.factorize.kernels.kernel_cache import njit

USER_SIDE, ITEM_SIDE = 0, 1

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_UNIT = 2.0**-53


@njit()
def _mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit()
def _absorb(state: np.uint64, value: np.uint64) -> np.uint64:
    return _mix((state ^ value) + _GOLDEN)


@njit()
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


def normal_numbers(seed: int, round_: int, side: int, idx: np.ndarray, width: int) -> np.ndarray:
    """Standard normal numbers, float32 (len(idx), width); row l depends on idx[l] only.

    Args:
        seed: seed of the run.
        round_: number of the round or draw.
        side: USER_SIDE, ITEM_SIDE, or the number of another stream.
        idx: entities, int64 (n,).
        width: numbers per entity.
    """
    state = np.uint64(0)
    for value in (seed, round_, side):
        # numba returns a uint64 as a Python int, which the next call would take for an int64
        state = np.uint64(_absorb(state, np.uint64(value % 2**64)))
    out = np.empty((len(idx), width), dtype=np.float32)
    _fill(state, np.ascontiguousarray(idx, dtype=np.int64), out)
    return out
