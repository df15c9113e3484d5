"""The benchmarks on problems of a second: what they print, and that both sides did the same work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs import benchmark

ROOT = Path(__file__).resolve().parents[2]
SIZES = ("--users", "1200", "--items", "300", "--ratings", "20000", "--rank", "8", "--repeats", "1")
KEYS = {"name", "ratio", "ours_s", "peer_s", "quality_ours", "quality_peer"}


@pytest.fixture
def measure(spark, tmp_path, capsys):
    """(sub-command and options) → the object on the last line, measured in the shared session."""

    def run(*options):
        assert (
            benchmark.main([*SIZES, *options, "--root", str(tmp_path), "--config", str(ROOT / "conf/base.toml")]) == 0
        )
        found = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert found.keys() >= KEYS
        assert found["ratio"] == pytest.approx(found["peer_s"] / found["ours_s"], rel=1e-2)
        assert found["peak_mb"] and found["versions"]["pyspark"]
        return found

    return run


def test_als_solves_the_same_problem_as_mllib(measure):
    found = measure("als", "--iterations", "8")
    assert found["peak_mb"]["ours"]["all_mb"] > found["peak_mb"]["ours"]["workers_mb"] > 30
    assert found["quality_ours"] == pytest.approx(found["quality_peer"], rel=0.02)


def test_implicit_mode_reaches_the_objective_of_implicit(measure):
    pytest.importorskip("implicit")
    found = measure("als", "--implicit", "--iterations", "8")
    exact = found["exact_peer"]["quality"]
    assert found["exact_ours"]["quality"] == pytest.approx(exact, rel=0.02)
    assert found["quality_ours"] == pytest.approx(exact, rel=0.02)


def test_lists_are_those_of_both_peers(measure):
    pytest.importorskip("implicit")
    assert measure("topn")["quality_ours"] == 1.0
    assert measure("topn", "--peer", "implicit")["quality_ours"] == 1.0


def test_the_kernel_is_judged_by_an_exact_solution(measure):
    found = measure("kernel")
    assert found["quality_ours"] < 1e-4
    assert found["share"] == pytest.approx(found["ratio"], rel=1e-2)


def test_a_draw_is_timed_against_a_round(measure):
    assert measure("bayes")["ours"]["n"] == 1


def test_times_per_rating_are_those_of_the_sizes_asked_for(measure):
    found = measure("scale", "--ratings", "8e5,4e5")
    assert len(found["points"]) == 2 and list(map(int, found["points"])) == sorted(map(int, found["points"]))


@pytest.mark.parametrize(("name", "ratings"), [("scale", "4e5"), ("als", "4e5,8e5")])
def test_sizes_that_do_not_fit_the_benchmark_are_refused(capsys, name, ratings):
    with pytest.raises(SystemExit) as refused:
        benchmark.main([name, "--ratings", ratings])
    assert refused.value.code == 2 and "--ratings: scale compares two" in capsys.readouterr().err


def test_ratings_too_few_for_their_skew_are_refused(spark, tmp_path, capfd):
    assert benchmark.main(["skew", *SIZES, "--items", "100", "--root", str(tmp_path)]) == 2
    assert "each pair is rated once" in capfd.readouterr().err
