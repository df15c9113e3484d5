"""Writes the encoders' inputs from the staged tables: dense indices, the split, feature vectors and item tokens."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame

from bgmrec.errors import InputError
from bgmrec.features.build import index_ratings, write_features
from bgmrec.features.split import split_ratings
from bgmrec.run.state import Run
from bgmrec.storage import columns as c


def stage(run: Run) -> None:
    """Writes indices, split, features and tokens; ids of the previous model keep their index.

    Args:
        run: settings, logical date and tables; `ratings`, `users` and `items` must be there.

    Raises:
        InputError: no rating is before the validation days.
        SettingsError: a feature does not fit its field.
    """
    model = run.previous_model()
    indexed = index_ratings(run, run.work.read("ratings"), None if model is None else model.tables)
    settings = run.settings
    split = run.work.write(split_ratings(indexed, settings.split, settings.seed, run.end), "ratings_split")
    _report_split(run, split)
    write_features(run, split, fitted=_previous_features(run))


def _previous_features(run: Run) -> dict[str, Any] | None:
    """The fitted features of the model of a warm start, if the settings of features and fields are the same."""
    model = run.warm_model()
    if model is None:
        return None
    now, before = run.settings.model_dump(mode="json"), model.facts["settings"]
    same_features = all(now[name] == before[name] for name in ("user_features", "item_features"))
    same_fields = all(now[name]["fields"] == before[name]["fields"] for name in ("users", "items"))
    return model.tables.document("fitted_features") if same_features and same_fields else None


def _report_split(run: Run, split: DataFrame) -> None:
    rows = {row[c.PART]: row["count"] for row in split.groupBy(c.PART).count().collect()}
    run.summary.add("build_features", train=rows.get(c.TRAIN, 0), valid=rows.get(c.VALID, 0))
    if not rows.get(c.TRAIN):
        raise InputError(
            "there is no training rating",
            where=run.work.path("ratings_split"),
            expected="ratings before the validation days",
            found=f"{rows.get(c.VALID, 0):,} validation ratings alone",
            hint="raise lookback_days of the sources, or lower split.valid_days",
        )
