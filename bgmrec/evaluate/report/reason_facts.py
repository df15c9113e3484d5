"""Why a sample user is recommended something: the parts of each published score (factorize.reasons)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec.arrays import FLOAT, INT, from_cell
from bgmrec.factorize.cells import one_row, read_rows
from bgmrec.factorize.delivery import deliver
from bgmrec.factorize.factors import unpack_factors
from bgmrec.factorize.layout import RatingBlock
from bgmrec.factorize.reasons import SolvedFrom, score_parts
from bgmrec.factorize.solved import Solved
from bgmrec.factorize.terms import Unobserved
from bgmrec.session import BLOCKS_PER_BATCH, arrow_batch

TOP = 3  # ratings named for each score
_RATED = "idx int, src binary, ratings binary, weights binary"


def reasons(solved: Solved, users: Mapping[int, Sequence[dict[str, Any]]]) -> dict[int, list[dict[str, Any]]]:
    """user_idx → per recommended item the parts of its score. Actions on the users' rows.

    `item`, `ratings`, `unobserved` and `prior` are the sums of each kind of part, `rest` what they lack to the
    published score (rounding; more where rows were solved by conjugate gradients), and `top` the ratings with the
    largest parts: item_idx, rating, part.

    Args:
        solved: the model.
        users: user_idx → their list: item_idx and score.
    """
    spark = solved.ratings.sparkSession
    with arrow_batch(spark, BLOCKS_PER_BATCH):
        rated = _rated(solved, list(users))
        unobserved = _unobserved(solved)
        priors = {} if solved.priors is None else _rows(solved.priors, solved.user_blocks, list(users))
        sources = sorted({int(item) for row in rated.values() for item in row[0]})
        before = _rows(solved.before, solved.item_blocks, sources)
        listed = sorted({row[c.ITEM_IDX] for rows in users.values() for row in rows})
        served = _rows(solved.served, solved.item_blocks, listed)
    width = solved.shape.width
    found = {}
    for user, rows in users.items():
        src, given, weights = rated.get(user, (np.zeros(0, int), np.zeros(0), np.zeros(0)))
        source = np.array([before[int(item)] for item in src]).reshape(-1, width)
        row = SolvedFrom(source, given, weights, priors.get(user, np.zeros(width)))
        wanted = np.array([served[one[c.ITEM_IDX]] for one in rows]).reshape(-1, width)
        parts = score_parts(row, wanted, solved.shape, solved.regularisation, unobserved)
        found[user] = [_one(parts, at, one[c.SCORE], src, given) for at, one in enumerate(rows)]
    return found


def _one(parts: Any, at: int, score: float, src: np.ndarray, given: np.ndarray) -> dict[str, Any]:
    own = parts.ratings[at]
    first = np.argsort(-own, kind="stable")[:TOP]
    return {
        "item": float(parts.item[at]),
        "ratings": float(own.sum()),
        "unobserved": float(parts.unobserved[at]),
        "prior": float(parts.prior[at]),
        "rest": float(score - parts.total[at]),
        "top": [
            {c.ITEM_IDX: int(src[n]), c.RATING: float(given[n]), "part": float(own[n])} for n in first if own[n] > 0
        ],
    }


def _unobserved(solved: Solved) -> Unobserved | None:
    if not solved.unobserved_weight:
        return None
    # bound 0: the sum over all items is made where they are, and only the sum comes here
    source = deliver(solved.before, solved.item_blocks, solved.shape, broadcast_bytes=0, with_gram=True)
    return None if source.gram is None else Unobserved(solved.unobserved_weight, source.gram)


def _rated(solved: Solved, users: list[int]) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """user_idx → (item indices, ratings, weights) of those that have any."""
    num_blocks, wanted = solved.user_blocks, frozenset(users)

    def pick(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for cells in read_rows(batches):
            block = RatingBlock.from_cells(cells)
            for row in range(block.n_rows):
                idx, first, end = row * num_blocks + block.block, *block.row_offsets[row : row + 2]
                if idx in wanted and end > first:
                    weights = block.weights[first:end] if block.weights.size else np.ones(end - first, FLOAT)
                    src = block.src_ids[block.src_pos[first:end]]
                    yield one_row(idx=idx, src=src, ratings=block.ratings[first:end], weights=weights)

    blocks = solved.ratings.where(f.col(c.BLOCK).isin(sorted({user % num_blocks for user in users})))
    return {
        row["idx"]: (
            from_cell(bytes(row["src"]), dtype=INT),
            from_cell(bytes(row["ratings"])).astype(float),
            from_cell(bytes(row["weights"])).astype(float),
        )
        for row in blocks.mapInArrow(pick, _RATED).collect()
    }


def _rows(blocks: DataFrame, num_blocks: int, idx: list[int]) -> dict[int, np.ndarray]:
    """idx → float32 (width,) of a bounded number of rows."""
    if not idx:
        return {}
    wanted = blocks.sparkSession.createDataFrame([(one,) for one in idx], f"{c.IDX} int")
    rows = unpack_factors(blocks, num_blocks).join(f.broadcast(wanted), on=c.IDX, how="left_semi")
    return {row[c.IDX]: from_cell(bytes(row[c.FEATURES])) for row in rows.collect()}
