"""Decoded rows of a feed table: fixed-width columns as matrices, lists as flat values with offsets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bgmrec.storage import columns as c
from bgmrec.storage.arrays import FLOAT, INT

SCALARS = {c.IDX: INT, c.WEIGHT: FLOAT}
MATRICES = {c.FEATURES: FLOAT, c.TARGET: FLOAT}  # binary cells, all of one length
LISTS = {c.RATED_IDX: INT, c.RATED_VALUES: FLOAT, c.TOKENS: INT}  # binary cells of any length


@dataclass(frozen=True)
class Ragged:
    """Lists of different lengths: list i is `values[offsets[i]:offsets[i + 1]]`."""

    values: np.ndarray  # (total,)
    offsets: np.ndarray  # (n + 1,) int64

    def lengths(self) -> np.ndarray:
        """(n,) length of each list."""
        return np.diff(self.offsets)

    def take(self, index: np.ndarray) -> Ragged:
        """The lists at some positions, in that order.

        Args:
            index: (m,) positions.
        """
        lengths = self.lengths()[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # position p of list i lies at starts[i] + p: a range over all positions, shifted list by list
        shift = np.repeat(self.offsets[:-1][index] - offsets[:-1], lengths)
        return Ragged(self.values[np.arange(offsets[-1]) + shift], offsets)

    def padded(self) -> np.ndarray:
        """(n, longest list), padded with 0."""
        lengths = self.lengths()
        matrix = np.zeros((len(lengths), int(lengths.max(initial=0))), self.values.dtype)
        matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = self.values
        return matrix


@dataclass(frozen=True)
class Rows:
    """Rows of a feed table, by column name."""

    dense: dict[str, np.ndarray]
    ragged: dict[str, Ragged]

    def __len__(self) -> int:
        return len(self.dense[c.IDX])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        lists = sum(r.values.nbytes + r.offsets.nbytes for r in self.ragged.values())
        return lists + sum(array.nbytes for array in self.dense.values())

    def take(self, index: np.ndarray) -> Rows:
        """The rows at some positions, in that order.

        Args:
            index: (m,) positions.
        """
        return Rows(
            {name: array[index] for name, array in self.dense.items()},
            {name: lists.take(index) for name, lists in self.ragged.items()},
        )


def decode(cells: dict[str, np.ndarray]) -> Rows:
    """Rows from the columns of a feed table as Parquet gives them: numbers, and binary cells as `bytes`.

    Args:
        cells: column name → (n,) values.

    Raises:
        ValueError: the cells of a fixed-width column have different lengths.
    """
    dense = {name: np.asarray(cells[name]).astype(kind) for name, kind in SCALARS.items() if name in cells}
    dense |= {name: _matrix(name, cells[name], kind) for name, kind in MATRICES.items() if name in cells}
    return Rows(dense, {name: _lists(cells[name], kind) for name, kind in LISTS.items() if name in cells})


def _matrix(name: str, cells: np.ndarray, kind: np.dtype) -> np.ndarray:
    sizes = {len(cell) for cell in cells}
    if len(sizes) > 1:
        raise ValueError(f"column {name} holds cells of {sorted(sizes)[:5]} bytes where one length was expected")
    width = sizes.pop() // kind.itemsize if sizes else 0
    return np.frombuffer(b"".join(cells), kind).reshape(len(cells), width)


def _lists(cells: np.ndarray, kind: np.dtype) -> Ragged:
    lengths = np.fromiter((len(cell) for cell in cells), np.int64, len(cells)) // kind.itemsize
    return Ragged(np.frombuffer(b"".join(cells), kind), np.concatenate([[0], np.cumsum(lengths)]))


def concatenate(parts: Sequence[Rows]) -> Rows:
    """All rows of all parts, in order.

    Args:
        parts: at least one.
    """
    parts = [part for part in parts if len(part)] or parts[:1]  # the width of a matrix without rows is unknown
    if len(parts) == 1:
        return parts[0]
    dense = {name: np.concatenate([part.dense[name] for part in parts]) for name in parts[0].dense}
    return Rows(dense, {name: _chain([part.ragged[name] for part in parts]) for name in parts[0].ragged})


def _chain(lists: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([part.lengths() for part in lists])
    return Ragged(np.concatenate([part.values for part in lists]), np.concatenate([[0], np.cumsum(lengths)]))


def cut(parts: Iterator[Rows], n_rows: int, steps: int) -> Iterator[Rows]:
    """Exactly `steps` slices of nearly equal size from a stream of rows.

    The last slice has all remaining rows, also those beyond `n_rows`; if rows are missing, the last slices are short
    or empty. The number of slices is fixed because the processes of a training take their steps together.

    Args:
        parts: the stream.
        n_rows: expected number of rows.
        steps: number of slices.
    """
    buffer: Rows | None = None
    for step in range(steps):
        size = n_rows * (step + 1) // steps - n_rows * step // steps
        while buffer is None or len(buffer) < size or step == steps - 1:
            part = next(parts, None)
            if part is None:
                break
            buffer = part if buffer is None else concatenate([buffer, part])
        if buffer is None:
            return
        size = len(buffer) if step == steps - 1 else min(size, len(buffer))
        yield buffer.take(np.arange(size))
        buffer = buffer.take(np.arange(size, len(buffer)))
