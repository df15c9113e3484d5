"""What comes after a night: a killed rerun ends in the same tables, stages run alone, a search for its settings."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from bgmrec.config import load_settings
from tests.e2e.nights import (
    LAST_DAY,
    PROJECT,
    assert_same_lists,
    kill_when,
    night_arguments,
    published,
    run_job,
    small_world,
    start_job,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def undisturbed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    run_job("nightly", *night_arguments(world, root, LAST_DAY))
    return root


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
    assert "recommended (score, track)" in shown.stdout
