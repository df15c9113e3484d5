"""Lists of a factor model, for the served tables, for evaluation and for validation by ranking.

No job of its own: what recommend, evaluate, train and study share.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.factorize.blocks.prepare import Sizes, write_user_blocks
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
    """A model as factor blocks per side, and what makes a score of them."""

    user_factors: DataFrame
    item_factors: DataFrame
    shape: ModelShape
    user_blocks: int
    item_blocks: int


def model_sizes(facts: dict[str, Any]) -> Sizes:
    """The sizes among a model's facts."""
    return Sizes(**{name: facts[name] for name in Sizes.__annotations__})


def seen_blocks(run: Run, store: Tables, ratings: DataFrame, sizes: Sizes) -> DataFrame:
    """What no list may hold, as `schemas.RATING_BLOCKS` of the user side, by recommend.seen_rating.

    Args:
        run: the night, or a study's.
        place: holds `user_rating_blocks` of these ratings; gets `heard_rating_blocks` where they differ.
        ratings: known ratings.
        sizes: of the night.
    """
    least = run.settings.recommend.seen_rating
    if least is None:
        return store.read("user_rating_blocks")
    write_user_blocks(store, "seen_rating_blocks", ratings.where(f.col(c.RATING) >= least), sizes)
    return store.read("seen_rating_blocks")


def load_items(run: Run, model: FactorModel, candidates: DataFrame) -> Shard | DataFrame:
    """The items that may be shown: one broadcast shard, or a table of shards where they exceed the bound."""
    limit, total = run.settings.recommend.item_block_bytes, shard_bytes(candidates, model.shape.width)
    shards = item_shards(model.item_factors, candidates, num_blocks=model.item_blocks)
    if total > limit:
        return regroup_shards(shards, limit, total)
    return gather_shards(shards, limit, total, num_blocks=model.item_blocks)


def popularity_scores(run: Run, ratings: DataFrame) -> DataFrame:
    """Popularity of the items in these ratings, by [recommend]'s window."""
    days = run.settings.recommend.popularity_days
    since = run.end - timedelta(days=days) if days else None
    return popularity(ratings, implicit=run.settings.factorize.mode == "implicit", since=since)


def popular_list(run: Run, ratings: DataFrame, candidates: DataFrame, rules: ListRules) -> PopularItems:
    """The list of users of whom nothing is known."""
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
    """`schemas.TOP_N`; to be read inside the context, all of it inside `arrow_batch(spark, 1)`.

    Args:
        run: the night.
        model: whose scores rank.
        items: from `load_items`.
        rating_blocks: of the user side: what users have heard.
        described: from `described_users`.
        rules: of a list.
        popular: for users of whom nothing is known.
        asked: from `members_by_block`, the users who get a list; none: all do.
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
    """Users with side information that an encoder read, from `members_by_block`; none: no user encoder.

    Args:
        run: the night, or a study's.
        place: scratch of the stage, gets `described_users`.
        user_index: of the model.
        num_blocks: of the model's users.
    """
    if run.settings.user_encoder.kind == "none":
        return None
    with_side_information = run.work.read("users").join(user_index, c.USER_ID, "inner").select(c.USER_IDX)
    return store.write(members_by_block(with_side_information, num_blocks), "users_with_side_information")


def stored_model(stored: StoredModel) -> FactorModel:
    """A stored model's factors."""
    facts = stored.facts
    return FactorModel(
        stored.table("user_factors"),
        stored.table("item_factors"),
        ModelShape(**facts["shape"]),
        facts["user_blocks"],
        facts["item_blocks"],
    )
