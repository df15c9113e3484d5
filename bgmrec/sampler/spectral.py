"""Singular vectors of a rating-like table as features: power iteration over its rating blocks, written step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.spectral import final_transforms, orthonormal
from bgmrec.factorize.spectral_step import spectral_start, spectral_step
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.drawn import broadcast_or_shuffle_drawn, collect_sums, read_drawn
from bgmrec.storage.tables import Tables

OVERSAMPLED = 10  # directions beyond those asked for: the last of them converge with these


@dataclass(frozen=True)
class PairSide:
    """One side of the table: its rating blocks, how many there are, and its rows."""

    blocks: DataFrame
    num_blocks: int
    n: int


@dataclass(frozen=True)
class SpectralRows:
    """Rows [y, scale] of a side and the transform that makes features of y; (width, columns)."""

    rows: DataFrame
    width: int
    transform: np.ndarray


def singular_rows(
    store: Tables, sides: tuple[PairSide, PairSide], *, rank: int, rounds: int, normalised: bool, seed: int,
    broadcast_bytes: int,
) -> tuple[SpectralRows, SpectralRows]:  # fmt: skip
    """The leading singular vectors of both sides; an interrupted iteration begins anew. Actions.

    Args:
        place: gets `dst` and `src`, and is complete with `transforms.json`.
        sides: rows and columns of the matrix.
        rank: singular vectors.
        rounds: of the iteration.
        normalised: the binary matrix over its degrees' square roots; else the ratings as they are.
        seed: of the random start.
        broadcast_bytes: a larger table is routed.
    """
    known = store.read_json("transforms")
    if known is None:
        known = _iterate(store, sides, rank, rounds, normalised, seed, broadcast_bytes)
        store.write_json("transforms", known)
    made = [np.array(known[name]) for name in ("dst", "src")]
    return (
        SpectralRows(read_drawn(store, "dst"), len(made[0]), made[0]),
        SpectralRows(read_drawn(store, "src"), len(made[1]), made[1]),
    )


def _iterate(
    store: Tables, sides: tuple[PairSide, PairSide], rank: int, rounds: int, normalised: bool, seed: int, bound: int
) -> dict[str, list[list[float]]]:
    dst, src = sides
    width = min(rank + OVERSAMPLED, dst.n, src.n)
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        start = spectral_start(src.blocks, width, normalised=normalised, num_blocks=src.num_blocks, seed=seed)
        rows, transform = store.write(start, "src"), np.eye(width)
        grams = {}
        for step in range(2 * rounds + 1):
            to, of = (dst, src) if step % 2 == 0 else (src, dst)
            name = "dst" if to is dst else "src"
            source, cells = broadcast_or_shuffle_drawn(rows, of.n, of.num_blocks, len(transform) + 1, bound)
            if step:
                gram = _gram(cells, len(transform))
                transform = orthonormal(gram)
            with source:
                rows = store.write(spectral_step(to.blocks, source, transform, normalised=normalised), name)
            grams[name] = transform
            transform = np.eye(transform.shape[1])
        cells = collect_sums(rows)
    made = final_transforms(_gram(cells, len(transform)), grams["dst"], rank, (dst.n, src.n))
    return {"dst": made[0].tolist(), "src": made[1].tolist()}


def _gram(cells: list[bytes], width: int) -> np.ndarray:
    return sum((np.frombuffer(cell).reshape(width, width) for cell in sorted(cells)), np.zeros((width, width)))
