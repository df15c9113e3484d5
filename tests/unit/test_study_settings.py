"""Which settings a trial of a study runs with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

JOBS = str(Path(__file__).parents[2] / "jobs")
ARGUMENTS = argparse.Namespace(root="build/study", data="data", config=[], overrides=[])


@pytest.fixture
def jobs() -> Iterator[None]:
    sys.path.insert(0, JOBS)
    yield
    sys.path.remove(JOBS)


def settings(kind, model="bayes"):
    from study import settings_of
    from study_trial import Trial

    return settings_of(Trial("ml-1m-random", model, 0.8, 3, "test", kind, False), ARGUMENTS)


@pytest.mark.usefixtures("jobs")
def test_without_side_information_the_training_matrix_still_speaks():
    real, none = settings("real"), settings("none")
    assert ["svd:text"] in real.bayes.item_groups and real.item_features.features
    assert none.bayes.item_groups == none.bayes.user_groups == [["svd:ratings"], ["log:counts"]]
    assert none.item_features.features == none.user_features.features == none.item_features.document.fields == []
    assert none.bayes.draws == real.bayes.draws and none.seed == real.seed == 1 + 3


@pytest.mark.usefixtures("jobs")
@pytest.mark.parametrize("model", ["pmf", "biased", "bayes"])
def test_a_data_sets_own_models_are_not_the_papers(model):
    from study import configs
    from study_trial import Trial

    names = [path.name for path in configs(Trial("ml-1m-random", model, 0.8, 3, "test", "real", False))]
    assert names == ["base.toml", "ml-1m.toml", f"{model}.toml"]
    assert [path.name for path in configs(Trial("random", model, 0.8, 3, "test", "real", False))] == ["base.toml"]
