"""Evaluates any factor model on held-out ratings; the stage and the studies share this code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from bgmrec.evaluate.baselines import Baseline, TableSizes, als_baseline, bias_baseline, popularity_baseline
from bgmrec.evaluate.item_lists import ITEM_MODELS, item_weights, write_item_lists
from bgmrec.evaluate.item_weights import ItemWeights
from bgmrec.evaluate.ranking import ranking_metrics
from bgmrec.evaluate.rating import rating_metrics
from bgmrec.evaluate.table import collect_metrics
from bgmrec.factorize.pairs import score_pairs
from bgmrec.factorize.source_tables import broadcast_or_shuffle
from bgmrec.recommend.lists import (
    FactorModel,
    load_items,
    make_lists,
    popular_list,
    popularity_scores,
    users_with_side_information,
)
from bgmrec.recommend.top_n import ListRules, members_by_block
from bgmrec.run.state import Run
from bgmrec.runtime.session import BLOCKS_PER_BATCH, arrow_batch
from bgmrec.storage import columns as c

SLICES = 10  # of items by popularity and of users by activity: tenths, as the report calls them
RATED = ("bias", "als")  # baselines that predict ratings
ALS_ITERATIONS = 10  # MLlib's default


@dataclass(frozen=True)
class HeldOut:
    """What models are evaluated on.

    Args:
        train: training ratings, `schemas.RATINGS_SPLIT`.
        pairs: held-out ratings; None: no rating errors.
        pair_blocks: the same ratings as `schemas.RATING_BLOCKS` of the user side; None: no rating errors.
        targets: user_idx, item_idx of the held-out pairs that lists should hold; None: no lists.
        catalogue: candidates of the lists: item_idx, group_idx.
        seen: `schemas.RATING_BLOCKS` of the user side: the items that a user's list must not hold.
    """

    train: DataFrame
    pairs: DataFrame | None
    pair_blocks: DataFrame | None
    targets: DataFrame | None
    catalogue: DataFrame
    seen: DataFrame


def evaluate_models(
    run: Run, held_out: HeldOut, models: Mapping[str, FactorModel | ItemWeights], unrated: frozenset[str]
) -> list[dict[str, Any]]:
    """The metric rows of all models, measured in one pass over the held-out ratings.

    Args:
        run: the run, or a study's.
        held_out: what to evaluate on.
        models: models by name; at least one is a factor model, and all of these have the same number of user blocks.
        unrated: names of models whose scores do not predict ratings; they have no RMSE and MAE.
    """
    settings = run.settings.evaluate
    rows: list[dict[str, Any]] = []
    slices = SLICES
    if held_out.targets is not None:
        # few rows, which lists and metrics read several times
        targets = run.scratch("evaluate").write(held_out.targets.select(c.USER_IDX, c.ITEM_IDX), "targets")
        lists = _lists(run, held_out, targets, models)
        ranked = ranking_metrics(
            reduce(DataFrame.unionByName, lists),
            targets,
            held_out.catalogue,
            held_out.train,
            models=list(models),
            ks=settings.ks,
            slices=slices,
        )
        rows += collect_metrics(ranked)
    rated = {name: model for name, model in models.items() if name not in unrated and isinstance(model, FactorModel)}
    if held_out.pairs is not None and held_out.pair_blocks is not None and rated:
        scores = [_scores(run, held_out.pair_blocks, name, model) for name, model in rated.items()]
        errors = rating_metrics(
            held_out.pairs,
            reduce(DataFrame.unionByName, scores),
            held_out.train,
            models=list(rated),
            slices=slices,
            clip=settings.clip,
        )
        rows += collect_metrics(errors)
    return rows


def _lists(
    run: Run, held_out: HeldOut, targets: DataFrame, models: Mapping[str, FactorModel | ItemWeights]
) -> list[DataFrame]:
    """The lists of users with targets, by model; written, because the metrics read them several times."""
    rules = ListRules(max(run.settings.evaluate.ks), run.settings.recommend.filter_seen)
    popular = popular_list(run, held_out.train, held_out.catalogue, rules)
    store, num_blocks = run.scratch("evaluate"), _user_blocks(models)
    with_side_information = users_with_side_information(run, store, run.work.read("user_index"), num_blocks)
    query_users = store.write(members_by_block(targets.select(c.USER_IDX).distinct(), num_blocks), "query_users")
    lists_of_models = []
    for name, model in models.items():
        run.progress.update("evaluate", model=name, step="lists")
        if isinstance(model, ItemWeights):
            model_lists = write_item_lists(
                run, model, held_out.train, targets, held_out.catalogue, rules, popular, store.below(name)
            )
            lists_of_models.append(model_lists.withColumn("model", f.lit(name)))
            continue
        with arrow_batch(run.spark, 1):
            items = load_items(run, model, held_out.catalogue)
            with make_lists(
                run, model, items, held_out.seen, with_side_information, rules, popular, query_users
            ) as lists:
                model_lists = store.below(name).write(lists, "top_n")
        lists_of_models.append(model_lists.withColumn("model", f.lit(name)))
    return lists_of_models


def _user_blocks(models: Mapping[str, FactorModel | ItemWeights]) -> int:
    return next(model.user_blocks for model in models.values() if isinstance(model, FactorModel))


def _scores(run: Run, pair_blocks: DataFrame, name: str, model: FactorModel) -> DataFrame:
    run.progress.update("evaluate", model=name, step="scores")
    bound = run.settings.factorize.broadcast_bytes
    with (
        arrow_batch(run.spark, BLOCKS_PER_BATCH),
        broadcast_or_shuffle(model.item_factors, model.item_blocks, model.shape, broadcast_bytes=bound) as source,
    ):
        scored = score_pairs(
            pair_blocks,
            source,
            model.user_factors,
            model.shape,
            dst_num_blocks=model.user_blocks,
            broadcast_bytes=bound,
        )
        named = scored.withColumnsRenamed({"dst_idx": c.USER_IDX, "src_idx": c.ITEM_IDX})
        scores = named.select(c.USER_IDX, c.ITEM_IDX, c.SCORE)
        stored = run.scratch("evaluate").below(name).write(scores, "scores")
    return stored.withColumn("model", f.lit(name))


def baselines(
    run: Run, train: DataFrame, sizes: TableSizes, names: Sequence[str]
) -> Iterator[tuple[str, FactorModel | ItemWeights]]:
    """Names and models of baselines, fitted one after the other; those of factors are written as tables.

    Args:
        run: the run, or a study's.
        train: training ratings, `schemas.RATINGS_SPLIT`.
        sizes: entities and blocks of the model's tables.
        names: as in `evaluate.baselines`.
    """
    settings, implicit = run.settings.evaluate, run.settings.factorize.mode == "implicit"
    makers = {
        "popularity": lambda: popularity_baseline(popularity_scores(run, train), sizes),
        "bias": lambda: bias_baseline(train, sizes),
        "als": lambda: als_baseline(
            train,
            sizes,
            rank=settings.als_rank,
            reg=settings.als_reg,
            iterations=ALS_ITERATIONS,
            seed=run.settings.seed,
            implicit=implicit,
        ),
    }
    for name in names:
        run.progress.update("evaluate", model=name, step="fit")
        if name in ITEM_MODELS:
            yield name, item_weights(run, train, name)
        else:
            yield name, written(run, makers[name](), sizes)


def written(run: Run, baseline: Baseline, sizes: TableSizes) -> FactorModel:
    """A baseline with its tables written to the scratch folder of the evaluation.

    Args:
        run: the run, or a study's.
        baseline: the baseline.
        sizes: entities and blocks of its tables.
    """
    store = run.scratch("evaluate").below(baseline.name)
    return FactorModel(
        store.write(baseline.user_factors, "user_factors"),
        store.write(baseline.item_factors, "item_factors"),
        baseline.shape,
        sizes.user_blocks,
        sizes.item_blocks,
    )
