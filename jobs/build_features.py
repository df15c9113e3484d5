"""Makes what the encoders eat from the staged tables: dense indices, the split, feature vectors and item tokens.

Reads `ratings`, `users` and `items` of the logical date; writes `user_index`, `item_index`, `ratings_split`,
`user_features`, `item_features`, `item_tokens` and `fitted_features.json`. Ids of the previous model keep their
index. Vocabularies, means and spreads are fitted on entities with training ratings only.
"""

from __future__ import annotations

import sys
from typing import Any

from pyspark.sql import DataFrame

from bgmrec import columns as c
from bgmrec.config.features import EntityFeatures
from bgmrec.errors import InputError
from bgmrec.features.document import fit_vocabulary, tokenize
from bgmrec.features.entities import entities_by_idx, with_training_ratings
from bgmrec.features.fitted import feature_names, fit_features
from bgmrec.features.transform import transform_features
from bgmrec.index import all_ids, extend_index
from bgmrec.job import run_job
from bgmrec.run import Run
from bgmrec.schemas import entity_schema
from bgmrec.split import split_ratings
from bgmrec.tables import Tables


def stage(run: Run) -> None:
    """Goes on with the indices of the previous model, where there is one."""
    model = run.previous_model()
    build_features(run, previous=None if model is None else model.tables)


def build_features(run: Run, previous: Tables | None) -> None:
    """Writes indices, split and features.

    Args:
        run: the night.
        previous: the earlier model's place, with its `user_index` and `item_index`; none on the first night.
    """
    settings = run.settings
    users = run.work.read("users", entity_schema(c.USER_ID, settings.users.fields))
    items = run.work.read("items", entity_schema(c.ITEM_ID, settings.items.fields))
    ratings = run.work.read("ratings")
    user_index = _index(run, "user_index", [ratings, users], c.USER_ID, c.USER_IDX, previous)
    item_index = _index(run, "item_index", [ratings, items], c.ITEM_ID, c.ITEM_IDX, previous)
    indexed = ratings.join(user_index, on=c.USER_ID, how="inner").join(item_index, on=c.ITEM_ID, how="inner")
    split = run.work.write(split_ratings(indexed, settings.split, settings.seed, run.end), "ratings_split")
    _report_split(run, split)
    users_by_idx = entities_by_idx(user_index, users, c.USER_ID, c.USER_IDX)
    items_by_idx = entities_by_idx(item_index, items, c.ITEM_ID, c.ITEM_IDX)
    fitted = {
        "user_features": _features(run, "user_features", users_by_idx, split, c.USER_IDX, settings.user_features),
        "item_features": _features(run, "item_features", items_by_idx, split, c.ITEM_IDX, settings.item_features),
        "vocabulary": _tokens(run, items_by_idx, split),
    }
    run.work.write_json("fitted_features", fitted)


def _index(
    run: Run, name: str, tables: list[DataFrame], id_column: str, idx_column: str, previous: Tables | None
) -> DataFrame:
    before = previous.read(name) if previous is not None else None
    run.progress.update("build_features", table=name)
    index = run.work.write(extend_index(all_ids(tables, id_column), before, id_column, idx_column), name)
    known = before.count() if before is not None else 0
    total = index.count()
    run.summary.add("build_features", **{name: total, f"{name}_new": total - known})
    return index


def _report_split(run: Run, split: DataFrame) -> None:
    rows = {row[c.PART]: row["count"] for row in split.groupBy(c.PART).count().collect()}
    run.summary.add("build_features", train=rows.get(c.TRAIN, 0), valid=rows.get(c.VALID, 0))
    if not rows.get(c.TRAIN):
        raise InputError(
            "no rating is left to train on",
            where=run.work.path("ratings_split"),
            expected="ratings before the validation days",
            found=f"{rows.get(c.VALID, 0)} validation ratings and no others",
            cure="widen lookback_days of the sources, or make split.valid_days smaller",
        )


def _features(
    run: Run, name: str, entities: DataFrame, split: DataFrame, idx_column: str, settings: EntityFeatures
) -> list[dict[str, Any]]:
    run.progress.update("build_features", table=name)
    fitted = fit_features(with_training_ratings(entities, split, idx_column), settings.features)
    run.work.write(transform_features(entities, settings.features, fitted), name)
    run.summary.add("build_features", **{f"{name}_width": len(feature_names(fitted))})
    return fitted.to_json()


def _tokens(run: Run, items: DataFrame, split: DataFrame) -> list[str]:
    run.progress.update("build_features", table="item_tokens")
    settings = run.settings.item_features.document
    vocabulary = fit_vocabulary(with_training_ratings(items, split, c.ITEM_IDX), settings)
    run.work.write(tokenize(items, vocabulary, settings), "item_tokens")
    run.summary.add("build_features", vocabulary=len(vocabulary.words))
    return vocabulary.to_json()


def main(argv: list[str] | None = None) -> int:
    return run_job("build_features", __doc__, stage, argv)


if __name__ == "__main__":
    sys.exit(main())
