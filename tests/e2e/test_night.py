"""A generated world goes in and published tables come out; a killed night ends in the same tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from bgmrec.config import load_settings
from tests.e2e.nights import (
    FIRST_DAY,
    LAST_DAY,
    PROJECT,
    assert_same_lists,
    kill_when,
    night_arguments,
    published,
    run_job,
    start_job,
    submit_job,
)


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


def test_a_search_goes_on_where_it_stopped_and_its_best_settings_load(
    undisturbed: Path, world: Path, tmp_path: Path
) -> None:
    space, out = tmp_path / "space.toml", tmp_path / "best.toml"
    space.write_text(
        '[tune]\nspace = [{ key = "factorize.user_reg", kind = "float", low = 1.0, high = 30.0, log = true }]\n'
    )
    plain = ["train.rounds=1", "user_encoder.kind=none", "item_encoder.kind=none"]
    arguments = [*night_arguments(world, undisturbed, LAST_DAY, *plain), "--config", str(space), "--out", str(out)]
    first = run_job("tune", *arguments, "--trials", "1")
    second = run_job("tune", *arguments, "--trials", "2")
    assert "tune: trial 1:" in first.stderr
    assert "tune: trial 1:" not in second.stderr, "a finished trial was repeated"
    values = [float(text) for text in re.findall(r"state complete, value ([0-9.]+)", first.stderr + second.stderr)]
    assert len(set(values)) == 2
    best = float(re.findall(r"validation value ([0-9.]+)", out.read_text())[0])
    assert best == pytest.approx(min(values), rel=1e-4)
    assert 1.0 <= load_settings([PROJECT / "conf" / "base.toml", out]).factorize.user_reg <= 30.0


def test_a_rerun_that_is_killed_changes_nothing_until_it_is_resumed(undisturbed: Path, world: Path) -> None:
    before = published(undisturbed, "recommendations", LAST_DAY)
    similar = published(undisturbed, "similar_items", LAST_DAY)
    arguments, log = night_arguments(world, undisturbed, LAST_DAY), undisturbed / "night.log"
    kill_when(start_job("nightly", *arguments, log=log), log, "train: round 2")
    pd.testing.assert_frame_equal(before, published(undisturbed, "recommendations", LAST_DAY))
    resumed = run_job("nightly", *arguments)
    assert "finished before the interruption" in resumed.stderr
    assert "train: round 1:" not in resumed.stderr, "a finished round was repeated"
    after = published(undisturbed, "recommendations", LAST_DAY)
    assert set(before["run_id"]) != set(after["run_id"])
    assert_same_lists(before, after)
    assert_same_lists(similar, published(undisturbed, "similar_items", LAST_DAY))


def test_single_stages_find_what_the_stage_before_left(undisturbed: Path, world: Path) -> None:
    before = published(undisturbed, "recommendations", LAST_DAY)
    run_job("recommend", *night_arguments(world, undisturbed, LAST_DAY))
    assert_same_lists(before, published(undisturbed, "recommendations", LAST_DAY))
    # the lists are another run's now, the model is still that of the first
    run_job("report", *night_arguments(world, undisturbed, LAST_DAY))
    unpublished = "publish.tables=['similar_items']"  # the lists were made, and can be shown
    shown = run_job("show", *night_arguments(world, undisturbed, LAST_DAY, unpublished), "--users", "1")
    assert "recommended (score, music)" in shown.stdout


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
