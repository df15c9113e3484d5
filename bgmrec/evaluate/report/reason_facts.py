"""Why a sample user is recommended something: the parts of each published score (recommend.explain), kind by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyspark.sql import functions as f

from bgmrec import columns as c
from bgmrec import schemas
from bgmrec.factorize.solved import Solved
from bgmrec.recommend import explain
from bgmrec.session import BLOCKS_PER_BATCH, arrow_batch

TOP = 3  # ratings named for each score
_SUMS = {
    explain.RATING: "ratings",
    explain.OTHERS: "ratings",
    explain.PRIOR: "prior",
    explain.ITEM: "item",
    explain.REST: "rest",
}


def reasons(
    solved: Solved, users: Mapping[int, Sequence[dict[str, Any]]], *, n_users: int, broadcast_bytes: int
) -> dict[int, list[dict[str, Any]]]:
    """user_idx → per recommended item the parts of its score. Actions on the blocks of these users.

    `item`, `ratings` and `prior` are the sums of each kind of part, `rest` what they lack to the published score, and
    `top` the ratings with the largest parts: item_idx, part.

    Args:
        solved: the model.
        users: user_idx → their list, which the model made: position, item_idx, score and source.
        n_users: of the index.
        broadcast_bytes: a larger table of items is routed.
    """
    spark = solved.ratings.sparkSession
    places = [
        (user, row[c.POSITION], row[c.ITEM_IDX], row[c.SCORE], row[c.SOURCE])
        for user, rows in users.items()
        for row in rows
    ]
    blocks = sorted({user % solved.user_blocks for user in users})
    own = replace(solved, ratings=solved.ratings.where(f.col(c.BLOCK).isin(blocks)))
    with arrow_batch(spark, BLOCKS_PER_BATCH):
        lists = spark.createDataFrame(places, schemas.TOP_N)
        parts = explain.reasons(own, lists, n=TOP, n_users=n_users, broadcast_bytes=broadcast_bytes)
        rows = parts.orderBy(c.USER_IDX, c.POSITION, c.PART_NUMBER).collect()
    found = {place[:2]: {**dict.fromkeys(_SUMS.values(), 0.0), "top": list[dict[str, Any]]()} for place in places}
    for row in rows:
        why = found[row[c.USER_IDX], row[c.POSITION]]
        why[_SUMS[row[c.KIND]]] += row[c.SCORE_PART]
        if row[c.KIND] == explain.RATING:
            why["top"].append({c.ITEM_IDX: row[c.REASON_ITEM_IDX], "part": row[c.SCORE_PART]})
    return {user: [found[user, row[c.POSITION]] for row in own] for user, own in users.items()}
