"""Lists of a factor model: for published tables, for evaluation and for validation by ranking."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.prepare import DataSizes, write_user_blocks
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.recommend.kernel import Shard
from bgmrec.recommend.popularity import PopularItems, collect_popular, popular_items, popularity
from bgmrec.recommend.shards import gather_shards, item_shards, regroup_shards, shard_bytes
from bgmrec.recommend.top_n import ListRules, members_by_block, top_n, user_blocks
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage.models import StoredModel
from bgmrec.storage.tables import Tables


@dataclass(frozen=True)
class FactorModel:
    """A model as factor blocks per side.

    Args:
        user_factors: `schemas.FACTOR_BLOCKS`.
        item_factors: `schemas.FACTOR_BLOCKS`.
        shape: rank, bias and mean, which turn factors into scores.
        user_blocks: blocks of the user side.
        item_blocks: blocks of the item side.
    """

    user_factors: DataFrame
    item_factors: DataFrame
    shape: ModelShape
    user_blocks: int
    item_blocks: int


def model_sizes(facts: dict[str, Any]) -> DataSizes:
    """The sizes of the data that a model was trained on.

    Args:
        facts: facts of the stored model.
    """
    return DataSizes(**{name: facts[name] for name in DataSizes.__annotations__})


def seen_blocks(run: Run, store: Tables, ratings: DataFrame, sizes: DataSizes) -> DataFrame:
    """The items that a user's list must not hold, as `schemas.RATING_BLOCKS` of the user side.

    `recommend.seen_rating` decides: pairs with at least that rating are seen; without it every rated pair is.

    Args:
        run: the run, or a study's.
        store: has `user_rating_blocks` of these ratings; `seen_rating_blocks` is written there where they differ.
        ratings: known ratings, `schemas.RATINGS_SPLIT`.
        sizes: sizes of the data.
    """
    least = run.settings.recommend.seen_rating
    if least is None:
        return store.read("user_rating_blocks")
    write_user_blocks(store, "seen_rating_blocks", ratings.where(f.col(c.RATING) >= least), sizes)
    return store.read("seen_rating_blocks")


def load_items(run: Run, model: FactorModel, candidates: DataFrame) -> Shard | DataFrame:
    """The candidates with their factors: one shard, or a table of shards above `factorize.broadcast_bytes`.

    Args:
        run: the run, or a study's.
        model: the model.
        candidates: item_idx, group_idx.
    """
    limit, total = run.settings.factorize.broadcast_bytes, shard_bytes(candidates, model.shape.width)
    shards = item_shards(model.item_factors, candidates, num_blocks=model.item_blocks)
    if total > limit:
        return regroup_shards(shards, limit, total)
    return gather_shards(shards, limit, total, num_blocks=model.item_blocks)


def popularity_scores(run: Run, ratings: DataFrame) -> DataFrame:
    """Popularity of the items within the last `recommend.popularity_days`: item_idx, score.

    Args:
        run: the run, or a study's.
        ratings: `schemas.RATINGS_SPLIT`.
    """
    days = run.settings.recommend.popularity_days
    since = run.end - timedelta(days=days) if days else None
    return popularity(ratings, implicit=run.settings.factorize.mode == "implicit", since=since)


def popular_list(run: Run, ratings: DataFrame, candidates: DataFrame, rules: ListRules) -> PopularItems:
    """The list of users without ratings and without side information.

    Args:
        run: the run, or a study's.
        ratings: `schemas.RATINGS_SPLIT`.
        candidates: item_idx, group_idx.
        rules: rules of a list.
    """
    return collect_popular(popular_items(popularity_scores(run, ratings), candidates, rules.n, rules.per_group))


def make_lists(
    run: Run,
    model: FactorModel,
    items: Shard | DataFrame,
    rating_blocks: DataFrame,
    with_side_information: DataFrame | None,
    rules: ListRules,
    popular: PopularItems,
    query_users: DataFrame | None = None,
) -> AbstractContextManager[DataFrame]:
    """`schemas.TOP_N`. Read the result inside the context, and both inside `session.arrow_batch(spark, 1)`.

    Args:
        run: the run, or a study's.
        model: the model whose scores rank.
        items: from `load_items`.
        rating_blocks: seen items, `schemas.RATING_BLOCKS` of the user side.
        with_side_information: from `users_with_side_information`; None: no user has any.
        rules: rules of a list.
        popular: the list of users without ratings and without side information.
        query_users: from `members_by_block`, the users who get a list; None: all.
    """
    blocks = user_blocks(
        model.user_factors,
        rating_blocks,
        with_side_information,
        query_users,
        partitions=run.settings.spark.shuffle_partitions,
    )
    return top_n(blocks, items, shape=model.shape, num_blocks=model.user_blocks, rules=rules, popular=popular)


def users_with_side_information(run: Run, store: Tables, user_index: DataFrame, num_blocks: int) -> DataFrame | None:
    """Users with side information that the user encoder reads, as `members_by_block`; None: there is no user encoder.

    Args:
        run: the run, or a study's.
        store: scratch folder of the stage; `users_with_side_information` is written there.
        user_index: `schemas.USER_INDEX` of the model.
        num_blocks: blocks of the user side.
    """
    if run.settings.user_encoder.kind == "none":
        return None
    users = run.work.read("users").join(user_index, c.USER_ID, "inner").select(c.USER_IDX)
    return store.write(members_by_block(users, num_blocks), "users_with_side_information")


def stored_model(stored: StoredModel) -> FactorModel:
    """The factors of a stored model.

    Args:
        stored: the model.
    """
    facts = stored.facts
    return FactorModel(
        stored.table("user_factors"),
        stored.table("item_factors"),
        ModelShape(**facts["shape"]),
        facts["user_blocks"],
        facts["item_blocks"],
    )
