"""Searches better settings on the working tables of one logical date, and writes the best ones as an overlay."""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from pyspark.sql import functions as f

from bgmrec.config import Settings, load_settings
from bgmrec.config.tune import SearchKey, TuneSettings
from bgmrec.errors import InputError, SettingsError, TrainingError
from bgmrec.run.state import Run, Summary, fingerprint
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import locked_run
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.study.search import checked_space, overlay, overrides_of, toml_text
from bgmrec.train.checkpoint import TrainState
from bgmrec.train.learn import learn

DIVERGED = "diverged"  # of trials that failed by themselves; others without a value were interrupted
COUNTED = (TrialState.COMPLETE, TrialState.PRUNED)


@dataclass
class Rounds:
    """Tells a trial the value of every round once, also of those that an interrupted process finished."""

    trial: optuna.Trial
    _told: int = field(default=0, init=False)

    def __call__(self, state: TrainState) -> None:
        """Raises optuna.TrialPruned where the pruner has seen enough."""
        for entry in state.history[self._told :]:
            self._told += 1
            self.trial.report(entry["valid"], entry["round"])
            if self.trial.should_prune():
                raise optuna.TrialPruned


@dataclass(frozen=True)
class Search:
    """Learns and judges the settings of one trial.

    Args:
        run: of the logical date.
        files, overrides: the settings' sources, over which a trial's values win.
    """

    run: Run
    files: Sequence[str]
    overrides: Sequence[str]

    def __call__(self, trial: optuna.Trial) -> float:
        """The validation value; lower is better."""
        values = {one.key: suggested(trial, one) for one in self.run.settings.tune.space}
        # every trial begins anew: an earlier night's model fits some of them and not others
        settings = load_settings(self.files, [*self.overrides, *overrides_of(values), "train.warm_start=false"])
        run = replace(self.run, settings=settings, summary=Summary())
        # named by the settings: only the same trial finds the rounds again that an interruption left
        scratch = run.scratch("train").below("tune").below(fingerprint(settings))
        rounds = Rounds(trial)
        try:
            learned = learn(run, scratch, rounds)
            rounds(learned.state)
        except TrainingError as error:
            trial.set_user_attr(DIVERGED, error.message)
            raise
        if learned.valid is None:
            raise AssertionError("validation ratings were counted before the first trial")
        return learned.valid


def suggested(trial: optuna.Trial, one: SearchKey) -> str:
    """The trial's value of a key as TOML text."""
    if one.kind == "categorical":
        return str(trial.suggest_categorical(one.key, [toml_text(choice) for choice in one.choices]))
    low, high = one.low or 0.0, one.high or 0.0
    if one.kind == "int":
        return toml_text(trial.suggest_int(one.key, int(low), int(high), log=one.log))
    return toml_text(trial.suggest_float(one.key, low, high, log=one.log))


def sampler(tune: TuneSettings, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial: its random numbers do not depend on what this process drew before."""
    seed = int(np.random.SeedSequence([tune.seed, number]).generate_state(1)[0])
    return optuna.samplers.TPESampler(n_startup_trials=tune.random_trials, seed=seed)


def pruner(tune: TuneSettings) -> optuna.pruners.BasePruner:
    """Rounds count from 1, so that the first one that may stop a trial comes after the warm-up rounds."""
    if tune.pruner.kind == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(tune.pruner.startup_trials, tune.pruner.warm_up_rounds + 1)


def open_study(run: Run, storage: Path) -> optuna.Study:
    """The search with these settings on this run of the date; trials that a kill left running are given up."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    tune = run.settings.tune
    searched = hashlib.sha256(tune.model_dump_json().encode()).hexdigest()[:12]
    study = optuna.create_study(
        storage=f"sqlite:///{storage.absolute()}",
        study_name=f"{run.run_id} {fingerprint(run.settings)} {searched}",
        pruner=pruner(tune),
        load_if_exists=True,
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ended by themselves; the settings of an interrupted one are drawn again."""
    return [t for t in study.get_trials(deepcopy=False) if t.state in COUNTED or DIVERGED in t.user_attrs]


def search(search: Search, study: optuna.Study, trials: int, out: Path) -> None:
    """Runs the missing trials; the overlay holds the best of those that have ended.

    Raises:
        TrainingError: no trial came to its end.
    """
    run, seconds = search.run, []
    for number in range(len(counted(study)), trials):
        began = time.monotonic()
        study.sampler = sampler(run.settings.tune, number)
        study.optimize(search, n_trials=1, catch=(TrainingError,))
        files.delete(run.spark, run.scratch("train").below("tune").root)
        seconds.append(time.monotonic() - began)
        left = (trials - number - 1) * sum(seconds) / len(seconds)
        _report(run, study, number, round(left))
        _write_best(run, study, out)
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise TrainingError(
            "no trial came to its end",
            where=study.study_name,
            expected="a validation value",
            found=f"{len(counted(study))} trials that diverged",
            hint="narrow tune.space: raise the regularisation or lower the learning rates",
        )
    _write_best(run, study, out)
    run.progress.done("tune", trials=len(counted(study)), best=study.best_value, out=str(out))


def _report(run: Run, study: optuna.Study, number: int, seconds_left: int) -> None:
    trial = counted(study)[-1]
    facts: dict[str, Any] = {"state": DIVERGED if DIVERGED in trial.user_attrs else trial.state.name.lower()}
    ended = study.get_trials(states=(TrialState.COMPLETE,))
    facts |= {"value": trial.value} if trial.value is not None else {}
    facts |= {"best": study.best_value} if ended else {}
    run.progress.done(f"tune: trial {number + 1}", **facts, **trial.params, seconds_left=seconds_left)


def _write_best(run: Run, study: optuna.Study, out: Path) -> None:
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return
    best = study.best_trial
    text = {
        one.key: best.params[one.key] if one.kind == "categorical" else toml_text(best.params[one.key])
        for one in run.settings.tune.space
    }
    heading = (
        f"The best of {len(counted(study))} trials of jobs/tune.py for {run.ds}: "
        f"validation value {best.value!r} ({run.settings.train.metric}, lower is better)"
    )
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(overlay(text, heading), encoding="utf-8")
    os.replace(partial, out)


def check_validation(run: Run) -> None:
    """Raises InputError where no rating is held out."""
    if run.work.read("ratings_split").where(f.col(c.PART) == c.VALID).isEmpty():
        raise InputError(
            "there are no validation ratings to judge a trial by",
            where=run.work.path("ratings_split"),
            expected=f"rows of part {c.VALID}",
            found="none",
            hint="set split.method to time or random, and run jobs/build_features.py again",
        )


def default_storage(settings: Settings) -> Path:
    """`tune.db` below paths.root, which must be on this machine."""
    root = urlparse(settings.paths.root)
    if root.scheme not in ("", "file"):
        raise SettingsError(
            "the trials are kept in a local file, but paths.root is not on this machine",
            where="paths.root",
            found=settings.paths.root,
            hint="name a local file by --storage",
        )
    return Path(root.path) / "tune.db"


def at_least_one(text: str) -> int:
    """Parses --trials."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of trials; expected 1 or more")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the job, but for --ds."""
    parser.add_argument("--trials", type=at_least_one, required=True, metavar="N", help="trials altogether")
    parser.add_argument("--storage", type=Path, metavar="FILE", help="the trials; default: tune.db below paths.root")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="gets the best settings as TOML")


def tune(arguments: argparse.Namespace, progress: Progress) -> None:
    """Searches and writes the overlay."""
    settings = checked_space(arguments.config, arguments.overrides)
    storage = arguments.storage or default_storage(settings)
    with locked_run(settings, arguments.ds, progress) as run:
        check_validation(run)
        tried = Search(run, arguments.config, arguments.overrides)
        search(tried, open_study(run, storage), arguments.trials, arguments.out)
