"""A generated world goes in and published tables come out."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.nights import FIRST_DAY, LAST_DAY, night_arguments, published, run_job, submit_job


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("world")
    sizes = ["--users", "300", "--items", "120", "--events", "6000", "--days", "6", "--seed", "5"]
    submit_job("generate_world", *sizes, "--first-day", FIRST_DAY, "--out", str(out))
    return out


@pytest.fixture(scope="module")
def undisturbed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    done = submit_job("nightly", *night_arguments(world, root, LAST_DAY))
    assert done.stdout.strip().endswith(".json")
    return root


def test_the_night_publishes_lists_that_keep_their_promises(undisturbed: Path, world: Path) -> None:
    lists = published(undisturbed, "recommendations", LAST_DAY)
    assert list(lists.columns) == ["ds", "user_id", "position", "item_id", "score", "source", "run_id"]
    assert not lists.isna().to_numpy().any()
    assert not lists.duplicated(["user_id", "item_id"]).any()
    sizes = lists.groupby("user_id")["position"].agg(["min", "max", "count"])
    assert (sizes["min"] == 1).all() and (sizes["max"] == sizes["count"]).all()
    falling = lists.groupby("user_id")["score"].apply(lambda scores: scores.is_monotonic_decreasing)
    assert falling.all()
    assert {"warm", "cold"} <= set(lists["source"])
    similar = published(undisturbed, "similar_items", LAST_DAY)
    assert (similar["item_id"] != similar["similar_item_id"]).all()


def test_the_summary_accounts_for_every_row(undisturbed: Path) -> None:
    summary = json.loads(next((undisturbed / "summaries").glob("*.json")).read_text())
    assert summary["result"]["published"] is True
    assert set(summary["seconds"]) >= {"ingest_ratings", "train", "recommend"}
    # driver, Java and workers together; the night below keeps a JVM of 2 GB busy
    assert all(100 < megabytes < 8192 for megabytes in summary["peak_memory_mb"].values())
    counts = summary["ingest_ratings"]
    accounted = sum(counts[name] for name in ("kept", "rejected", "duplicate", "filtered", "after_window"))
    assert counts["rows_in"] == accounted
    assert counts["rejected"] > 0
    assert counts["kept"] == counts["ratings"] + counts["merged"]
    assert summary["metrics"]["bgmrec"]["rmse"] < 1.5


def test_impossible_settings_end_before_spark_with_their_status(world: Path, tmp_path: Path) -> None:
    done = run_job("nightly", *night_arguments(world, tmp_path, LAST_DAY, "factorize.rank=0"), check=False)
    assert done.returncode == 2
    assert "factorize.rank" in done.stderr
    assert not any(tmp_path.iterdir())


def test_too_many_rejects_leave_the_published_tables_alone(undisturbed: Path, world: Path) -> None:
    before = published(undisturbed, "recommendations", LAST_DAY)
    strict = night_arguments(world, undisturbed, LAST_DAY, "ratings.max_reject_share=0.0")
    done = run_job("nightly", *strict, check=False)
    assert done.returncode == 3
    pd.testing.assert_frame_equal(before, published(undisturbed, "recommendations", LAST_DAY))
