"""The text table of a study: mean and spread over seeds, baselines once per seed, other methods."""

from __future__ import annotations

from bgmrec.study.console_table import mean_and_spread, study_table
from bgmrec.study.peer_results import peer_results


def result(seed: int, rmse: float, **more):
    keys = {"protocol": "ml-1m-cold", "model": "cold", "fraction": None, "side_information": "real", "part": "test"}
    return {**keys, "seed": seed, "rmse_cold_item": rmse, "seconds": 10.0 * seed, **more}


def test_the_spread_is_the_sample_standard_deviation():
    assert mean_and_spread([0.5]) == "0.5000"
    assert mean_and_spread([1.0, 2.0, 3.0]) == "2.0000 ± 1.0000"  # √((1 + 0 + 1) / 2)


def test_seeds_are_one_line_with_other_methods_below():
    lines = study_table([result(1, 1.0), result(2, 1.2)]).splitlines()
    assert lines[0].split() == ["model", "fraction", "side", "information", "seeds", "rmse_cold_item", "seconds"]
    assert lines[1].split() == ["cold", "real", "2", "1.1000", "±", "0.1414", "15"]
    peers = peer_results("ml-1m-cold", None)
    assert len(lines) == 2 + len(peers)
    assert lines[2].startswith("mean + user or item bias (measured)") and lines[2].endswith("1.0661")


def test_a_baseline_counts_once_per_seed_however_many_models_share_it():
    shared = {"mean": {"rmse_cold_item": 1.04}}
    rows = [result(1, 1.0, baselines=shared), {**result(1, 1.1, baselines=shared), "model": "other"}]
    lines = [line for line in study_table(rows).splitlines() if line.startswith("baseline: mean")]
    assert len(lines) == 1 and lines[0].split()[-2:] == ["1", "1.0400"]


def test_fractions_have_their_own_other_methods():
    assert {peer.method for peer in peer_results("ml-1m-random", 0.4)} == {"PHD", "ConvMF", "PMF"}
    assert peer_results("random", 0.8) == []
