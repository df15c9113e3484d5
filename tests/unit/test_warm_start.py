"""When a run counts as warm, so that a few rounds are enough; the trials of a search never do."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bgmrec.config import load_settings
from bgmrec.errors import TrainingError
from bgmrec.factorize.objective import Objective
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.study import tune_trials
from bgmrec.train import learn, rounds

BASE = Path(__file__).parents[2] / "conf" / "base.toml"


def a_run(*overrides: str) -> Run:
    spark: Any = None
    return Run(load_settings([BASE], list(overrides)), date(2025, 3, 14), spark, Progress(live=False), Summary())


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("factorize.user_reg=11.0", False),
        ("item_encoder.filters=8", False),
        ("user_encoder.fit.epochs=7", False),
        ("trend.damping=2.0", False),
        ("recommend.n=7", True),
        ("paths.root='elsewhere'", True),
    ],
)
def test_only_settings_of_the_model_require_a_full_training(change: str, same: bool) -> None:
    before: Any = SimpleNamespace(facts={"settings": a_run().settings.model_dump(mode="json")})
    assert learn._same_model_settings(a_run(), before)
    assert learn._same_model_settings(a_run(change), before) is same


def test_a_stored_model_without_a_section_is_a_different_model() -> None:
    stored = a_run().settings.model_dump(mode="json")
    del stored["trend"]
    before: Any = SimpleNamespace(facts={"settings": stored})
    assert not learn._same_model_settings(a_run(), before)


def test_every_encoder_must_start_warm() -> None:
    def problem(user: object, item: object) -> Any:
        sides = {"user": user, "item": item}
        return SimpleNamespace(**{name: SimpleNamespace(name=name, encoder=encoder) for name, encoder in sides.items()})

    both, one, none = problem(object(), object()), problem(None, object()), problem(None, None)
    assert learn._all_warm(both, ["user", "item"]) and learn._all_warm(one, ["item"])
    assert learn._all_warm(none, [])
    assert not learn._all_warm(both, ["user"]) and not learn._all_warm(one, [])


def test_the_trials_of_a_search_do_not_start_warm(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def learnt(run: Run, *_: object) -> SimpleNamespace:
        seen.append(run.settings.train)
        return SimpleNamespace(valid=0.5, state=SimpleNamespace(round=0, history=[]))

    monkeypatch.setattr(tune_trials, "learn", learnt)
    trial: Any = SimpleNamespace(report=lambda *_: None, should_prune=lambda: False)
    assert tune_trials.Search(a_run(), [str(BASE)], ["train.rounds=3"])(trial) == 0.5
    assert seen[0].rounds == 3 and not seen[0].warm_start


def test_a_round_without_validation_needs_a_finite_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    not_finite = Objective(data=float("nan"), user_prior=1.0, item_prior=1.0)
    monkeypatch.setattr(rounds, "solve_both_sides", lambda *_: not_finite)
    checkpoints: Any = SimpleNamespace(round_folder=lambda number: number)
    problem: Any = None
    with pytest.raises(TrainingError, match=r"objective of a round is not a number[\s\S]*round 1"):
        rounds._one_round(problem, checkpoints, 1, None, Progress(live=False))
