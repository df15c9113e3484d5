"""Which settings a trial of a study runs with."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bgmrec.study.study import configs, settings_of
from bgmrec.study.trial import Trial

CONF = Path(__file__).parents[2] / "conf"
ARGUMENTS = argparse.Namespace(conf=CONF, root="build/study", data="data", config=[], overrides=[])


def settings(kind, model="bayes"):
    return settings_of(Trial("ml-1m-random", model, 0.8, 3, "test", kind, False), ARGUMENTS)


def test_without_side_information_the_training_matrix_still_speaks():
    real, none = settings("real"), settings("none")
    assert ["svd:text"] in real.bayes.item_groups and real.item_features.features
    assert none.bayes.item_groups == none.bayes.user_groups == [["svd:ratings"], ["log:counts"]]
    assert none.item_features.features == none.user_features.features == none.item_features.document.fields == []
    assert none.bayes.draws == real.bayes.draws and none.seed == real.seed == 1 + 3


@pytest.mark.parametrize("model", ["pmf", "biased", "bayes"])
def test_a_data_sets_own_models_are_not_the_papers(model):
    names = [path.name for path in configs(Trial("ml-1m-random", model, 0.8, 3, "test", "real", False), CONF)]
    assert names == ["base.toml", "ml-1m.toml", f"{model}.toml"]
    assert [path.name for path in configs(Trial("random", model, 0.8, 3, "test", "real", False), CONF)] == ["base.toml"]
