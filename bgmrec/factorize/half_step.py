"""The distributed half step: solves every block of one side with the other side's factors."""

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
    """Solves one side: `schemas.HALF_STEP`. The equation and the sums are in solve.py. Users and items are symmetric.

    Entering reads the number of source rows, and the source table where it is broadcast; running the result reads the
    rest. Run the result inside the context, because leaving it destroys the broadcast table, and inside
    `session.arrow_batch` with a few rows per batch.

    Args:
        rating_blocks: `schemas.RATING_BLOCKS` of the solved side.
        src_factors: `schemas.FACTOR_BLOCKS` of the fixed side, written or cached.
        dst_prior: `schemas.FACTOR_BLOCKS`, prior means of the solved side; None: zero.
        shape: shape of the model.
        regularisation: of the solved side.
        src_num_blocks: blocks of the fixed side.
        dst_num_blocks: blocks of the solved side.
        unobserved_weight: alpha0 of implicit mode; 0 in explicit mode.
        cg_steps: conjugate gradient steps per row in implicit mode (conjugate.py); 0: exact solution.
        dst_start: factors of the solved side from which the steps start; None: they start at the prior means.
        broadcast_bytes: a factor or prior table larger than this is shuffled, not broadcast.
        n_src: rows of the fixed side; None: they are counted.
        n_dst: rows of the solved side; None: they are counted where needed.
    """
    with broadcast_or_shuffle(
        src_factors, src_num_blocks, shape, broadcast_bytes=broadcast_bytes, with_gram=unobserved_weight > 0,
        basis_of=_basis_of(unobserved_weight, shape, regularisation) if cg_steps else None, n=n_src,
    ) as source:  # fmt: skip
        unobserved = Unobserved(unobserved_weight, source.gram) if source.gram is not None else None
        tables = {_PRIOR: dst_prior, _START: dst_start if cg_steps else None}
        cells = {
            name: block_cells(rows, name, shape.width, broadcast_bytes, n_dst)
            for name, rows in tables.items()
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
    """(block, name): each block's factor or prior cell for `join_source`, with a hint how to join it.

    Args:
        rows: `schemas.FACTOR_BLOCKS`.
        name: name of the column that gets the cells.
        width: floats per row.
        broadcast_bytes: a larger table is shuffled, not broadcast.
        n: rows of the table; None: they are counted, an action.
    """
    cells = rows.select(c.BLOCK, f.col(c.FACTORS).alias(name))
    small = (count_rows(rows) if n is None else n) * width * FLOAT.itemsize <= broadcast_bytes
    return cells.hint("broadcast" if small else "shuffle_hash")


def read_cell(row: dict[str, Any], name: str, block: RatingBlock, width: int) -> np.ndarray:
    """The cell that `block_cells` joined to a block, float32 (n_rows, width).

    Args:
        row: row of the joined table.
        name: column of the cell.
        block: the row's rating block.
        width: floats per row.

    Raises:
        TrainingError: the cell is missing or has another size.
    """
    cell = row[name]
    if cell is None or len(cell) != block.n_rows * width * FLOAT.itemsize:
        raise TrainingError(
            f"the column {name} of a block does not match the block's ratings",
            where=f"block {block.block}",
            expected=f"{block.n_rows} rows of {width} floats, {block.n_rows * width * FLOAT.itemsize} bytes",
            found="no row for this block" if cell is None else f"{len(cell)} bytes",
            hint="the table has another number of blocks or another rank: delete the run's scratch and train again",
        )
    return from_cell(cell, width)


def _solver(
    read: ReadJoined,
    joined: frozenset[str],
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
                read_cell(row, name, block, shape.width) if name in joined else None for name in (_PRIOR, _START)
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
