"""Rows of a feed for the encoders' unit tests; the last row has nothing to encode."""

from __future__ import annotations

import numpy as np

from bgmrec.feed.rows import Ragged, Rows
from bgmrec.storage.arrays import FLOAT, INT

N_ROWS, N_ITEMS, VOCABULARY, FEATURES, WIDTH = 60, 9, 19, 4, 3


def user_rows(seed: int = 0) -> Rows:
    """Users with 0 to 5 ratings, whose targets depend on their features."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(N_ROWS, FEATURES)).astype(FLOAT)
    lengths = generator.integers(0, 6, N_ROWS)
    features[-1], lengths[-1] = 0, 0
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    idx = np.concatenate([generator.choice(N_ITEMS, n, replace=False) for n in lengths]).astype(INT)
    dense = {
        "idx": np.arange(N_ROWS, dtype=INT),
        "features": features,
        "target": np.tanh(features @ generator.normal(size=(FEATURES, WIDTH))).astype(FLOAT),
        "weight": (lengths > 0).astype(FLOAT),
    }
    values = generator.normal(size=len(idx)).astype(FLOAT)
    return Rows(dense, {"rated_idx": Ragged(idx, offsets), "rated_values": Ragged(values, offsets)})


def item_rows(seed: int = 0) -> Rows:
    """Items with 0 to 11 tokens and random targets."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 12, N_ROWS)
    features = generator.normal(size=(N_ROWS, FEATURES)).astype(FLOAT)
    features[-1], lengths[-1] = 0, 0
    tokens = generator.integers(1, VOCABULARY + 1, lengths.sum()).astype(INT)
    dense = {
        "idx": np.arange(N_ROWS, dtype=INT),
        "features": features,
        "target": generator.normal(size=(N_ROWS, WIDTH)).astype(FLOAT),
        "weight": np.ones(N_ROWS, FLOAT),
    }
    return Rows(dense, {"tokens": Ragged(tokens, np.concatenate([[0], np.cumsum(lengths)]))})
