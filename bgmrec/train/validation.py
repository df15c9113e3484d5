"""Validation values of a round; lower is better."""

from __future__ import annotations

import math
from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.errors import TrainingError
from bgmrec.evaluate.ranking import mean_ndcg
from bgmrec.factorize.kernels.shape import ModelShape
from bgmrec.factorize.pairs import pair_errors
from bgmrec.factorize.source_tables import broadcast_or_shuffle
from bgmrec.recommend.lists import FactorModel, load_items, make_lists, popular_list, users_with_side_information
from bgmrec.recommend.top_n import ListRules, members_by_block
from bgmrec.run.state import Run
from bgmrec.runtime.session import arrow_batch
from bgmrec.storage import columns as c
from bgmrec.storage.tables import Tables


def rmse_validator(
    pair_blocks: DataFrame,
    shape: ModelShape,
    *,
    item_blocks: int,
    broadcast_bytes: int,
    clip: tuple[float, float] | None,
    blocks_per_batch: int,
) -> Callable[[DataFrame, DataFrame], float]:
    """The function (user factors, item factors) → RMSE over the validation ratings.

    Args:
        pair_blocks: the validation ratings as `schemas.RATING_BLOCKS` of the user side.
        shape: shape of the model.
        item_blocks: blocks of the item side.
        broadcast_bytes: a larger table is shuffled, not broadcast.
        clip: lowest and highest predicted rating; None: predictions are not clipped.
        blocks_per_batch: blocks in one Arrow batch.
    """

    def validate(user_factors: DataFrame, item_factors: DataFrame) -> float:
        with (
            arrow_batch(pair_blocks.sparkSession, blocks_per_batch),
            broadcast_or_shuffle(item_factors, item_blocks, shape, broadcast_bytes=broadcast_bytes) as source,
        ):
            errors = pair_errors(pair_blocks, source, user_factors, shape, broadcast_bytes=broadcast_bytes, clip=clip)
            total = errors.agg(f.sum("squared_error").alias("error"), f.sum("pairs").alias("pairs")).collect()[0]
        return math.sqrt(total["error"] / total["pairs"])

    return validate


def write_hits(run: Run, store: Tables, valid: DataFrame) -> None:
    """Writes `valid_targets`, (user_idx, item_idx): the validation ratings that count as hits. An action.

    Args:
        run: the run.
        store: scratch of the training.
        valid: validation ratings.

    Raises:
        TrainingError: no rating counts as a hit.
    """
    least = run.settings.evaluate.relevant_rating
    hits = store.write(valid.where(f.col(c.RATING) >= least).select(c.USER_IDX, c.ITEM_IDX), "valid_targets")
    if hits.isEmpty():
        raise TrainingError(
            "no validation rating counts as a hit",
            where="evaluate.relevant_rating",
            expected=f"at least one validation rating of {least} or more",
            found="none",
            hint="lower evaluate.relevant_rating, or hold out more ([split])",
        )


def ndcg_validator(
    run: Run,
    store: Tables,
    train: DataFrame,
    seen: DataFrame,
    candidates: DataFrame,
    template: Callable[[DataFrame, DataFrame], FactorModel],
    num_blocks: int,
    k: int,
) -> Callable[[DataFrame, DataFrame], float]:
    """The function (user factors, item factors) → 1 − NDCG@k on the targets. Actions: writes the query users.

    Args:
        run: the run.
        store: scratch of the training; has `valid_targets`, gets `valid_users` and `users_with_side_information`.
        train: training ratings.
        seen: from `seen_blocks`.
        candidates: items that lists may contain.
        template: (user factors, item factors) → model.
        num_blocks: blocks of the user side.
        k: cut-off.
    """
    rules = ListRules(k, run.settings.recommend.filter_seen)
    popular = popular_list(run, train, candidates, rules)
    with_side_information = users_with_side_information(run, store, run.work.read("user_index"), num_blocks)
    targets = store.read("valid_targets")
    query_users = store.write(members_by_block(targets.select(c.USER_IDX).distinct(), num_blocks), "valid_users")

    def validate(user_factors: DataFrame, item_factors: DataFrame) -> float:
        model = template(user_factors, item_factors)
        with arrow_batch(run.spark, 1):
            items = load_items(run, model, candidates)
            with make_lists(run, model, items, seen, with_side_information, rules, popular, query_users) as lists:
                return 1.0 - mean_ndcg(lists, targets, k)

    return validate
