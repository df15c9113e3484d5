"""Applies fitted features to all entities: one contiguous float32 cell per entity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from bgmrec.config.features import Feature
from bgmrec.features.encode import encode_features
from bgmrec.features.entities import select_values
from bgmrec.features.fitted import FittedFeatures
from bgmrec.storage import arrays
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import ENTITY_FEATURES

_BATCH_BYTES = 64 * 2**20  # of the cells of one Arrow batch


def transform_features(entities: DataFrame, features: Sequence[Feature], fitted: FittedFeatures) -> DataFrame:
    """`(idx, features)`: float32 (width,) for every entity, without NaN.

    Args:
        entities: `idx` and fields, null where side information lacks them.
        features: the features that `fitted` was fitted with.
        fitted: the fitted state.

    Raises:
        SettingsError: a feature does not fit its field.
    """
    rows = max(1, _BATCH_BYTES // max(1, 4 * fitted.width))

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, rows):
                idx, *values = batch.slice(start, rows).columns
                cells = float_cells(encode_features(values, fitted) if values else np.zeros((len(idx), 0)))
                yield pa.RecordBatch.from_arrays([idx, cells], names=[c.IDX, c.FEATURES])

    return select_values(entities, features).mapInArrow(encode, ENTITY_FEATURES)


def float_cells(matrix: np.ndarray) -> pa.Array:
    """(n, width) → n binary cells of float32, without a copy per row.

    Args:
        matrix: (n, width).
    """
    n_rows, width = matrix.shape
    offsets = np.arange(n_rows + 1, dtype=np.int32) * np.int32(4 * width)
    content = np.ascontiguousarray(matrix, dtype=arrays.FLOAT)
    return pa.BinaryArray.from_buffers(pa.binary(), n_rows, [None, pa.py_buffer(offsets), pa.py_buffer(content)])
