"""Distinct ids from one minimum per hash bucket: a sum and a count, which Spark aggregates as fast as any other.

An id's hash gives one of K buckets and a number from 0 to 1; of each bucket the least number is kept. While many
buckets are empty, their number says how many ids there are (linear counting, Whang et al. 1990). Else the minima do:
with n / K ids in a bucket on average they are exponential with this rate, cut off at 1, whose estimate of maximum
likelihood is the number of minima divided by their sum. The relative error is about 1 / sqrt(K) at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BUCKETS = 2048  # a power of two; relative error 2.2 %
_EMPTY = 0.15  # share of empty buckets from which they say more than the minima


def estimated_distinct(minima: Sequence[float]) -> int:
    """The number of distinct ids.

    Args:
        minima: the least number, from 0 to 1, of each bucket that has an id.
    """
    empty = BUCKETS - len(minima)
    if empty >= _EMPTY * BUCKETS:
        return round(BUCKETS * math.log(BUCKETS / empty))
    return round(BUCKETS * len(minima) / (sum(minima) + empty))
