"""What carries every score of every list, block by block: the parts of factorize.reasons as a table.

lists as blocks ⋈ served item rows → the rows of each block's lists
rating blocks ⋈ item rows of the half step ⋈ prior means ⋈ those → parts
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.cells import one_row
from bgmrec.factorize.blocks.ratings import rating_blocks
from bgmrec.factorize.half_step import block_cells, read_cell
from bgmrec.factorize.kernels.layout import RatingBlock
from bgmrec.factorize.kernels.reasons import ITEM, OTHERS, PRIOR, RATING, REST, ScoreParts, SolvedFrom, score_parts
from bgmrec.factorize.kernels.terms import Unobserved
from bgmrec.factorize.solved import Solved
from bgmrec.factorize.source_tables import ReadJoined, Source, broadcast_or_shuffle, join_source
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell

_PRIOR = "prior_cell"
_LISTED = (
    "block int, list_offsets binary, list_items binary, list_scores binary, list_positions binary, list_rows binary"
)
_NOBODY = -1


@contextmanager
def reasons(solved: Solved, lists: DataFrame, *, n: int, n_users: int, broadcast_bytes: int) -> Iterator[DataFrame]:
    """`schemas.REASONS`: per place of a list its score's parts, which sum to it; to be read inside the context.

    The n ratings with the largest parts above 0 stand alone, all others together; then the prior mean, the item's own
    mean and bias, and the rest: what unobserved pairs take, rounding, and what conjugate gradients leave.

    Args:
        solved: what the model was solved from.
        lists: `schemas.TOP_N`; popular lists, which no score made, are left out.
        n: ratings named per place.
        n_users: of the index.
        broadcast_bytes: a larger table is routed. Build and run the plan inside `session.arrow_batch`.
    """
    made = lists.where(f.col(c.SOURCE) != c.POPULAR)
    # a place travels as the weight of its pair, and the score as its rating
    list_positions = made.select(
        c.USER_IDX, c.ITEM_IDX, f.col(c.SCORE).alias(c.RATING), f.col(c.POSITION).cast("float").alias(c.WEIGHT)
    )
    served, before = (
        broadcast_or_shuffle(
            side, solved.item_blocks, solved.shape, broadcast_bytes=broadcast_bytes, with_gram=with_gram
        )
        for side, with_gram in ((solved.served, False), (solved.before, solved.unobserved_weight > 0))
    )
    with served, before:
        listed = _listed(rating_blocks(list_positions, c.USER_IDX, c.ITEM_IDX, solved.user_blocks, n_users), served)
        cells = [listed.hint("merge")]  # lists carry a row of factors per place: too much to be hashed in memory
        if solved.priors is not None:
            cells.append(block_cells(solved.priors, _PRIOR, solved.shape.width, broadcast_bytes, n_users))
        blocks, read = join_source(solved.ratings, before, *cells)
        unobserved = None if before.gram is None else Unobserved(solved.unobserved_weight, before.gram)
        yield blocks.mapInArrow(_explainer(solved, read, unobserved, n), schemas.REASONS)


def _listed(list_blocks: DataFrame, served: Source) -> DataFrame:
    """Per block its lists' items, scores, places and served rows."""
    blocks, read = join_source(list_blocks, served)

    def gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _, block, table, positions in read(batches):
            yield one_row(
                block=block.block,
                list_offsets=np.asarray(block.row_offsets),
                list_items=block.src_ids[block.src_pos],
                list_scores=np.asarray(block.ratings),
                list_positions=np.asarray(_weights(block), FLOAT),
                list_rows=np.ascontiguousarray(table[positions]),
            )

    return blocks.mapInArrow(gather, _LISTED)


def _weights(block: RatingBlock) -> np.ndarray:
    return block.weights if block.weights.size else np.ones_like(block.ratings)


def _explainer(solved: Solved, read: ReadJoined, unobserved: Unobserved | None, n: int) -> Any:
    shape, has_prior = solved.shape, solved.priors is not None
    regularisation, num_blocks = solved.regularisation, solved.user_blocks

    def explain(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row, block, table, positions in read(batches):
            if row["list_offsets"] is None:
                continue  # nobody in this block has a list
            prior = read_cell(row, _PRIOR, block, shape.width) if has_prior else None
            weights, items = _weights(block), block.src_ids[block.src_pos]
            ends = np.frombuffer(row["list_offsets"], np.int64)
            wanted = from_cell(row["list_rows"], shape.width)
            listed = np.frombuffer(row["list_items"], np.int32)
            scores, list_positions = from_cell(row["list_scores"]), from_cell(row["list_positions"])
            made = []
            for local in np.flatnonzero(np.diff(ends)):
                own, at = slice(*block.row_offsets[local : local + 2]), slice(*ends[local : local + 2])
                known = SolvedFrom(
                    table[positions[own]], block.ratings[own].astype(np.float64), weights[own],
                    np.zeros(shape.width) if prior is None else prior[local],
                )  # fmt: skip
                parts = score_parts(known, wanted[at], shape, regularisation, unobserved)
                user = int(local) * num_blocks + block.block
                made.append(_rows(user, parts, items[own], listed[at], scores[at], list_positions[at], n))
            if made:
                yield from pa.Table.from_batches(made).combine_chunks().to_batches()

    return explain


def _rows(
    user: int,
    parts: ScoreParts,
    rated: np.ndarray,
    items: np.ndarray,
    scores: np.ndarray,
    list_positions: np.ndarray,
    n: int,
) -> pa.RecordBatch:
    """All parts of a user's list, one per row."""
    rows: list[tuple[int, int, int, str, int, float]] = []
    for at, (item, folder) in enumerate(zip(items.tolist(), list_positions.astype(int).tolist(), strict=True)):
        own = parts.ratings[at]
        first = [one for one in np.argsort(-own, kind="stable")[:n] if own[one] > 0]
        named = [(RATING, int(rated[one]), float(own[one])) for one in first]
        others = float(own.sum() - own[first].sum())
        rest = float(scores[at] - parts.total[at] + parts.unobserved[at])
        sums = ((OTHERS, others), (PRIOR, parts.prior[at]), (ITEM, parts.item[at]), (REST, rest))
        named += [(kind, _NOBODY, float(part)) for kind, part in sums if part or kind == PRIOR]
        rows += [(folder, item, number, *one) for number, one in enumerate(named, 1)]
    position, item_idx, number, kind, reason, part = zip(*rows, strict=True)
    arrays = [
        pa.array(np.full(len(rows), user), pa.int32()),
        pa.array(position, pa.int32()),
        pa.array(item_idx, pa.int32()),
        pa.array(number, pa.int32()),
        pa.array(kind, pa.string()),
        pa.array([None if one == _NOBODY else one for one in reason], pa.int32()),
        pa.array(part, pa.float32()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schemas.REASONS.names)
