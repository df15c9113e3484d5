"""The benchmark of warm nights on a small world: which nights it runs, and what it makes of them."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from tests.e2e.nights import DEMO, SMALL, run_job

SIZES = ["--users", "120", "--items", "60", "--ratings", "3000", "--days", "8"]


def test_nights_in_a_row_are_compared_with_the_same_nights_from_nothing(tmp_path: Path) -> None:
    sets = [part for item in SMALL for part in ("--set", item)]
    folder = ["--root", str(tmp_path)]
    done = run_job("benchmark", "warm", *DEMO, *sets, *SIZES, *folder, "--repeats", "2")
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["rounds"]["warm"] == [1, 1] and all(rounds > 1 for rounds in found["rounds"]["cold"])
    assert found["ours"]["n"] == found["peer"]["n"] == 2
    assert sum(found["seconds"]["warm"].values()) == pytest.approx(found["ours_s"], rel=0.5)
    assert found["share_of_a_cold_night"] == pytest.approx(found["ours_s"] / found["peer_s"], rel=1e-2)
    for kind, mean in (("warm", found["quality_ours"]), ("cold", found["quality_peer"])):
        assert len(found["qualities"][kind]) == 2 and 0.0 < mean < 1.0
        assert mean == pytest.approx(statistics.fmean(found["qualities"][kind]), abs=1e-6)
    # the last night of both is the same date's, and had the same events
    last = max(name.removeprefix("cold ") for name in found["peak_mb"] if name.startswith("cold "))
    assert {f"warm {last}", f"cold {last}"} <= found["peak_mb"].keys() and len(found["peak_mb"]) == 5


def test_more_nights_than_stay_warm_are_refused_before_any_is_run(tmp_path: Path) -> None:
    done = run_job("benchmark", "warm", *DEMO, *SIZES, "--root", str(tmp_path), "--repeats", "7", check=False)
    assert done.returncode == 2 and "--repeats" in done.stderr and "at most 6" in done.stderr
    assert not list(tmp_path.rglob("*.parquet"))
