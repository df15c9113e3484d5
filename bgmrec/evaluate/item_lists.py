"""ItemKNN and EASE as baselines: fitted on the driver, listed by Spark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from scipy import sparse
from threadpoolctl import threadpool_limits

from bgmrec.evaluate.item_weights import ItemWeights, best_items, cosine_weights, ease_weights
from bgmrec.recommend.popularity import PopularItems
from bgmrec.recommend.top_n import ListRules
from bgmrec.run.state import Run
from bgmrec.runtime.broadcasts import broadcast_value
from bgmrec.runtime.logs import logger
from bgmrec.storage import columns as c
from bgmrec.storage import schemas
from bgmrec.storage.tables import Tables

ITEM_MODELS = ("item_knn", "ease")  # baselines that this module fits
_FEWEST_LIKES = 3  # the weights of rarer items say next to nothing, and would be most of all
# what the driver holds: 20,000 items have weights of 3.2 GB, and so many pairs take half a gigabyte
_MOST_ITEMS = 20_000
_MOST_PAIRS = 20_000_000
_BUCKETS = 2**20
_USERS = 512  # listed at a time
_LIKED, _SEEN = "liked", "seen"


def item_weights(run: Run, train: DataFrame, name: str) -> ItemWeights:
    """Fits a model of items alone. Runs Spark actions.

    The weights are those of the 20,000 most popular items with 3 likes or more, and of so many users, chosen at random,
    that they have at most 20 million likes: statistics of items need no more. A warning says so.

    Args:
        run: the run, or a study's.
        train: training ratings, `schemas.RATINGS_SPLIT`.
        name: one of `ITEM_MODELS`.
    """
    liked = train.where(_is_liked(run)).select(c.USER_IDX, c.ITEM_IDX)
    counts = liked.groupBy(c.ITEM_IDX).count().where(f.col("count") >= _FEWEST_LIKES)
    rows = counts.orderBy(f.col("count").desc(), c.ITEM_IDX).limit(_MOST_ITEMS + 1).collect()
    items = np.array([row[c.ITEM_IDX] for row in rows[:_MOST_ITEMS]], np.int32)
    n_pairs = sum(row["count"] for row in rows[:_MOST_ITEMS])
    share = min(1.0, _MOST_PAIRS / max(n_pairs, 1))
    if share < 1.0 or len(rows) > _MOST_ITEMS:
        logger.warning(
            "the baseline %s is fitted on %s items and %.1f %% of the users (where: evaluate.baselines; expected: at "
            "most %s items and %s likes, or its weights would not fit into the driver)",
            *(name, f"{len(items):,}", 100 * share, f"{_MOST_ITEMS:,}", f"{_MOST_PAIRS:,}"),
        )
    chosen = f.pmod(f.xxhash64(c.USER_IDX), f.lit(_BUCKETS)) < round(share * _BUCKETS)
    positions = run.spark.createDataFrame(
        [(int(item), at) for at, item in enumerate(items)], f"{c.ITEM_IDX} int, {c.POSITION} int"
    )
    pairs: Any = liked.where(chosen).join(f.broadcast(positions), c.ITEM_IDX).select(c.USER_IDX, c.POSITION).toPandas()
    users, user = np.unique(pairs[c.USER_IDX].to_numpy(), return_inverse=True)
    ones = np.ones(len(user), np.float32)
    likes = sparse.csr_array((ones, (user, pairs[c.POSITION].to_numpy())), shape=(len(users), len(items)))
    settings = run.settings.evaluate
    if name == "ease":
        with threadpool_limits(os.cpu_count()):  # the driver has one thread otherwise
            return ItemWeights(ease_weights(likes, settings.ease_reg), items)
    return ItemWeights(cosine_weights(likes, settings.item_knn_neighbours), items)


def write_item_lists(
    run: Run,
    model: ItemWeights,
    train: DataFrame,
    targets: DataFrame,
    catalogue: DataFrame,
    rules: ListRules,
    popular: PopularItems,
    store: Tables,
) -> DataFrame:
    """The lists of the users with targets, `schemas.TOP_N`; a user without likes gets the popular list.

    Args:
        run: the run, or a study's.
        model: of `item_weights`.
        train: training ratings, `schemas.RATINGS_SPLIT`.
        targets: user_idx, item_idx.
        catalogue: item_idx of the candidates.
        rules: rules of a list; `per_group` is not applied.
        popular: the list of users of whom nothing is known.
        store: where `top_n` is written.
    """
    candidates = np.array([row[c.ITEM_IDX] for row in catalogue.select(c.ITEM_IDX).distinct().collect()], np.int32)
    least = run.settings.recommend.seen_rating
    is_seen = f.lit(rules.filter_seen) if least is None else f.lit(rules.filter_seen) & (f.col(c.RATING) >= least)
    users = targets.select(c.USER_IDX).distinct()
    of_users = train.join(users, c.USER_IDX, "left_semi")
    histories = of_users.groupBy(c.USER_IDX).agg(
        f.collect_list(f.when(_is_liked(run), f.col(c.ITEM_IDX))).alias(_LIKED),
        f.collect_list(f.when(is_seen, f.col(c.ITEM_IDX))).alias(_SEEN),
    )
    queries = users.join(histories, c.USER_IDX, "left").select(
        c.USER_IDX, *(f.coalesce(name, f.array().cast("array<int>")).alias(name) for name in (_LIKED, _SEEN))
    )
    with broadcast_value(run.spark, (model, np.isin(model.items, candidates), popular)) as sent:
        return store.write(queries.mapInArrow(_lister(lambda: sent.value, rules.n), schemas.TOP_N), "top_n")


def _is_liked(run: Run) -> Column:
    """Whether a pair is a hit where it is held out."""
    if run.settings.factorize.mode == "implicit":
        return f.col(c.RATING) > 0
    return f.col(c.RATING) >= run.settings.evaluate.relevant_rating


def _lister(
    received: Callable[[], tuple[ItemWeights, np.ndarray, PopularItems]], n: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def lists(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        model, candidates, popular = received()
        order = np.argsort(model.items)
        for batch in batches:
            for start in range(0, batch.num_rows, _USERS):
                some = batch.slice(start, _USERS)
                liked, seen = (_matrix(some.column(name), model.items[order], order) for name in (_LIKED, _SEEN))
                columns, scores = best_items(model, liked, seen, candidates, n)
                known = np.diff(liked.indptr) > 0
                yield _rows(some.column(c.USER_IDX).to_numpy(), model.items[columns], scores, known, popular)

    return lists


def _matrix(lists: pa.Array, rising: np.ndarray, order: np.ndarray) -> sparse.csr_array:
    """Lists of item_idx as rows of ones; items that the model does not know are left out.

    Args:
        lists: one list per row.
        rising: item_idx of the model in rising order.
        order: column of each of them.
    """
    items = lists.flatten().to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(lists)), np.diff(lists.offsets.to_numpy()))
    at = np.searchsorted(rising, items)
    known = at < len(rising)
    known[known] = rising[at[known]] == items[known]
    ones = np.ones(int(known.sum()), np.float32)
    return sparse.csr_array((ones, (row[known], order[at[known]])), shape=(len(lists), len(rising)))


def _rows(
    users: np.ndarray, items: np.ndarray, scores: np.ndarray, known: np.ndarray, popular: PopularItems
) -> pa.RecordBatch:
    filled = np.isfinite(scores) & known[:, None]
    user, column = np.nonzero(filled)
    others = np.repeat(users[~known], len(popular.idx))
    position = np.cumsum(filled, axis=1)[filled]
    of_popular = np.tile(np.arange(1, len(popular.idx) + 1), int((~known).sum()))
    arrays = [
        pa.array(np.concatenate([users[user], others]), pa.int32()),
        pa.array(np.concatenate([position, of_popular]), pa.int32()),
        pa.array(np.concatenate([items[user, column], np.tile(popular.idx, int((~known).sum()))]), pa.int32()),
        pa.array(np.concatenate([scores[filled], np.tile(popular.scores, int((~known).sum()))]), pa.float32()),
        pa.array([c.WARM] * len(user) + [c.POPULAR] * len(others), pa.string()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schemas.TOP_N.names)
