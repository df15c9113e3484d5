"""Why a sample user is recommended something: the parts of each published score, kind by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.kernels import reasons as kinds
from bgmrec.factorize.solved import Solved
from bgmrec.storage import columns as c
from bgmrec.storage import schemas

TOP = 3  # ratings named for each score
_SUMS = {
    kinds.RATING: "ratings",
    kinds.OTHERS: "ratings",
    kinds.PRIOR: "prior",
    kinds.ITEM: "item",
    kinds.REST: "rest",
}
Lists = Mapping[int, Sequence[dict[str, Any]]]


def blocks_of(solved: Solved, users: Lists) -> Solved:
    """The model with the rating blocks of these users alone."""
    blocks = sorted({user % solved.user_blocks for user in users})
    return replace(solved, ratings=solved.ratings.where(f.col(c.BLOCK).isin(blocks)))


def lists_table(solved: Solved, users: Lists) -> DataFrame:
    """`schemas.TOP_N` of these users.

    Args:
        solved: the model.
        users: user_idx → their list, which the model made: position, item_idx, score and source.
    """
    columns = (c.POSITION, c.ITEM_IDX, c.SCORE, c.SOURCE)
    positions = [(user, *(row[name] for name in columns)) for user, rows in users.items() for row in rows]
    return solved.ratings.sparkSession.createDataFrame(positions, schemas.TOP_N)


def reasons(parts: DataFrame, users: Lists) -> dict[int, list[dict[str, Any]]]:
    """user_idx → per recommended item the parts of its score. An action.

    `item`, `ratings` and `prior` are the sums of each kind of part, `rest` what they lack to the published score, and
    `top` the ratings with the largest parts: item_idx, part.

    Args:
        parts: `schemas.REASONS` of the places of `lists_table`; run this inside `session.arrow_batch`.
        users: as there.
    """
    found: dict[tuple[int, int], dict[str, Any]] = {
        (user, row[c.POSITION]): {**dict.fromkeys(_SUMS.values(), 0.0), "top": []}
        for user, rows in users.items()
        for row in rows
    }
    for row in parts.orderBy(c.USER_IDX, c.POSITION, c.PART_NUMBER).collect():
        why = found[row[c.USER_IDX], row[c.POSITION]]
        why[_SUMS[row[c.KIND]]] += row[c.SCORE_PART]
        if row[c.KIND] == kinds.RATING:
            why["top"].append({c.ITEM_IDX: row[c.REASON_ITEM_IDX], "part": row[c.SCORE_PART]})
    return {user: [found[user, row[c.POSITION]] for row in own] for user, own in users.items()}
