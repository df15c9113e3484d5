"""A small run for tests of whole trainings: 40 users and 25 items with side information, ratings of ten days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import SparkSession

from bgmrec.config import Settings
from bgmrec.features.build import index_ratings, write_features
from bgmrec.features.split import split_ratings
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.storage import columns as c
from bgmrec.storage.schemas import RATINGS, entity_schema

DS = date(2025, 3, 14)
N_USERS, N_ITEMS, DAYS = 40, 25, 10
WORDS = ("rain", "sun", "piano", "drum", "night", "sea")
SETTINGS: dict[str, Any] = {
    "users": {"fields": [{"name": "age", "type": "number"}, {"name": "country", "type": "string"}]},
    "items": {"fields": [{"name": "genre", "type": "string"}, {"name": "title", "type": "text"}]},
    "user_features": {"features": [{"field": "age", "kind": "number"}, {"field": "country", "kind": "one_hot"}]},
    "item_features": {
        "features": [{"field": "genre", "kind": "one_hot"}],
        "document": {"fields": ["title"], "min_documents": 1, "max_document_share": 1.0},
    },
    "split": {"method": "time", "valid_days": 1},
    "factorize": {"rank": 3, "block_rows": 16, "user_reg": 2.0, "item_reg": 2.0},
    "user_encoder": {"hidden": [6], "fit": {"first_epochs": 2, "epochs": 1}},
    "item_encoder": {
        "embedding_size": 4, "filters": 3, "widths": [2], "hidden": 6, "feature_hidden": 4,
        "fit": {"first_epochs": 2, "epochs": 1},
    },
    "train": {"rounds": 2, "patience": 5},
}  # fmt: skip


@dataclass(frozen=True)
class Ratings:
    """Ratings as arrays: users, items, values 1 … 5 and days 0 … DAYS - 1; the last day is held out."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    days: np.ndarray

    @property
    def held_out(self) -> np.ndarray:
        """Which of them are validation ratings."""
        return self.days == DAYS - 1

    def changed(self, **arrays: np.ndarray) -> Ratings:
        """The same with other arrays."""
        return replace(self, **arrays)


def random_ratings(seed: int = 0) -> Ratings:
    """A third of all pairs, in which every user and every item has training ratings."""
    random = np.random.default_rng(seed)
    users, items = np.nonzero(random.random((N_USERS, N_ITEMS)) < 1 / 3)
    days = random.integers(0, DAYS, users.size)
    first = np.unique(users, return_index=True)[1], np.unique(items, return_index=True)[1]
    days[np.concatenate(first)] = 0
    return Ratings(users, items, random.integers(1, 6, users.size), days)


def make_run(spark: SparkSession, root: Path, ratings: Ratings, **sections: dict[str, Any]) -> Run:
    """A run whose tables up to the features are written; `sections` are merged over SETTINGS."""
    document = {**SETTINGS, "paths": {"root": str(root)}}
    for name, section in sections.items():
        document[name] = _merged(document.get(name, {}), section)
    run = Run(Settings.model_validate(document), DS, spark, Progress(live=False), Summary())
    _write_staged(run, ratings)
    indexed = index_ratings(run, run.work.read("ratings"), None)
    split = split_ratings(indexed, run.settings.split, run.settings.seed, run.end)
    write_features(run, run.work.write(split, "ratings_split"))
    return run


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    nested = {name: _merged(below.get(name, {}), value) for name, value in above.items() if isinstance(value, dict)}
    return {**below, **above, **nested}


def _write_staged(run: Run, ratings: Ratings) -> None:
    random = np.random.default_rng(1)
    start = datetime.combine(DS - timedelta(days=DAYS - 1), datetime.min.time()) + timedelta(hours=12)
    rows = [
        (f"u{user:02d}", f"m{item:02d}", float(value), 1.0, start + timedelta(days=int(day)))
        for user, item, value, day in zip(ratings.users, ratings.items, ratings.values, ratings.days, strict=True)
    ]
    run.work.write(run.spark.createDataFrame(rows, RATINGS), "ratings")
    users = [(f"u{n:02d}", float(random.integers(15, 80)), str(random.choice(["de", "cn"]))) for n in range(N_USERS)]
    items = [
        (f"m{n:02d}", str(random.choice(["pop", "jazz"])), " ".join(random.choice(WORDS, random.integers(0, 5))))
        for n in range(N_ITEMS)
    ]
    for name, id_column, entities in (("users", c.USER_ID, users), ("items", c.ITEM_ID, items)):
        schema = entity_schema(id_column, getattr(run.settings, name).fields)
        run.work.write(run.spark.createDataFrame(entities, schema), name, schema)
