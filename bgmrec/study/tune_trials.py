"""The trials of a search for settings: how values are drawn, a trial is trained and evaluated, and stopped early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
import optuna

from bgmrec.config import Settings, load_settings
from bgmrec.config.tune import SearchKey, TuneSettings
from bgmrec.errors import TrainingError
from bgmrec.run.state import Run, Summary, fingerprint
from bgmrec.study.search_space import overrides_of, toml_text
from bgmrec.train.checkpoint import TrainState
from bgmrec.train.learn import learn

DIVERGED = "diverged"  # attribute of trials whose training failed; other trials without a value were interrupted
RANDOM_TRIALS = 10  # drawn evenly before the sampler (TPE) learns from earlier trials; Optuna's default
# no trial is stopped before so many have finished, nor in its first rounds, whose values say little about the last one
STARTUP_TRIALS, WARM_UP_ROUNDS = 5, 2


@dataclass
class RoundReporter:
    """Reports the value of every round to the pruner once, also of rounds that an interrupted process finished.

    Args:
        trial: that the rounds belong to.
    """

    trial: optuna.Trial
    _n_reported: int = field(default=0, init=False)

    def __call__(self, state: TrainState) -> None:
        """Reports the new rounds.

        Args:
            state: of the training.

        Raises:
            optuna.TrialPruned: the pruner stops the trial.
        """
        for entry in state.history[self._n_reported :]:
            self._n_reported += 1
            self.trial.report(entry["valid"], entry["round"])
            if self.trial.should_prune():
                raise optuna.TrialPruned


@dataclass(frozen=True)
class Search:
    """Trains and evaluates the settings of one trial.

    Args:
        run: of the logical date.
        files: settings files.
        overrides: `key=value` texts over the files; the values of a trial win over both.
    """

    run: Run
    files: Sequence[str]
    overrides: Sequence[str]

    def __call__(self, trial: optuna.Trial) -> float:
        """The validation value; lower is better.

        Args:
            trial: whose values are drawn.

        Raises:
            TrainingError: training diverged.
        """
        values = {search_key.key: suggested(trial, search_key) for search_key in self.run.settings.tune.space}
        # full training: an earlier run's model fits the settings of some trials and not of others
        settings = load_settings(self.files, [*self.overrides, *overrides_of(values), "train.warm_start=false"])
        run = replace(self.run, settings=settings, summary=Summary())
        # the folder is named by the settings: only the same trial finds the rounds that an interruption left
        scratch = run.scratch("train").below("tune").below(fingerprint(settings))
        reporter = RoundReporter(trial)
        try:
            learned = learn(run, scratch, reporter)
            reporter(learned.state)
        except TrainingError as error:
            trial.set_user_attr(DIVERGED, error.message)
            raise
        if learned.valid is None:
            raise AssertionError("validation ratings were counted before the first trial")
        return learned.valid


def suggested(trial: optuna.Trial, search_key: SearchKey) -> str:
    """The trial's value of a key as TOML text.

    Args:
        trial: that draws the value.
        search_key: of `tune.space`.
    """
    key, log = search_key.key, search_key.log
    if search_key.kind == "categorical":
        return str(trial.suggest_categorical(key, [toml_text(choice) for choice in search_key.choices]))
    low, high = search_key.low or 0.0, search_key.high or 0.0
    if search_key.kind == "int":
        return toml_text(trial.suggest_int(key, int(low), int(high), log=log))
    return toml_text(trial.suggest_float(key, low, high, log=log))


def configured(settings: Settings) -> dict[str, Any]:
    """The values that the settings have, as a trial draws them; without those that `tune.space` does not hold.

    Args:
        settings: all settings.
    """
    values = {}
    for search_key in settings.tune.space:
        value: Any = reduce(getattr, search_key.key.split("."), settings)
        if search_key.kind == "categorical":
            if value in search_key.choices:
                values[search_key.key] = toml_text(value)
        elif value is not None and (search_key.low or 0.0) <= value <= (search_key.high or 0.0):
            values[search_key.key] = value
    return values


def sampler(tune: TuneSettings, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial: its random numbers do not depend on earlier draws of this process.

    Args:
        tune: `[tune]`.
        number: of the trial, from 0.
    """
    seed = int(np.random.SeedSequence([tune.seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, seed=seed)


def pruner(tune: TuneSettings) -> optuna.pruners.BasePruner:
    """The pruner of `tune.pruner`. Rounds count from 1: the first one after the warm-up rounds may stop a trial.

    Args:
        tune: `[tune]`.
    """
    if tune.pruner == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(STARTUP_TRIALS, WARM_UP_ROUNDS + 1)
