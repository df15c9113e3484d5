"""The settings of `make demo` on a small world: two nights that rank likes, the gate between them, and their report."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.e2e.nights import (
    DAY_BEFORE,
    DEMO,
    LAST_DAY,
    PROJECT,
    night_arguments,
    published,
    run_job,
    small_world,
)

ALL_TABLES = ["recommendations", "similar_items", "recommendation_reasons"]


def test_the_demos_own_nights_rank_likes_pass_the_gate_and_the_second_goes_on_from_the_first(tmp_path: Path) -> None:
    world = small_world(tmp_path / "world")
    strict = night_arguments(world, tmp_path, DAY_BEFORE, "publish.gate.min_rows=1000000", config=DEMO)
    refused = run_job("nightly", *strict, check=False)
    assert refused.returncode == 4 and "expected at least 1,000,000" in refused.stderr
    assert not (tmp_path / "published" / "_manifests").exists()
    forced = run_job("nightly", *strict, "--force-publish", "a test of the gate")
    assert "train: resumed finished before the interruption" in forced.stderr
    extra = ["report.enabled=true", "report.users=20", f"publish.tables={ALL_TABLES}"]
    arguments = night_arguments(world, tmp_path, LAST_DAY, *extra, config=DEMO)
    run_job("nightly", *arguments)
    first, summary = (json.loads(path.read_text()) for path in sorted((tmp_path / "summaries").glob("*.json")))
    assert first["gate"]["forced"]["reason"] == "a test of the gate" and summary["gate"]["forced"] is None
    assert (first["train"]["warm_start"], first["train"]["warm_encoders"]) == (False, [])
    assert (summary["train"]["warm_start"], summary["train"]["warm_encoders"]) == (True, ["user", "item"])
    assert (first["train"]["rounds"], summary["train"]["rounds"]) == (3, 1)
    assert first["train"]["valid"] is not None and summary["train"]["valid"] is None  # one round: nothing to choose
    metrics = summary["metrics"]
    assert "rmse" not in metrics["bgmrec"] and metrics["bgmrec"]["coverage@10"] > metrics["popularity"]["coverage@10"]
    assert 0.0 < metrics["bgmrec"]["ndcg@10"] < 1.0
    lists = published(tmp_path, "recommendations", LAST_DAY)
    user = lists.loc[lists["source"] == "warm", "user_id"].iloc[0]
    item = lists["item_id"].iloc[0]
    shown = run_job("show", *arguments, "--user", user, "--item", item).stdout
    assert f"user {user} (warm, " in shown and "recommended (score, track)" in shown
    assert " their ratings" in shown and "because of" in shown
    assert f"item {item}: " in shown and "similar tracks (cosine, track)" in shown
    assert_report_takes_published_scores_apart(summary, lists)
    parts = published(tmp_path, "recommendation_reasons", LAST_DAY).groupby(["user_id", "position"])["score_part"].sum()
    made = lists[lists["source"] != "popular"].set_index(["user_id", "position"])["score"]
    pd.testing.assert_series_equal(parts.astype("float32"), made.sort_index(), atol=1e-4, check_names=False)


def test_a_warm_night_that_predicts_ratings_is_judged_though_it_is_not_validated(tmp_path: Path) -> None:
    world = small_world(tmp_path / "world")
    for ds in (DAY_BEFORE, LAST_DAY):
        arguments = night_arguments(world, tmp_path, ds, "report.enabled=false", "evaluate.baselines=['popularity']")
        run_job("nightly", *arguments, "--force-publish", "a test of warm nights")
    cold, warm = (json.loads(path.read_text()) for path in sorted((tmp_path / "summaries").glob("*.json")))
    assert (cold["train"]["warm_start"], warm["train"]["warm_start"]) == (False, True)
    assert cold["train"]["valid"] is not None and warm["train"]["valid"] is None
    assert 0.0 < warm["metrics"]["bgmrec"]["rmse"] < 3.0


def assert_report_takes_published_scores_apart(summary: dict, lists: pd.DataFrame) -> None:
    """The page is where the summary says, and the parts of every score in it add up to the published one."""
    page = PROJECT / summary["report"]
    assert page.read_text().startswith("<!DOCTYPE html>")
    facts = json.loads((page.with_suffix("") / "facts.json").read_text())
    scores = lists.set_index(["user_id", "item_id"])["score"]
    explained = [(person["user_id"], row) for person in facts["people"] for row in person["list"] if "why" in row]
    assert len(explained) >= 100
    for user, row in explained:
        why = row["why"]
        total = why["item"] + why["ratings"] + why["prior"]  # without offsets unobserved pairs have no part
        assert total == pytest.approx(scores[user, row["item_id"]], abs=1e-4)
    assert {person["source"] for person in facts["people"]} >= {"warm", "cold"}
