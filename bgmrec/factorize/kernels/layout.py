"""Blocks of rows: which entities form a block, and the ratings of a block as arrays.

Entity idx belongs to block idx % num_blocks at local row idx // num_blocks. Worked example, the rating matrix

            src 0   src 1   src 2   src 3            num_blocks 2: block 0 holds dst 0 and 2,
    dst 0     5               3                                    block 1 holds dst 1
    dst 1             4                            block 0:  row_offsets [0, 2, 3]
    dst 2                             2                      src_ids     [0, 2, 3]   distinct, rising
                                                             src_pos     [0, 1, 2]   positions in src_ids
                                                             ratings     [5, 3, 2]

Within a row the ratings are sorted by src, so that sums do not depend on the partitioning of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bgmrec.errors import InputError
from bgmrec.factorize.kernels.kernel_cache import njit
from bgmrec.storage.arrays import FLOAT, INT, to_cell

LONG = np.dtype("<i8")
_DIGIT = 11  # bits per pass: 2,048 counters stay in the first-level cache


@dataclass(frozen=True)
class RatingBlock:
    """The ratings of one block of the solved side.

    Args:
        block: number of the block.
        n_rows: entities in the block.
        row_offsets: first rating of each row, int64 (n_rows + 1,).
        src_ids: the distinct source indices of the block, ascending, int32.
        src_pos: each rating's position in src_ids, int32 (ratings,).
        ratings: float32 (ratings,).
        weights: float32 (ratings,); empty where all weights are 1.
    """

    block: int
    n_rows: int
    row_offsets: np.ndarray
    src_ids: np.ndarray
    src_pos: np.ndarray
    ratings: np.ndarray
    weights: np.ndarray

    def cells(self) -> dict[str, Any]:
        """The block as one row of schemas.RATING_BLOCKS."""
        return {
            "block": self.block,
            "n_rows": self.n_rows,
            "row_offsets": to_cell(self.row_offsets, LONG),
            "src_ids": to_cell(self.src_ids, INT),
            "src_pos": to_cell(self.src_pos, INT),
            "ratings": to_cell(self.ratings, FLOAT),
            "weights": to_cell(self.weights, FLOAT),
        }

    @classmethod
    def from_cells(cls, row: dict[str, Any]) -> RatingBlock:
        """The block whose arrays are views of the cells of one row of schemas.RATING_BLOCKS.

        Raises:
            InputError: the lengths of the cells contradict each other.
        """
        block = cls(
            row["block"],
            row["n_rows"],
            np.frombuffer(row["row_offsets"], LONG),
            np.frombuffer(row["src_ids"], INT),
            np.frombuffer(row["src_pos"], INT),
            np.frombuffer(row["ratings"], FLOAT),
            np.frombuffer(row["weights"], FLOAT),
        )
        n = block.ratings.size
        fits = block.row_offsets.size == block.n_rows + 1 and block.row_offsets[-1] == n == block.src_pos.size
        if not fits or block.weights.size not in (0, n):
            raise InputError(
                "the columns of a rating block have lengths that contradict each other",
                where=f"block {block.block}",
                expected=f"{block.n_rows + 1} offsets ending at {n}, {n} positions, 0 or {n} weights",
                found=f"{block.row_offsets.size} offsets, {block.src_pos.size} positions, {block.weights.size} weights",
                hint="delete the run's scratch folder and run the training again with this version of bgmrec",
            )
        return block


def rows_in_block(n: int, num_blocks: int, block: int) -> int:
    """The number of entities, out of n, in a block."""
    return (n - block + num_blocks - 1) // num_blocks


def block_idx(n: int, num_blocks: int, block: int) -> np.ndarray:
    """The entities of a block in the order of their local rows, int64 (rows_in_block,)."""
    return np.arange(block, n, num_blocks, dtype=np.int64)


def build_block(
    block: int, num_blocks: int, n_dst: int, dst: np.ndarray, src: np.ndarray, ratings: np.ndarray, weights: np.ndarray
) -> RatingBlock:
    """Builds a block from its ratings in any order.

    Args:
        block: number of the block.
        num_blocks: blocks of the solved side.
        n_dst: entities of the solved side.
        dst: index of the solved side, int32 (ratings,); every one belongs to the block, and (dst, src) is unique.
        src: index of the fixed side, int32 (ratings,).
        ratings: float32 (ratings,).
        weights: float32 (ratings,).
    """
    n_rows = rows_in_block(n_dst, num_blocks, block)
    order, src_ids, src_pos, row_offsets = _sort(dst // num_blocks, src, n_rows)
    unit = bool((weights == 1).all())
    return RatingBlock(
        block, n_rows, row_offsets, src_ids, src_pos, ratings[order], weights[:0] if unit else weights[order]
    )


def stable_order(keys: np.ndarray) -> np.ndarray:
    """The positions, int64 (n,), that sort int32 keys ≥ 0; equal keys keep their order."""
    return _by_key(keys, np.arange(keys.size))


@njit()
def _by_digit(keys: np.ndarray, order: np.ndarray, shift: int) -> np.ndarray:
    """One stable counting pass over _DIGIT bits of keys[order]."""
    starts = np.zeros((1 << _DIGIT) + 1, np.int64)
    mask = (1 << _DIGIT) - 1
    for at in order:
        starts[((keys[at] >> shift) & mask) + 1] += 1
    starts = np.cumsum(starts)
    out = np.empty_like(order)
    for at in order:
        digit = (keys[at] >> shift) & mask
        out[starts[digit]] = at
        starts[digit] += 1
    return out


@njit()
def _by_key(keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """`order`, sorted stably by its keys ≥ 0."""
    largest = keys.max() if keys.size else 0
    shift = 0
    while shift == 0 or largest >> shift:
        order = _by_digit(keys, order, shift)
        shift += _DIGIT
    return order


@njit()
def _sort(local: np.ndarray, src: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(order by (local row, src), distinct src, position of each rating's src, row offsets)."""
    order = _by_key(src, np.arange(src.size))
    position = np.empty(src.size, np.int32)
    distinct = np.empty(src.size, np.int32)
    n = 0
    for at in order:
        if n == 0 or distinct[n - 1] != src[at]:
            distinct[n] = src[at]
            n += 1
        position[at] = n - 1
    offsets = np.zeros(n_rows + 1, np.int64)
    for row in local:
        offsets[row + 1] += 1
    order = _by_key(local, order)
    return order, distinct[:n].copy(), position[order], np.cumsum(offsets)
