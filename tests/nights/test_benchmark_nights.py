"""The benchmark of warm runs on a small world: which dates it runs, and how it compares them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from tests.e2e.nights import DEMO, SMALL, run_job

SIZES = ["--users", "120", "--items", "60", "--ratings", "3000", "--days", "8"]


def test_warm_runs_are_compared_with_full_training_of_the_same_dates(tmp_path: Path) -> None:
    sets = [part for item in SMALL for part in ("--set", item)]
    folder = ["--root", str(tmp_path)]
    done = run_job("benchmark", "warm", *DEMO, *sets, *SIZES, *folder, "--repeats", "2")
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["rounds"]["warm"] == [1, 1] and all(rounds > 1 for rounds in result["rounds"]["full"])
    assert result["ours"]["n"] == result["peer"]["n"] == 2
    assert sum(result["seconds"]["warm"].values()) == pytest.approx(result["ours_s"], rel=0.5)
    assert result["share_of_full_run"] == pytest.approx(result["ours_s"] / result["peer_s"], rel=1e-2)
    for kind, mean in (("warm", result["quality_ours"]), ("full", result["quality_peer"])):
        assert len(result["qualities"][kind]) == 2 and 0.0 < mean < 1.0
        assert mean == pytest.approx(statistics.fmean(result["qualities"][kind]), abs=1e-6)
    # the last run of both is of the same date, with the same events
    last = max(name.removeprefix("full ") for name in result["peak_mb"] if name.startswith("full "))
    assert {f"warm {last}", f"full {last}"} <= result["peak_mb"].keys() and len(result["peak_mb"]) == 5


def test_more_runs_than_may_be_warm_are_refused_before_the_first(tmp_path: Path) -> None:
    done = run_job("benchmark", "warm", *DEMO, *SIZES, "--root", str(tmp_path), "--repeats", "7", check=False)
    assert done.returncode == 2 and "--repeats" in done.stderr and "at most 6" in done.stderr
    assert not list(tmp_path.rglob("*.parquet"))
