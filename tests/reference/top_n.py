"""Top-N the slow, obvious way: every score, one full sort, one walk."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np


def top_n(
    scores: Sequence[float],
    n: int,
    *,
    seen: Collection[int] = (),
    allowed: Collection[int] | None = None,
    groups: Sequence[int] | None = None,
    per_group: int = 0,
) -> list[tuple[int, float]]:
    """(item, score) of one list: best score first, equal scores by lower item, at most `per_group` of one group."""
    accepted: list[tuple[int, float]] = []
    counts: dict[int, int] = {}
    for item in sorted(range(len(scores)), key=lambda j: (-scores[j], j)):
        if item in seen or (allowed is not None and item not in allowed) or len(accepted) == n:
            continue
        if per_group and groups is not None:
            if counts.get(groups[item], 0) == per_group:
                continue
            counts[groups[item]] = counts.get(groups[item], 0) + 1
        accepted.append((item, float(scores[item])))
    return accepted


def cosines(vectors: np.ndarray, item: int) -> dict[int, float]:
    """The cosine of one item with every other that has a direction."""
    own = np.linalg.norm(vectors[item])
    lengths = [float(np.linalg.norm(vector)) for vector in vectors]
    return {
        j: float(vectors[item] @ vectors[j]) / (own * lengths[j])
        for j in range(len(vectors))
        if j != item and lengths[j] > 0 and own > 0
    }
