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
from bgmrec.features.document import Vocabulary, fit_vocabulary, tokenize
from bgmrec.features.entities import entities_by_idx, with_training_ratings
from bgmrec.features.fitted import FittedFeatures, feature_names, fit_features
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
    indexed = index_ratings(run, run.work.read("ratings"), None if model is None else model.tables)
    settings = run.settings
    split = run.work.write(split_ratings(indexed, settings.split, settings.seed, run.end), "ratings_split")
    _report_split(run, split)
    write_features(run, split, known=_known_features(run))


def index_ratings(run: Run, ratings: DataFrame, previous: Tables | None) -> DataFrame:
    """Writes both indices; returns the ratings with `user_idx` and `item_idx`.

    Args:
        run: the night, or a study's.
        ratings: by external ids.
        previous: the earlier model's place, with its `user_index` and `item_index`; none on the first night.
    """
    user_index = _index(run, "user_index", [ratings, _users(run)], c.USER_ID, c.USER_IDX, previous)
    item_index = _index(run, "item_index", [ratings, _items(run)], c.ITEM_ID, c.ITEM_IDX, previous)
    return ratings.join(user_index, on=c.USER_ID, how="inner").join(item_index, on=c.ITEM_ID, how="inner")


def _known_features(run: Run) -> dict[str, Any] | None:
    """What the model that this night goes on from was fitted with, if the settings still ask for the same."""
    model = run.warm_model()
    if model is None:
        return None
    now, before = run.settings.model_dump(mode="json"), model.facts["settings"]
    same_features = all(now[name] == before[name] for name in ("user_features", "item_features"))
    same_fields = all(now[name]["fields"] == before[name]["fields"] for name in ("users", "items"))
    return model.tables.document("fitted_features") if same_features and same_fields else None


def write_features(run: Run, split: DataFrame, *, known: dict[str, Any] | None = None) -> None:
    """Writes features, tokens and what was fitted for them.

    Args:
        run: the night, or a study's.
        split: `schemas.RATINGS_SPLIT`; only entities with training ratings are fitted on.
        known: `fitted_features` of an earlier night, to keep; none: they are fitted.
    """
    settings = run.settings
    users = entities_by_idx(run.work.read("user_index"), _users(run), c.USER_ID, c.USER_IDX)
    items = entities_by_idx(run.work.read("item_index"), _items(run), c.ITEM_ID, c.ITEM_IDX)
    known = known or {}
    run.summary.add("build_features", fitted_anew=not known)
    fitted = {
        "user_features": _features(run, "user_features", users, split, c.USER_IDX, settings.user_features, known),
        "item_features": _features(run, "item_features", items, split, c.ITEM_IDX, settings.item_features, known),
        "vocabulary": _tokens(run, items, split, known),
    }
    run.work.write_json("fitted_features", fitted)


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
    run: Run, name: str, entities: DataFrame, split: DataFrame, idx_column: str, settings: EntityFeatures,
    known: dict[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    run.progress.update("build_features", table=name)
    if name in known:
        fitted = FittedFeatures.from_json(known[name])
    else:
        fitted = fit_features(with_training_ratings(entities, split, idx_column), settings.features)
    run.work.write(transform_features(entities, settings.features, fitted), name)
    run.summary.add("build_features", **{f"{name}_width": len(feature_names(fitted))})
    return fitted.to_json()


def _tokens(run: Run, items: DataFrame, split: DataFrame, known: dict[str, Any]) -> list[str]:
    run.progress.update("build_features", table="item_tokens")
    settings = run.settings.item_features.document
    if "vocabulary" in known:
        vocabulary = Vocabulary(tuple(known["vocabulary"]))
    else:
        vocabulary = fit_vocabulary(with_training_ratings(items, split, c.ITEM_IDX), settings)
    run.work.write(tokenize(items, vocabulary, settings), "item_tokens")
    run.summary.add("build_features", vocabulary=len(vocabulary.words))
    return vocabulary.to_json()


def main(argv: list[str] | None = None) -> int:
    return run_job("build_features", __doc__, stage, argv)


if __name__ == "__main__":
    sys.exit(main())
