"""The Markdown tables of studies and benchmarks, and that the published ones are made from the published results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bgmrec.bench import results_tables as bench_tables
from bgmrec.bench.results_tables import TARGETS
from bgmrec.errors import InputError
from bgmrec.report.result_blocks import parse_block, read_results, rewrite_blocks
from bgmrec.study import results_tables as study_tables
from jobs import benchmark, study

ROOT = Path(__file__).parents[2]
MEASURED = {"date": "2025-03-14", "version": "1.0", "processor": "P", "command": "python jobs/study.py"}


def trial(**more: Any) -> dict[str, Any]:
    keys = {"protocol": "ml-1m-random", "model": "deep", "fraction": 0.8, "seed": 0, "part": "test"}
    keys |= {"side_information": "real", "options": "", "measured": MEASURED}
    return keys | more


def cells(text: str) -> list[list[str]]:
    """The rows of a Markdown table."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [row for row in rows if not row[0].startswith("---")]


def study_rows(results: list[dict[str, Any]], label: str) -> list[list[str]]:
    return cells(study_tables.accuracy_table(results)(parse_block(label)))


def test_seeds_become_mean_and_standard_deviation() -> None:
    results = [trial(seed=seed, rmse=rmse, seconds=10.0 + seed) for seed, rmse in enumerate((0.81, 0.83, 0.82))]
    heading, row = study_rows(results, "ml-1m-random kind=model")
    assert heading == ["model", "seeds", "RMSE", "seconds", "measured"]
    # √((.01² + .01²) / 2)
    assert row == ["`deep`", "0, 1, 2", ".8200 ± .0100", "11", "1"]


def test_a_seed_that_is_measured_again_replaces_the_earlier_line() -> None:
    _, row = study_rows([trial(rmse=0.9), trial(rmse=0.8)], "ml-1m-random kind=model")
    assert row[:3] == ["`deep`", "0", ".8000"]


def test_trials_replace_a_summary_of_seeds() -> None:
    summary = trial(seeds=[0, 1, 2], rmse=0.9, spread={"rmse": 0.0017})
    del summary["seed"]
    _, row = study_rows([summary], "ml-1m-random kind=model")
    assert row[:3] == ["`deep`", "0, 1, 2", ".9000 ± .0017"]
    _, row = study_rows([summary, trial(seed=5, rmse=0.8)], "ml-1m-random kind=model")
    assert row[:3] == ["`deep`", "5", ".8000"]


def test_rows_are_sorted_by_share_kind_and_value() -> None:
    results = [
        trial(model="b", rmse=0.85),
        trial(model="a", rmse=0.86),
        trial(model="low", fraction=0.2, rmse=0.7),
        trial(model="c", rmse=0.80, options="--leak"),
    ]
    rows = study_rows(results, "ml-1m-random fraction=0.8,0.2")[1:]
    assert [row[0] for row in rows[:3]] == ["`c`", "`b`", "`a`"]
    assert rows[0][:3] == ["`c`", "80 %", "`--leak`"]
    assert rows[3][0] == "Macau + train matrix (measured)", "the best of the other methods"
    assert next(row[0] for row in rows if row[1] == "20 %") == "`low`"


def test_large_values_are_best_in_lists() -> None:
    values = {"a": 0.04, "b": 0.05}
    results = [trial(protocol="kuairand-music-days", fraction=None, model=m, ndcg_10=v) for m, v in values.items()]
    rows = study_rows(results, "kuairand-music-days")[1:]
    assert [row[0] for row in rows[:3]] == ["`b`", "`a`", "EASE × trend (measured)"]


def test_baselines_of_a_run_have_rows() -> None:
    shared = {"mean": {"rmse_cold_item": 1.04}, "content_knn": {"ndcg_10_cold_items": 0.2}}
    results = [trial(protocol="ml-1m-cold", fraction=None, model=m, rmse_cold_item=1.0, baselines=shared) for m in "ab"]
    rows = study_rows(results, "ml-1m-cold kind=model,baseline")[1:]
    assert [row[0] for row in rows] == ["`a`", "`b`", "baseline: mean", "baseline: content_knn"]
    assert rows[2][2] == "1.0400" and rows[3][3] == ".2000"


def test_valid_and_fewer_decimals_are_shown() -> None:
    _, row = study_rows([trial(part="valid", rmse=0.711, digits=3)], "ml-1m-random part=valid")
    assert row[0] == "`deep`, on valid" and row[2] == ".711"


@pytest.mark.parametrize(
    ("label", "message"),
    [("ml-1m-rand", "unknown table"), ("random", "no result"), ("ml-1m-random model=x", "no result")],
)
def test_a_block_without_rows_is_refused(label: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        study_rows([trial(rmse=0.8)], label)


def comparison(**more: Any) -> dict[str, Any]:
    row = {
        "benchmark": "als --iterations 3",
        "name": "als rank 64",
        "work": "one iteration",
        "peer_name": "Spark MLlib",
    }
    row |= {"ratio": 9.905, "ours_s": 5.284, "peer_s": 52.34, "quality_ours": 0.44512, "quality_peer": 0.504}
    return row | {"quality": "training RMSE", "measured": MEASURED} | more


def bench_rows(results: list[dict[str, Any]], label: str = "comparisons") -> list[list[str]]:
    return cells(bench_tables.benchmark_table(results)(parse_block(label)))


def test_a_comparison_has_times_ratio_target_and_quality() -> None:
    _, row = bench_rows([comparison()])
    assert row[:6] == ["`als --iterations 3`", "one iteration", "5.28 s", "Spark MLlib", "52.3 s", "9.9"]
    assert row[6:] == ["8", ".4451", ".5040", "training RMSE", "P", "1"]


def test_further_comparisons_of_a_run_follow_it() -> None:
    other = {**comparison(ratio=1.64), "name": "encode, two processes", "work": "an epoch of two processes"}
    rows = bench_rows([comparison(benchmark="encode", others=[other])])
    assert [row[0] for row in rows[1:]] == ["`encode`", "the same run"]
    assert rows[2][5:7] == ["1.64", str(TARGETS["encode, two processes"])]


def test_the_last_line_of_a_benchmark_on_a_processor_counts() -> None:
    elsewhere = {**MEASURED, "processor": "Q"}
    rows = bench_rows([comparison(ours_s=9.0), comparison(measured=elsewhere), comparison(ours_s=4.0)])
    assert [row[2] for row in rows[1:]] == ["4 s", "5.28 s"]


def test_a_rate_is_shown_instead_of_times() -> None:
    rate = {"unit": "GFLOP/s", "ours": 33.3, "peer": 103.9}
    row = comparison(rate=rate, quality_peer=None)
    del row["ours_s"], row["peer_s"]
    assert bench_rows([row])[1][2:5] == ["33.3 GFLOP/s", "Spark MLlib", "104 GFLOP/s"]


def test_stages_of_warm_and_full_runs_are_shown() -> None:
    times = {"median_s": 125.2, "min_s": 124.6, "max_s": 130.0, "n": 3}
    row = comparison(
        name="warm", benchmark="warm", ours=times, peer={**times, "n": 1}, rounds={"warm": [1, 1], "full": [9, 8]}
    )
    row["seconds"] = {"warm": {"train": 37.4, "evaluate": 20.6}, "full": {"train": 435.0, "evaluate": 16.0}}
    heading, warm, full = bench_rows([row, comparison()], "stages")
    assert heading[:5] == ["benchmark", "training", "`train`", "`evaluate`", "run (from, to)"]
    assert warm[1:6] == ["warm", "37", "21", "125 (125 to 130)", "1, 1"]
    assert full[1:6] == ["full", "435", "16", "125", "9, 8"]


@pytest.mark.parametrize(
    ("folder", "table"), [("study", study_tables.accuracy_table), ("bench", bench_tables.benchmark_table)]
)
def test_published_tables_are_made_from_the_published_results(folder: str, table: Any, tmp_path: Path) -> None:
    """Rebuild: python jobs/study.py tables (or benchmark.py tables) with --json and --table of the folder."""
    document = ROOT / "bgmrec" / folder / "README.md"
    copy = tmp_path / "README.md"
    copy.write_text(document.read_text(encoding="utf-8"), encoding="utf-8")
    results = read_results(document.with_name("results.jsonl"))
    assert results and all({"date", "command"} <= result["measured"].keys() for result in results)
    rewrite_blocks(copy, table(results))
    assert copy.read_text(encoding="utf-8") == document.read_text(encoding="utf-8")


def test_every_target_belongs_to_a_published_result() -> None:
    results = read_results(ROOT / "bgmrec" / "bench" / "results.jsonl")
    names = {result["benchmark"] for result in results}
    names |= {other["name"] for result in results for other in result.get("others", [])}
    assert set(TARGETS) <= names


@pytest.mark.parametrize(("job", "folder"), [(study, "study"), (benchmark, "bench")])
def test_the_command_tables_measures_nothing(job: Any, folder: str, tmp_path: Path) -> None:
    label = "ml-1m-cold" if folder == "study" else "comparisons"
    document = tmp_path / "mine.md"
    document.write_text(f"<!-- results: {label} -->\n<!-- end of results -->\n")
    results = str(ROOT / "bgmrec" / folder / "results.jsonl")
    assert job.main(["tables", "--json", results, "--table", str(document)]) == 0
    assert document.read_text().count("|") > 40
    assert [path.name for path in tmp_path.iterdir()] == ["mine.md"]


@pytest.mark.parametrize("job", [study, benchmark])
@pytest.mark.parametrize("arguments", [["tables"], ["tables", "--json", "x"], ["tables", "--table", "x"]])
def test_tables_need_both_files(job: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        job.main(arguments)
    assert refused.value.code == 2 and "needs --" in capsys.readouterr().err
