"""The benchmarks on problems of a second: what they print, and that bgmrec and the peer did the same work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs import benchmark

ROOT = Path(__file__).resolve().parents[2]
SIZES = ("--users", "1200", "--items", "300", "--ratings", "20000", "--rank", "8", "--repeats", "1")
KEYS = {"benchmark", "name", "work", "peer_name", "ratio", "ours_s", "peer_s", "quality_ours", "measured"}


@pytest.fixture
def measure(spark, tmp_path, capsys):
    """(name and options) → the JSON object on the last line, measured in the shared session."""

    def run(*options):
        assert (
            benchmark.main([*SIZES, *options, "--root", str(tmp_path), "--config", str(ROOT / "conf/base.toml")]) == 0
        )
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert result.keys() >= KEYS
        assert result["ratio"] == pytest.approx(result["peer_s"] / result["ours_s"], rel=1e-2)
        assert result["peak_mb"] and result["versions"]["pyspark"]
        assert result["measured"]["command"].startswith("python jobs/benchmark.py --users 1200")
        assert result["measured"]["cores"] and result["measured"]["date"]
        return result

    return run


def test_als_solves_the_same_problem_as_mllib(measure):
    result = measure("als", "--iterations", "8")
    assert result["peak_mb"]["ours"]["all_mb"] > result["peak_mb"]["ours"]["workers_mb"] > 30
    assert result["quality_ours"] == pytest.approx(result["quality_peer"], rel=0.02)
    options = "--rank 8 --users 1200 --items 300 --ratings 20000 --iterations 8 --repeats 1"
    assert result["benchmark"] == f"als {options}", "without defaults and paths"


def test_implicit_mode_reaches_the_objective_of_implicit(measure):
    pytest.importorskip("implicit")
    result = measure("als", "--implicit", "--iterations", "8")
    (exact,) = result["others"]
    assert exact["cg_steps"] == 0 and result["cg_steps"] == 3
    assert exact["quality_ours"] == pytest.approx(exact["quality_peer"], rel=0.02)
    assert result["quality_ours"] == pytest.approx(exact["quality_peer"], rel=0.02)


def test_lists_are_those_of_both_peers(measure):
    pytest.importorskip("implicit")
    assert measure("topn")["quality_ours"] == 1.0
    assert measure("topn", "--peer", "implicit")["quality_ours"] == 1.0


def test_the_kernel_is_compared_with_an_exact_solution(measure):
    result = measure("kernel")
    assert result["quality_ours"] < 1e-4
    assert result["rate"]["ours"] / result["rate"]["peer"] == pytest.approx(result["ratio"], rel=1e-2)


def test_a_draw_is_timed_against_a_round(measure):
    assert measure("bayes")["ours"]["n"] == 1


def test_times_per_rating_are_those_of_the_numbers_of_ratings(measure):
    result = measure("scale", "--ratings", "8e5,4e5")
    assert len(result["points"]) == 2 and list(map(int, result["points"])) == sorted(map(int, result["points"]))


def test_a_result_is_appended_and_its_table_written(measure, tmp_path):
    results, document = tmp_path / "results.jsonl", tmp_path / "speed.md"
    document.write_text("<!-- results: comparisons name=kernel_rank_8 -->\n<!-- end of results -->\n")
    first = measure("kernel", "--json", str(results), "--table", str(document))
    second = measure("kernel", "--json", str(results), "--table", str(document))
    assert [json.loads(line) for line in results.read_text().splitlines()] == [first, second]
    rows = [line for line in document.read_text().splitlines() if line.startswith("| `kernel ")]
    assert len(rows) == 1, "the later of two results of one benchmark"


@pytest.mark.parametrize(("name", "ratings"), [("scale", "4e5"), ("als", "4e5,8e5")])
def test_numbers_of_ratings_that_do_not_fit_the_benchmark_are_refused(capsys, name, ratings):
    with pytest.raises(SystemExit) as refused:
        benchmark.main([name, "--ratings", ratings])
    assert refused.value.code == 2 and "--ratings: scale compares two" in capsys.readouterr().err


def test_too_few_items_for_the_skew_are_refused(spark, tmp_path, capfd):
    assert benchmark.main(["skew", *SIZES, "--items", "100", "--root", str(tmp_path)]) == 2
    assert "each pair is rated once" in capfd.readouterr().err
