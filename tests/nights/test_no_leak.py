"""Held-out ratings do not change anything that encoders read, except in a study that asks for a leak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from bgmrec.config import load_settings
from bgmrec.encoders.distributed.fit import fit_distributed
from bgmrec.errors import SettingsError
from bgmrec.run.state import Run
from bgmrec.stages import train as train_stage
from bgmrec.storage import files
from bgmrec.train import refit
from bgmrec.train.checkpoint import Checkpoints
from bgmrec.train.learn import learn
from tests.e2e.nights import CONFIG, PROJECT
from tests.spark.small_run import N_ITEMS, Ratings, make_run, random_ratings

RATINGS = random_ratings()
ROUNDS = 2


def other_values(ratings: Ratings) -> Ratings:
    """Every held-out rating has another value."""
    return ratings.changed(values=np.where(ratings.held_out, 6 - ratings.values % 5, ratings.values))


def other_items(ratings: Ratings) -> Ratings:
    """Every held-out rating is of another item, one that the user has not rated."""
    items = ratings.items.copy()
    pairs = set(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True))
    for at in np.flatnonzero(ratings.held_out):
        free = [item for item in range(N_ITEMS) if (int(ratings.users[at]), item) not in pairs]
        items[at] = free[at % len(free)]
        pairs.add((int(ratings.users[at]), int(items[at])))
    return ratings.changed(items=items)


def other_users(ratings: Ratings) -> Ratings:
    """Every held-out rating is of another user, one who has not rated the item."""
    mirrored = ratings.changed(users=ratings.items, items=ratings.users)
    pairs = set(zip(ratings.users.tolist(), ratings.items.tolist(), strict=True))
    users = ratings.users.copy()
    for at in np.flatnonzero(mirrored.held_out):
        free = [user for user in range(ratings.users.max() + 1) if (user, int(ratings.items[at])) not in pairs]
        users[at] = free[at % len(free)]
        pairs.add((int(users[at]), int(ratings.items[at])))
    return ratings.changed(users=users)


def rows_of(run: Run, path: str) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in run.spark.read.parquet(path).collect())


class EncoderInputs:
    """Everything that the encoders of one training read, and the weights that they end with."""

    def __init__(
        self, spark: SparkSession, root: Path, ratings: Ratings, monkeypatch: pytest.MonkeyPatch, *, leak: bool
    ):
        self.run = make_run(spark, root, ratings)
        self.feeds: list[Any] = []

        def fit_and_record(spark: SparkSession, state: Any, open_feed: Any, *arguments: Any, **options: Any) -> Any:
            self.feeds.append((rows_of(self.run, open_feed.__self__.path), state.to_bytes()))
            return fit_distributed(spark, state, open_feed, *arguments, **options)

        monkeypatch.setattr(refit, "fit_distributed", fit_and_record)
        learn(self.run, leaked=self.run.work.read("ratings_split") if leak else None)
        monkeypatch.undo()

    def tables(self) -> dict[str, Any]:
        """Name → content of every table and document."""
        work, scratch = self.run.work, self.run.scratch("train")
        tables: dict[str, Any] = {
            name: rows_of(self.run, work.path(name)) for name in ("user_features", "item_features", "item_tokens")
        }
        tables |= {name: rows_of(self.run, scratch.path(name)) for name in ("user_inputs", "item_inputs")}
        tables["fitted_features"] = work.document("fitted_features")
        tables["feeds"] = self.feeds
        last = Checkpoints(scratch).round_folder(ROUNDS)
        for side in ("user", "item"):
            tables[f"{side}_weights"] = files.read_bytes(last.spark, last.path(f"{side}_encoder.safetensors"))
        return tables


@pytest.fixture(scope="module")
def expected(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return EncoderInputs(spark, tmp_path_factory.mktemp("run"), RATINGS, monkeypatch, leak=False).tables()


@pytest.mark.parametrize("change", [other_values, other_items, other_users])
def test_held_out_ratings_change_nothing_that_encoders_read(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], change: Any
) -> None:
    changed = change(RATINGS)
    assert changed.held_out.sum() > 20
    found = EncoderInputs(spark, tmp_path, changed, monkeypatch, leak=False).tables()
    assert len(found["feeds"]) == 2 * ROUNDS
    for name, content in expected.items():
        assert found[name] == content, name


@pytest.mark.parametrize("change", [other_values, other_items])
def test_a_training_rating_changes_what_encoders_read(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any], change: Any
) -> None:
    """The comparison above can fail: the same changes to the ratings of the day before are found."""
    days = np.where(RATINGS.days == RATINGS.days.max() - 1, RATINGS.days.max(), RATINGS.days)
    moved = change(RATINGS.changed(days=days)).changed(days=RATINGS.days)
    found = EncoderInputs(spark, tmp_path, moved, monkeypatch, leak=False).tables()
    assert found["user_inputs"] != expected["user_inputs"] and found["user_weights"] != expected["user_weights"]


def test_a_study_can_leak_on_purpose(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]
) -> None:
    found = EncoderInputs(spark, tmp_path, RATINGS, monkeypatch, leak=True).tables()
    assert found["item_inputs"] == expected["item_inputs"]
    assert found["user_inputs"] != expected["user_inputs"] and found["user_weights"] != expected["user_weights"]


def test_the_train_stage_does_not_leak(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: dict[str, Any]
) -> None:
    run = make_run(spark, tmp_path, RATINGS)
    run.work.write_json("run", {"run_id": "2025-03-14-001", "number": 1, "begun": {}, "done": {}})
    train_stage.stage(run)
    assert rows_of(run, run.scratch("train").path("user_inputs")) == expected["user_inputs"]


@pytest.mark.parametrize("key", ["leak", "user_encoder.leak", "train.leak", "user_encoder.seen"])
def test_settings_refuse_a_leak(key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        load_settings([], [f"{key}=true"])


@pytest.mark.parametrize("job", ["nightly", "train", "tune"])
def test_only_a_study_has_the_option(job: str) -> None:
    command = [sys.executable, f"jobs/{job}.py", *CONFIG, "--ds", "2025-01-06", "--leak"]
    command += ["--trials", "1", "--out", "best.toml"] if job == "tune" else []
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "unrecognized arguments: --leak" in done.stderr
