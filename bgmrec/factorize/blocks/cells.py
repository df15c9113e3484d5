"""Rows of binary cells: between Arrow batches and arrays, without copies. No pyspark."""

from __future__ import annotations

import gc
import sys
import zipimport
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

# the function that mapInArrow runs on a partition
OnBatches = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


_main = getattr(sys.modules["__main__"], "__spec__", None)
_IN_WORKER = _main is not None and _main.name.startswith("pyspark.")
_frozen_modules = 0


def lighten_worker() -> None:
    """Shortens what PySpark does around every task in a reused worker; does nothing in other processes.

    After a task PySpark collects garbage over all imported modules, and before the next one it reads the directory of
    pyspark.zip again for every package in it: 0.16 s of processor time per task, 0.002 s with this function. The
    garbage collector skips frozen objects; Python makes a dropped importer again on demand.
    """
    global _frozen_modules
    if not _IN_WORKER:
        return
    if len(sys.modules) != _frozen_modules:  # only after new imports, so that cycles left by tasks are still collected
        _frozen_modules = len(sys.modules)
        gc.collect()
        gc.freeze()
    zipped = [path for path, finder in sys.path_importer_cache.items() if isinstance(finder, zipimport.zipimporter)]
    for path in zipped:
        del sys.path_importer_cache[path]


def read_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """Every row as a dict; binary cells are buffers of the batch, lists are the Arrow arrays of their items.

    Args:
        batches: of one task.
    """
    lighten_worker()
    for batch in batches:
        for row in range(batch.num_rows):
            yield {name: _value(batch.column(at)[row]) for at, name in enumerate(batch.schema.names)}


def _value(scalar: pa.Scalar) -> Any:
    if not scalar.is_valid:
        return None
    if pa.types.is_binary(scalar.type):
        return scalar.as_buffer()
    return scalar.values if pa.types.is_list(scalar.type) else scalar.as_py()


def one_row(**values: Any) -> pa.RecordBatch:
    """A batch of one row.

    Args:
        **values: column name → value: int becomes int32, float double, bytes and arrays binary.
    """
    return pa.RecordBatch.from_arrays([_column(value) for value in values.values()], list(values))


def _column(value: Any) -> pa.Array:
    if isinstance(value, np.ndarray):
        return split_binary(np.ascontiguousarray(value), np.array([value.nbytes]))
    kind = {int: pa.int32(), float: pa.float64(), bytes: pa.binary()}[type(value)]
    return pa.array([value], kind)


def split_binary(data: np.ndarray, sizes: np.ndarray) -> pa.Array:
    """A contiguous array as binary cells, without a copy.

    Args:
        data: C-contiguous.
        sizes: bytes of each cell, (cells,); their sum is the size of the array.
    """
    offsets = np.zeros(len(sizes) + 1, dtype=np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return pa.Array.from_buffers(pa.binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
