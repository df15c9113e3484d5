"""The parts of every score of every list as a table, block by block (`factorize.kernels.reasons`).

lists as blocks ⋈ item factors of the lists → the item rows of each block's lists
rating blocks ⋈ item factors that the users were solved from ⋈ prior means ⋈ those rows → parts
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
from bgmrec.factorize.kernels.reasons import ITEM, OTHERS, PRIOR, RATING, REST, RowInputs, ScoreParts, score_parts
from bgmrec.factorize.kernels.terms import Unobserved
from bgmrec.factorize.source_tables import ReadJoined, SourceFactors, broadcast_or_shuffle, join_source
from bgmrec.factorize.user_step import UserStep
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.arrays import FLOAT, from_cell

_PRIOR = "prior_cell"
_LIST_ROWS = (
    "block int, list_offsets binary, list_items binary, list_scores binary, list_positions binary, list_rows binary"
)
_NO_ITEM = -1


@contextmanager
def reasons(solved: UserStep, lists: DataFrame, *, n: int, n_users: int, broadcast_bytes: int) -> Iterator[DataFrame]:
    """`schemas.REASONS`: the parts of every score, which sum to it. Read the result inside the context.

    Each of the n ratings with the largest parts above 0 is a row of its own, the other ratings share one. Then follow
    the prior mean, the item (mean and bias), and the rest: unobserved pairs, rounding, and the error that conjugate
    gradients leave. Build and run the plan inside `session.arrow_batch`.

    Args:
        solved: the inputs that the user factors were solved from.
        lists: `schemas.TOP_N`; popularity lists are left out, because the model did not make their scores.
        n: ratings named per score.
        n_users: users of the index.
        broadcast_bytes: larger tables are shuffled instead of broadcast.
    """
    modelled = lists.where(f.col(c.SOURCE) != c.POPULAR)
    # rating blocks have no columns for position and score: they hold the position as weight, the score as rating
    list_positions = modelled.select(
        c.USER_IDX, c.ITEM_IDX, f.col(c.SCORE).alias(c.RATING), f.col(c.POSITION).cast("float").alias(c.WEIGHT)
    )
    sources = (
        broadcast_or_shuffle(
            side, solved.item_blocks, solved.shape, broadcast_bytes=broadcast_bytes, with_gram=with_gram
        )
        for side, with_gram in ((solved.served, False), (solved.before, solved.unobserved_weight > 0))
    )
    with next(sources) as served, next(sources) as before:
        list_rows = _list_rows(
            rating_blocks(list_positions, c.USER_IDX, c.ITEM_IDX, solved.user_blocks, n_users), served
        )
        cells = [list_rows.hint("merge")]  # a row of factors per list entry is too much to be hashed in memory
        if solved.priors is not None:
            cells.append(block_cells(solved.priors, _PRIOR, solved.shape.width, broadcast_bytes, n_users))
        blocks, read = join_source(solved.ratings, before, *cells)
        unobserved = None if before.gram is None else Unobserved(solved.unobserved_weight, before.gram)
        yield blocks.mapInArrow(_explainer(solved, read, unobserved, n), schemas.REASONS)


def _list_rows(list_blocks: DataFrame, served: SourceFactors) -> DataFrame:
    """Per block the items, scores, positions and item factors of its lists."""
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

    return blocks.mapInArrow(gather, _LIST_ROWS)


def _weights(block: RatingBlock) -> np.ndarray:
    return block.weights if block.weights.size else np.ones_like(block.ratings)


def _explainer(solved: UserStep, read: ReadJoined, unobserved: Unobserved | None, n: int) -> Any:
    shape, has_prior = solved.shape, solved.priors is not None
    regularisation, num_blocks = solved.regularisation, solved.user_blocks

    def explain(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for row, block, table, positions in read(batches):
            if row["list_offsets"] is None:
                continue  # no user of this block has a list
            prior = read_cell(row, _PRIOR, block, shape.width) if has_prior else None
            weights, items = _weights(block), block.src_ids[block.src_pos]
            ends = np.frombuffer(row["list_offsets"], np.int64)
            list_factors = from_cell(row["list_rows"], shape.width)
            list_items = np.frombuffer(row["list_items"], np.int32)
            scores, list_positions = from_cell(row["list_scores"]), from_cell(row["list_positions"])
            batches_of_users = []
            for local in np.flatnonzero(np.diff(ends)):
                rated, entries = slice(*block.row_offsets[local : local + 2]), slice(*ends[local : local + 2])
                inputs = RowInputs(
                    table[positions[rated]], block.ratings[rated].astype(np.float64), weights[rated],
                    np.zeros(shape.width) if prior is None else prior[local],
                )  # fmt: skip
                parts = score_parts(inputs, list_factors[entries], shape, regularisation, unobserved)
                user = int(local) * num_blocks + block.block
                batches_of_users.append(
                    _rows(user, parts, items[rated], list_items[entries], scores[entries], list_positions[entries], n)
                )
            if batches_of_users:
                yield from pa.Table.from_batches(batches_of_users).combine_chunks().to_batches()

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
    for at, (item, position) in enumerate(zip(items.tolist(), list_positions.astype(int).tolist(), strict=True)):
        of_ratings = parts.ratings[at]
        largest = [rating for rating in np.argsort(-of_ratings, kind="stable")[:n] if of_ratings[rating] > 0]
        score_rows = [(RATING, int(rated[rating]), float(of_ratings[rating])) for rating in largest]
        others = float(of_ratings.sum() - of_ratings[largest].sum())
        rest = float(scores[at] - parts.total[at] + parts.unobserved[at])
        sums = ((OTHERS, others), (PRIOR, parts.prior[at]), (ITEM, parts.item[at]), (REST, rest))
        score_rows += [(kind, _NO_ITEM, float(part)) for kind, part in sums if part or kind == PRIOR]
        rows += [(position, item, number, *row) for number, row in enumerate(score_rows, 1)]
    list_position, item_idx, number, kind, reason, part = zip(*rows, strict=True)
    arrays = [
        pa.array(np.full(len(rows), user), pa.int32()),
        pa.array(list_position, pa.int32()),
        pa.array(item_idx, pa.int32()),
        pa.array(number, pa.int32()),
        pa.array(kind, pa.string()),
        pa.array([None if idx == _NO_ITEM else idx for idx in reason], pa.int32()),
        pa.array(part, pa.float32()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schemas.REASONS.names)
