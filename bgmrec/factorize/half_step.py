"""The distributed half step: every block of one side solved against the other side's factors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import TrainingError
from bgmrec.factorize.blocks.cells import OnBatches, one_row
from bgmrec.factorize.blocks.factors import count_rows
from bgmrec.factorize.kernels.conjugate import Basis, shared_basis, solve_block_cg
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.kernels.solve import solve_block
from bgmrec.factorize.kernels.terms import Regularisation, Unobserved
from bgmrec.factorize.source_tables import BasisOf, ReadJoined, broadcast_or_shuffle, join_source
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell

_PRIOR, _START = "prior", "start"


@contextmanager
def half_step(
    rating_blocks: DataFrame,
    src_factors: DataFrame,
    dst_prior: DataFrame | None,
    shape: ModelShape,
    regularisation: Regularisation,
    *,
    src_num_blocks: int,
    dst_num_blocks: int,
    unobserved_weight: float = 0.0,
    cg_steps: int = 0,
    dst_start: DataFrame | None = None,
    broadcast_bytes: int,
    n_src: int | None = None,
    n_dst: int | None = None,
) -> Iterator[DataFrame]:
    """Solves one side, `schemas.HALF_STEP`; equation and sums in solve.py. Symmetric in users and items.

    Reads the size of the source side, and the source side itself where it is broadcast, when entered; the rest
    when the result is, which must be inside: what was broadcast is gone afterwards. Run it inside
    `session.arrow_batch`, a few rows per batch.

    Args:
        rating_blocks: `schemas.RATING_BLOCKS` of the solved side.
        src_factors: `schemas.FACTOR_BLOCKS` of the fixed side, written or cached.
        dst_prior: prior means of the solved side in the same form; None is zero.
        src_num_blocks, dst_num_blocks: blocks of either side.
        unobserved_weight: alpha0 of implicit mode; 0 in explicit mode.
        cg_steps: implicit mode: conjugate gradient steps instead of a solution, see conjugate.py; 0: solved exactly.
        dst_start: the solved side's factors that the steps start from; None: they start at the prior means.
        broadcast_bytes: a factor or prior table above this is routed or shuffled, never in one piece.
        n_src, n_dst: rows of the fixed and of the solved side; counted where they are not said and needed.
    """
    source = broadcast_or_shuffle(
        src_factors, src_num_blocks, shape, broadcast_bytes=broadcast_bytes, with_gram=unobserved_weight > 0,
        basis_of=_basis_of(unobserved_weight, shape, regularisation) if cg_steps else None, n=n_src,
    )  # fmt: skip
    unobserved = Unobserved(unobserved_weight, source.gram) if source.gram is not None else None
    with source:
        given = {_PRIOR: dst_prior, _START: dst_start if cg_steps else None}
        cells = {
            name: block_cells(rows, name, shape.width, broadcast_bytes, n_dst)
            for name, rows in given.items()
            if rows is not None
        }
        blocks, read = join_source(rating_blocks, source, *cells.values())
        solve = _solver(
            read, frozenset(cells), shape, regularisation, unobserved, source.basis, cg_steps, dst_num_blocks
        )
        yield blocks.mapInArrow(solve, schemas.HALF_STEP)


def _basis_of(weight: float, shape: ModelShape, regularisation: Regularisation) -> BasisOf:
    return lambda gram: shared_basis(Unobserved(weight, gram), shape, regularisation)


def block_cells(rows: DataFrame, name: str, width: int, broadcast_bytes: int, n: int | None = None) -> DataFrame:
    """The factor or prior cell of each block as a column of that name, for `attach`; broadcast where all are small."""
    cells = rows.select(c.BLOCK, f.col(c.FACTORS).alias(name))
    small = (count_rows(rows) if n is None else n) * width * FLOAT.itemsize <= broadcast_bytes
    return cells.hint("broadcast" if small else "shuffle_hash")


def read_cell(row: dict[str, Any], name: str, block: RatingBlock, width: int) -> np.ndarray:
    """The (n_rows, width) cell that `block_cells` gave.

    Raises:
        TrainingError: it is missing or of another size.
    """
    cell = row[name]
    if cell is None or len(cell) != block.n_rows * width * FLOAT.itemsize:
        raise TrainingError(
            f"a block's {name} does not fit its ratings",
            where=f"block {block.block}",
            expected=f"{block.n_rows} rows of {width} floats",
            found="no block" if cell is None else f"{len(cell)} bytes",
            hint="write factors and priors with the blocks and the rank of this run",
        )
    return from_cell(cell, width)


def _solver(
    read: ReadJoined,
    known: frozenset[str],
    shape: ModelShape,
    regularisation: Regularisation,
    unobserved: Unobserved | None,
    basis: Basis | None,
    cg_steps: int,
    num_blocks: int,
) -> OnBatches:
    def solve(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row, block, table, positions in read(batches):
            prior, start = (
                read_cell(row, name, block, shape.width) if name in known else None for name in (_PRIOR, _START)
            )
            if basis is None or unobserved is None:
                solved = solve_block(
                    block, table, positions, prior, shape, regularisation, unobserved, num_blocks=num_blocks
                )
            else:
                solved = solve_block_cg(
                    block, table, positions, prior, start, regularisation, unobserved, basis,
                    steps=cg_steps, num_blocks=num_blocks,
                )  # fmt: skip
            yield one_row(
                block=block.block,
                n_rows=block.n_rows,
                factors=solved.factors,
                squared_error=solved.squared_error,
                penalty=solved.penalty,
            )

    return solve
