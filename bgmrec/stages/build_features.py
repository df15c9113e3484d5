"""Makes what the encoders eat from the staged tables: dense indices, the split, feature vectors and item tokens."""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame

from bgmrec.errors import InputError
from bgmrec.features.build import index_ratings, write_features
from bgmrec.features.split import split_ratings
from bgmrec.run.state import Run
from bgmrec.storage import columns as c


def stage(run: Run) -> None:
    """Goes on with the indices of the previous model, where there is one."""
    model = run.previous_model()
    indexed = index_ratings(run, run.work.read("ratings"), None if model is None else model.tables)
    settings = run.settings
    split = run.work.write(split_ratings(indexed, settings.split, settings.seed, run.end), "ratings_split")
    _report_split(run, split)
    write_features(run, split, known=_known_features(run))


def _known_features(run: Run) -> dict[str, Any] | None:
    """What the model that this night goes on from was fitted with, if the settings still ask for the same."""
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
            "no rating is left to train on",
            where=run.work.path("ratings_split"),
            expected="ratings before the validation days",
            found=f"{rows.get(c.VALID, 0)} validation ratings and no others",
            hint="widen lookback_days of the sources, or make split.valid_days smaller",
        )
