"""Singular vectors of a sparse table as features: power iteration over its rating blocks, one table per step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame

from bgmrec.factorize.kernels.spectral import final_transforms, orthonormal
from bgmrec.factorize.spectral_step import spectral_start, spectral_step
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.sampler.drawn import broadcast_or_shuffle_drawn, collect_sums, read_drawn
from bgmrec.storage.tables import Tables

OVERSAMPLED = 10  # additional directions, without which the last of the wanted ones converge slowly


@dataclass(frozen=True)
class PairSide:
    """One side of the sparse table.

    Args:
        blocks: `schemas.RATING_BLOCKS` with this side as dst.
        num_blocks: their number.
        n: rows of the side.
    """

    blocks: DataFrame
    num_blocks: int
    n: int


@dataclass(frozen=True)
class SpectralRows:
    """Rows of a side, and the transform that turns them into features.

    Args:
        rows: `schemas.DRAWN_BLOCKS` with rows [y, scale].
        width: floats of y.
        transform: features = y @ transform, (width, columns).
    """

    rows: DataFrame
    width: int
    transform: np.ndarray


def singular_rows(
    store: Tables, sides: tuple[PairSide, PairSide], *, rank: int, rounds: int, normalised: bool, seed: int,
    broadcast_bytes: int,
) -> tuple[SpectralRows, SpectralRows]:  # fmt: skip
    """The leading singular vectors of both sides. Actions; after an interruption the iteration starts over.

    Args:
        store: gets the tables `dst` and `src`, and last the document `transforms`.
        sides: (rows of the matrix, columns of the matrix).
        rank: number of singular vectors.
        rounds: rounds of the power iteration.
        normalised: True: the binary matrix divided by the square roots of its degrees; False: the ratings.
        seed: seed of the random start.
        broadcast_bytes: a larger table is shuffled, not broadcast.
    """
    saved = store.read_json("transforms")
    if saved is None:
        saved = _iterate(store, sides, rank, rounds, normalised, seed, broadcast_bytes)
        store.write_json("transforms", saved)
    transforms = [np.array(saved[name]) for name in ("dst", "src")]
    return (
        SpectralRows(read_drawn(store, "dst"), len(transforms[0]), transforms[0]),
        SpectralRows(read_drawn(store, "src"), len(transforms[1]), transforms[1]),
    )


def _iterate(
    store: Tables, sides: tuple[PairSide, PairSide], rank: int, rounds: int, normalised: bool, seed: int, bound: int
) -> dict[str, list[list[float]]]:
    dst, src = sides
    width = min(rank + OVERSAMPLED, dst.n, src.n)
    with arrow_batch(store.spark, BLOCKS_PER_BATCH):
        start = spectral_start(src.blocks, width, normalised=normalised, num_blocks=src.num_blocks, seed=seed)
        rows, transform = store.write(start, "src"), np.eye(width)
        applied = {}  # the transform that made each side's rows
        for step in range(2 * rounds + 1):
            to, of = (dst, src) if step % 2 == 0 else (src, dst)
            name = "dst" if to is dst else "src"
            table = broadcast_or_shuffle_drawn(rows, of.n, of.num_blocks, len(transform) + 1, bound)
            with table as (source, cells):
                if step:
                    transform = orthonormal(_gram(cells, len(transform)))
                rows = store.write(spectral_step(to.blocks, source, transform, normalised=normalised), name)
            applied[name] = transform
            transform = np.eye(transform.shape[1])
        cells = collect_sums(rows)
    of_dst, of_src = final_transforms(_gram(cells, len(transform)), applied["dst"], rank, (dst.n, src.n))
    return {"dst": of_dst.tolist(), "src": of_src.tolist()}


def _gram(cells: list[bytes], width: int) -> np.ndarray:
    return sum((np.frombuffer(cell).reshape(width, width) for cell in sorted(cells)), np.zeros((width, width)))
