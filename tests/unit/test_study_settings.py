"""The settings of a trial: files, models and overrides."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bgmrec.errors import SettingsError
from bgmrec.study.trial import Trial
from bgmrec.study.trial_settings import options_text, settings_files, settings_of
from jobs import study

CONF = Path(__file__).parents[2] / "conf"
ARGUMENTS = argparse.Namespace(conf=CONF, root="build/study", data="data", config=[], overrides=[])


def settings(kind, model="bayes"):
    return settings_of(Trial("ml-1m-random", model, 0.8, 3, "test", kind, False), ARGUMENTS)


def test_without_side_information_a_model_reads_the_training_ratings_alone():
    real, none = settings("real"), settings("none")
    assert ["svd:text"] in real.bayes.item_groups and real.item_features.features
    assert none.bayes.item_groups == none.bayes.user_groups == [["svd:ratings"], ["log:counts"]]
    assert none.item_features.features == none.user_features.features == none.item_features.document.fields == []
    assert none.bayes.draws == real.bayes.draws and none.seed == real.seed == 1 + 3


@pytest.mark.parametrize("model", ["pmf", "biased", "bayes"])
def test_models_of_a_data_set_are_not_the_papers_models_of_the_same_name(model):
    names = [path.name for path in settings_files(Trial("ml-1m-random", model, 0.8, 3, "test", "real", False), CONF)]
    assert names == ["base.toml", "ml-1m.toml", f"{model}.toml"]
    assert [path.name for path in settings_files(Trial("random", model, 0.8, 3, "test", "real", False), CONF)] == [
        "base.toml"
    ]


@pytest.mark.parametrize(
    ("protocol", "model", "parts"),
    [
        ("ml-1m-random", "byes", ["no model byes", str(CONF / "ml-1m"), "bayes, biased, cold", "byes.toml"]),
        ("kuairand-music-days", "bayes", [str(CONF / "kuairand"), "one of deep, ials, trend"]),
        ("ml-1m-cold", "mine.toml", ["the path mine.toml", "no file mine.toml"]),
        ("random", "biassed", ["no model biassed", "protocol random", "ending in .toml"]),
        ("days", "bayes", ["no model bayes", "protocol days", "no folder of models"]),
    ],
)
def test_an_unknown_model_is_refused_with_the_folder_of_models(protocol, model, parts):
    with pytest.raises(SettingsError) as refused:
        settings_of(Trial(protocol, model, None, 0, "test", "real", False), ARGUMENTS)
    assert all(part in str(refused.value) for part in parts), str(refused.value)
    assert "None/" not in str(refused.value)


def test_numbers_at_a_fraction_are_no_model_of_their_own():
    with pytest.raises(SettingsError) as refused:
        settings_of(Trial("ml-1m-random", "unknown", 0.2, 0, "test", "real", False), ARGUMENTS)
    assert "phd-biased" in refused.value.expected and "biased-20" not in refused.value.expected


def test_options_are_what_changes_the_model():
    overrides = ["factorize.cg_steps=3", "paths.root=elsewhere", "spark.master=local[1]"]
    arguments = argparse.Namespace(protocol="ml-1m-random", config=["my links.toml"], overrides=overrides, leak=True)
    assert options_text(arguments) == "--config 'my links.toml' --set factorize.cg_steps=3 --leak"
    # without a data set --config is the data, not an option
    arguments = argparse.Namespace(protocol="random", config=["my.toml"], overrides=[], leak=False)
    assert options_text(arguments) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["random", "--seeds", "0,one"], "whole numbers separated by commas, found 'one'"),
        (["random", "--fractions", "0.8,80"], "between 0 and 1 separated by commas, found '80'"),
        (["random", "--fractions", "half"], "found 'half'"),
        (["random", "--side-information", "real,some"], "expected real, permuted, none, found 'some'"),
        (["ml-1m-cold"], "ml-1m-cold needs --data"),
        (["random", "--report", "page.html"], "--report needs the protocol paper"),
    ],
)
def test_arguments_that_cannot_be_read_are_refused(capsys, arguments, message):
    with pytest.raises(SystemExit) as refused:
        study.main(arguments)
    assert refused.value.code == 2 and message in capsys.readouterr().err
