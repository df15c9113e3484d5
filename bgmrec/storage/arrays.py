"""Numeric arrays as contiguous binary cells: the form of factors, features and tokens in tables.

A cell holds little-endian float32 or int32 without a header; its shape follows from the table's columns.
"""

from __future__ import annotations

import numpy as np

FLOAT = np.dtype("<f4")
INT = np.dtype("<i4")
MAX_CELL_BYTES = 2**31 - 2**20  # Arrow's binary offsets and Java's arrays are limited to 2 GiB


def to_cell(array: np.ndarray, dtype: np.dtype = FLOAT) -> bytes:
    """Packs an array of any shape into one binary cell, in C order.

    Args:
        array: numbers.
        dtype: of the cell.
    """
    return np.ascontiguousarray(array, dtype=dtype).tobytes()


def from_cell(cell: bytes, width: int | None = None, dtype: np.dtype = FLOAT) -> np.ndarray:
    """A read-only view of a cell.

    Args:
        cell: of `to_cell`.
        width: of the rows; None: one dimension.
        dtype: of the cell.

    Returns:
        `(n,)`, or `(n, width)` with a width.
    """
    flat = np.frombuffer(cell, dtype=dtype)
    return flat if width is None else flat.reshape(-1, width)
