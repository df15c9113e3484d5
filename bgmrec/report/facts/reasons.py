"""The parts of the published scores of sample users, by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.kernels import reasons as kinds
from bgmrec.factorize.user_step import UserStep
from bgmrec.storage import columns as c
from bgmrec.storage import schemas

TOP = 3  # ratings that are named per score
_SUMS = {
    kinds.RATING: "ratings",
    kinds.OTHERS: "ratings",
    kinds.PRIOR: "prior",
    kinds.ITEM: "item",
    kinds.REST: "rest",
}
Lists = Mapping[int, Sequence[dict[str, Any]]]


def blocks_of(solved: UserStep, users: Lists) -> UserStep:
    """The same inputs with the rating blocks of some users only.

    Args:
        solved: the inputs that the user factors were solved from.
        users: user_idx → list.
    """
    blocks = sorted({user % solved.user_blocks for user in users})
    return replace(solved, ratings=solved.ratings.where(f.col(c.BLOCK).isin(blocks)))


def lists_table(solved: UserStep, users: Lists) -> DataFrame:
    """`schemas.TOP_N` of these users.

    Args:
        solved: the inputs that the user factors were solved from.
        users: user_idx → list: position, item_idx, score and source.
    """
    columns = (c.POSITION, c.ITEM_IDX, c.SCORE, c.SOURCE)
    positions = [(user, *(row[name] for name in columns)) for user, rows in users.items() for row in rows]
    return solved.ratings.sparkSession.createDataFrame(positions, schemas.TOP_N)


def reasons(parts: DataFrame, users: Lists) -> dict[int, list[dict[str, Any]]]:
    """user_idx → the parts of the score of each recommended item. An action; run it inside `session.arrow_batch`.

    `item`, `ratings`, `prior` and `rest` are the sums of each kind of part, `top` are the ratings with the largest
    parts: item_idx, part.

    Args:
        parts: `schemas.REASONS` of the lists of `lists_table`.
        users: user_idx → list.
    """
    whys: dict[tuple[int, int], dict[str, Any]] = {
        (user, row[c.POSITION]): {**dict.fromkeys(_SUMS.values(), 0.0), "top": []}
        for user, rows in users.items()
        for row in rows
    }
    for row in parts.orderBy(c.USER_IDX, c.POSITION, c.PART_NUMBER).collect():
        why = whys[row[c.USER_IDX], row[c.POSITION]]
        why[_SUMS[row[c.KIND]]] += row[c.SCORE_PART]
        if row[c.KIND] == kinds.RATING:
            why["top"].append({c.ITEM_IDX: row[c.REASON_ITEM_IDX], "part": row[c.SCORE_PART]})
    return {user: [whys[user, row[c.POSITION]] for row in rows] for user, rows in users.items()}
