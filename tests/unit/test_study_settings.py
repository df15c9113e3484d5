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
