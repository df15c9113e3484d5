"""The paper's experiments: their trials, the settings of each model, and the page of the results."""

from __future__ import annotations

import argparse
import html
from pathlib import Path

import pytest

from bgmrec.config import load_settings
from bgmrec.config.study import PaperSettings
from bgmrec.errors import SettingsError
from bgmrec.study.paper import paper_overrides, paper_trials, write_report
from bgmrec.study.trial import Trial
from bgmrec.study.trial_settings import settings_of as trial_settings

CONF = Path(__file__).parents[2] / "conf"
DEMO = [CONF / name for name in ("base.toml", "demo.toml", "demo-ratings.toml")]


def settings_of(model: str):
    config = [str(path) for path in DEMO[1:]]
    arguments = argparse.Namespace(conf=CONF, root="build/study", data=None, config=config, overrides=[])
    return trial_settings(Trial("random", model, 0.8, 0, "test", "real", False), arguments)


def test_every_model_is_what_its_name_says():
    pmf, biased, asdae, cnn, both, bayes = map(settings_of, ("pmf", "biased", "asdae", "cnn", "both", "bayes"))
    kinds = [(one.user_encoder.kind, one.item_encoder.kind) for one in (pmf, biased, asdae, cnn, both, bayes)]
    neural = ("asdae", "text_cnn")
    assert kinds == [("none", "none"), ("none", "none"), ("asdae", "none"), ("none", "text_cnn"), neural, neural]
    assert [one.factorize.bias for one in (pmf, biased, bayes)] == [False, True, True]
    assert both.bayes.draws == 0 and bayes.bayes.draws == both.study.paper.draws
    assert bayes.bayes.user_groups == bayes.bayes.item_groups == [["prior:encoder"]]


def test_one_number_varies_at_a_time():
    both, wide, strong = map(settings_of, ("both", "rank=64", "regularisation×3"))
    assert wide.factorize == both.factorize.model_copy(update={"rank": 64})
    factorize = both.factorize
    thrice = {"user_reg": 3 * factorize.user_reg, "item_reg": 3 * factorize.item_reg}
    assert strong.factorize == factorize.model_copy(update=thrice)
    assert strong.user_encoder == both.user_encoder


def test_every_trial_occurs_once():
    paper = PaperSettings(fractions=[0.2, 0.8], fraction=0.8, ranks=[4, 8], regularisations=[1.0, 10.0])
    trials = list(paper_trials(paper, [0, 1], "test"))
    assert len(trials) == len(set(trials)) == 2 * (2 * 6 + 2 + 2 + 2 + 6)
    assert {trial.fraction for trial in trials if trial.model.startswith("rank=")} == {0.8}
    alone = list(paper_trials(PaperSettings(fractions=[0.2], fraction=0.5, ranks=[4], regularisations=[]), [0], "test"))
    assert [trial.fraction for trial in alone if trial.model == "rank=4"] == [0.5]
    kinds = [(trial.fraction, trial.side_information) for trial in alone if trial.model == "both" and trial.fraction]
    assert sorted(kinds) == [(0.2, "real"), (0.5, "none"), (0.5, "permuted"), (0.5, "real")]


def test_rankings_are_refused():
    with pytest.raises(SettingsError, match="predict ratings"):
        paper_overrides("pmf", load_settings(DEMO[:2]))


def results() -> list[dict]:
    """Lines as jobs/study.py writes them, of two seeds: the more ratings and the more side information, the better."""
    paper = PaperSettings(ranks=[8, 16, 32], regularisations=[0.3, 1.0, 3.0])
    best = {"rank=16": 0.0, "regularisation×1": 0.0}
    lines = []
    for trial in paper_trials(paper, [0, 1], "test"):
        position = paper.models.index(trial.model) if trial.model in paper.models else 6 + best.get(trial.model, -1.0)
        error = (
            1.2
            + 0.03 * (trial.side_information != "real")
            - 0.01 * position
            - 0.2 * (trial.fraction or 0)
            + 0.002 * trial.seed
        )
        line = {**vars(trial), "settings": "s", "seconds": 10.0 + position, "round_seconds": 1.0, "ratings": 1000}
        cold = {"rmse_cold_item": error, "rmse_cold_user": error, "baselines": {"mean": {"rmse_cold_item": 1.3}}}
        lines.append(line | ({"rmse": error, "mae": error - 0.2} if trial.protocol == "random" else cold))
    return lines


def test_the_page_shows_the_results(tmp_path: Path):
    path = write_report(tmp_path / "paper.html", results())
    content = path.read_text()
    # 1.2 − .05 − .2 · .8, and half of .002 over the seeds
    assert "both, sampled is the most accurate: RMSE 0.9910, PMF 1.041" in content.replace("\n", " ")
    assert "0.9910 ± 0.0014" in content
    assert "Dimension: the error is lowest at 16" in content
    # both: 1.2 − .04 − .16, and half of .002 over the seeds; .03 more without its own side information
    assert "both, 80 %: real 1.001, permuted 1.031, none 1.031" in html.unescape(content)
    assert "mean of the warm side: cold tracks 1.300" in content, "a baseline that has one side only is shown"
    assert "RMSE of cold tracks and cold users" in content and "NDCG@10 of cold" not in content, (
        "no lists were measured"
    )
    drawn = {file.name for file in (tmp_path / "paper").iterdir()}
    assert {"rmse.svg", "rmse.png", "cold-rmse.svg", "rank.svg", "regularisation.png", "time-round.svg"} <= drawn
