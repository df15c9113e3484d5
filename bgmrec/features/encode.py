"""Raw values of a batch of entities → rows of the feature vector, column by column over arrays (no Spark)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bgmrec.features.fitted import FittedFeature, FittedFeatures

# standard deviations; a follower count a thousand of them out would dominate an encoder's first layer
LIMIT = 10.0


def encode_features(values: Sequence[pa.Array], fitted: FittedFeatures) -> np.ndarray:
    """Encodes a batch of entities.

    Args:
        values: per feature, arrays of strings (categorical), doubles (numbers) or arrays of floats (vectors).
        fitted: the fitted state.

    Returns:
        float32 (n, width), without NaN; a missing value is all zeros, with a one in the feature's missing column if it
        has one
    """
    n_rows = len(values[0]) if values else 0
    parts = [_ENCODERS[feature.kind](array, feature) for array, feature in zip(values, fitted.features, strict=True)]
    return np.concatenate(parts, axis=1, dtype=np.float32) if parts else np.zeros((n_rows, 0), np.float32)


def _one_hot(array: pa.Array, feature: FittedFeature) -> np.ndarray:
    codes = pc.index_in(array.flatten(), value_set=pa.array(feature.vocabulary, pa.string()))
    other = len(feature.vocabulary)
    return _ones(array, codes.fill_null(other).to_numpy(zero_copy_only=False), other + 1)


def _hashed(array: pa.Array, feature: FittedFeature) -> np.ndarray:
    distinct = array.flatten().dictionary_encode()
    # crc32, because Python's hash() of a text differs between processes
    buckets = [
        zlib.crc32(f"{feature.field}={value}".encode()) % feature.size for value in distinct.dictionary.to_pylist()
    ]
    codes = np.asarray(buckets, np.int64)[distinct.indices.to_numpy(zero_copy_only=False)]
    return _ones(array, codes, feature.size)


def _ones(array: pa.Array, codes: np.ndarray, width: int) -> np.ndarray:
    encoded = np.zeros((len(array), width), np.float32)
    encoded[pc.list_parent_indices(array).to_numpy(zero_copy_only=False), codes] = 1.0
    return encoded


def _number(array: pa.Array, feature: FittedFeature) -> np.ndarray:
    numbers = array.to_numpy(zero_copy_only=False).astype(np.float64)  # null → NaN
    return _standardized(numbers[:, None], np.isnan(numbers), feature)


def _vector(array: pa.Array, feature: FittedFeature) -> np.ndarray:
    complete = pc.equal(pc.list_value_length(array), feature.size).fill_null(False).to_numpy(zero_copy_only=False)
    numbers = np.full((len(array), feature.size), np.nan)
    numbers[complete] = (
        array.filter(pa.array(complete)).flatten().to_numpy(zero_copy_only=False).reshape(-1, feature.size)
    )
    return _standardized(numbers, np.isnan(numbers).any(axis=1), feature)


def _standardized(numbers: np.ndarray, missing: np.ndarray, feature: FittedFeature) -> np.ndarray:
    """(n, columns) → (n, columns + 1): (number - mean) / std; the last column is 1 for missing rows."""
    with np.errstate(over="ignore"):  # an infinite quotient is clipped like any other
        scaled = np.clip((numbers - np.asarray(feature.mean)) / np.asarray(feature.std), -LIMIT, LIMIT)
    scaled[missing] = 0.0
    return np.concatenate([scaled, missing[:, None]], axis=1)


_ENCODERS = {
    "one_hot": _one_hot,
    "multi_hot": _one_hot,
    "hashed": _hashed,
    "number": _number,
    "log_number": _number,
    "vector": _vector,
}
