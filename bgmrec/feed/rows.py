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
    """Lists of unlike lengths: list i is `values[offsets[i]:offsets[i + 1]]`."""

    values: np.ndarray  # (total,)
    offsets: np.ndarray  # (n + 1,) int64

    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def take(self, index: np.ndarray) -> Ragged:
        """The lists at `index`, in that order."""
        lengths = self.lengths()[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        # position p of list i lies at starts[i] + p: a range over all positions, shifted list by list
        shift = np.repeat(self.offsets[:-1][index] - offsets[:-1], lengths)
        return Ragged(self.values[np.arange(offsets[-1]) + shift], offsets)

    def padded(self) -> np.ndarray:
        """(n, longest list), filled up with 0."""
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
        lists = sum(r.values.nbytes + r.offsets.nbytes for r in self.ragged.values())
        return lists + sum(array.nbytes for array in self.dense.values())

    def take(self, index: np.ndarray) -> Rows:
        """The rows at `index`, in that order."""
        return Rows(
            {name: array[index] for name, array in self.dense.items()},
            {name: lists.take(index) for name, lists in self.ragged.items()},
        )


def decode(cells: dict[str, np.ndarray]) -> Rows:
    """Rows from the columns of a feed table as they come out of Parquet: numbers, and binary cells as `bytes`.

    Raises:
        ValueError: the cells of a fixed-width column are of unlike length.
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
    """All rows of all parts, in order; at least one part."""
    parts = [part for part in parts if len(part)] or parts[:1]  # without cells, a matrix does not know its width
    if len(parts) == 1:
        return parts[0]
    dense = {name: np.concatenate([part.dense[name] for part in parts]) for name in parts[0].dense}
    return Rows(dense, {name: _chain([part.ragged[name] for part in parts]) for name in parts[0].ragged})


def _chain(lists: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([part.lengths() for part in lists])
    return Ragged(np.concatenate([part.values for part in lists]), np.concatenate([[0], np.cumsum(lengths)]))


def cut(parts: Iterator[Rows], n_rows: int, steps: int) -> Iterator[Rows]:
    """Exactly `steps` near-equal slices of a stream of `n_rows` rows.

    The last slice takes whatever is left: rows that come beyond `n_rows` are not lost, and where rows are
    missing the last slices are short or empty, so that processes that step together stay together.
    """
    held: Rows | None = None
    for step in range(steps):
        size = n_rows * (step + 1) // steps - n_rows * step // steps
        while held is None or len(held) < size or step == steps - 1:
            part = next(parts, None)
            if part is None:
                break
            held = part if held is None else concatenate([held, part])
        if held is None:
            return
        size = len(held) if step == steps - 1 else min(size, len(held))
        yield held.take(np.arange(size))
        held = held.take(np.arange(size, len(held)))
