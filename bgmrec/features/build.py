"""Writes indices, feature vectors and item tokens from the staged tables of a run."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame

from bgmrec.config.features import EntityFeatures
from bgmrec.features.document import Vocabulary, fit_vocabulary, tokenize
from bgmrec.features.entities import entities_by_idx, with_training_ratings
from bgmrec.features.fitted import FittedFeatures, feature_names, fit_features
from bgmrec.features.index import all_ids, extend_index
from bgmrec.features.transform import transform_features
from bgmrec.run.state import Run
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import entity_schema
from bgmrec.storage.tables import Tables


def index_ratings(run: Run, ratings: DataFrame, previous: Tables | None) -> DataFrame:
    """Writes both indices; returns the ratings with `user_idx` and `item_idx`.

    Args:
        run: settings and tables.
        ratings: by external ids.
        previous: tables of the previous model, with `user_index` and `item_index`; None: there is none.
    """
    user_index = _index(run, "user_index", [ratings, _users(run)], c.USER_ID, c.USER_IDX, previous)
    item_index = _index(run, "item_index", [ratings, _items(run)], c.ITEM_ID, c.ITEM_IDX, previous)
    return ratings.join(user_index, on=c.USER_ID, how="inner").join(item_index, on=c.ITEM_ID, how="inner")


def write_features(run: Run, split: DataFrame, *, fitted: dict[str, Any] | None = None) -> None:
    """Writes features, tokens and `fitted_features`, the state that they were encoded with.

    Args:
        run: settings and tables.
        split: `schemas.RATINGS_SPLIT`; only entities with training ratings are fitted on.
        fitted: `fitted_features` of an earlier run, to reuse; None: they are fitted.
    """
    settings = run.settings
    users = entities_by_idx(run.work.read("user_index"), _users(run), c.USER_ID, c.USER_IDX)
    items = entities_by_idx(run.work.read("item_index"), _items(run), c.ITEM_ID, c.ITEM_IDX)
    reused = fitted or {}
    run.summary.add("build_features", refitted=not reused)
    document = {
        "user_features": _features(run, "user_features", users, split, c.USER_IDX, settings.user_features, reused),
        "item_features": _features(run, "item_features", items, split, c.ITEM_IDX, settings.item_features, reused),
        "vocabulary": _tokens(run, items, split, reused),
    }
    run.work.write_json("fitted_features", document)


def _users(run: Run) -> DataFrame:
    return run.work.read("users", entity_schema(c.USER_ID, run.settings.users.fields))


def _items(run: Run) -> DataFrame:
    return run.work.read("items", entity_schema(c.ITEM_ID, run.settings.items.fields))


def _index(
    run: Run, name: str, tables: list[DataFrame], id_column: str, idx_column: str, previous: Tables | None
) -> DataFrame:
    before = previous.read(name) if previous is not None else None
    run.progress.update("build_features", table=name)
    index = run.work.write(extend_index(all_ids(tables, id_column), before, id_column, idx_column), name)
    n_before = before.count() if before is not None else 0
    total = index.count()
    run.summary.add("build_features", **{name: total, f"{name}_new": total - n_before})
    return index


def _features(
    run: Run, name: str, entities: DataFrame, split: DataFrame, idx_column: str, settings: EntityFeatures,
    reused: dict[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    run.progress.update("build_features", table=name)
    if name in reused:
        fitted = FittedFeatures.from_json(reused[name])
    else:
        fitted = fit_features(with_training_ratings(entities, split, idx_column), settings.features)
    run.work.write(transform_features(entities, settings.features, fitted), name)
    run.summary.add("build_features", **{f"{name}_width": len(feature_names(fitted))})
    return fitted.to_json()


def _tokens(run: Run, items: DataFrame, split: DataFrame, reused: dict[str, Any]) -> list[str]:
    run.progress.update("build_features", table="item_tokens")
    settings = run.settings.item_features.document
    if "vocabulary" in reused:
        vocabulary = Vocabulary(tuple(reused["vocabulary"]))
    else:
        vocabulary = fit_vocabulary(with_training_ratings(items, split, c.ITEM_IDX), settings)
    run.work.write(tokenize(items, vocabulary, settings), "item_tokens")
    run.summary.add("build_features", vocabulary=len(vocabulary.words))
    return vocabulary.to_json()
