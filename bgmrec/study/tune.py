"""Searches settings on the validation ratings of one logical date, and writes the best ones as a settings file."""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import optuna
from optuna.trial import FrozenTrial, TrialState
from pyspark.sql import functions as f

from bgmrec.config import Settings
from bgmrec.errors import InputError, SettingsError, TrainingError
from bgmrec.run.state import Run, fingerprint
from bgmrec.runtime.logs import Progress
from bgmrec.stages.job import locked_run
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.study.search_space import checked_space, overlay, toml_text
from bgmrec.study.tune_trials import DIVERGED, Search, configured, pruner, sampler

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


def open_study(run: Run, storage: Path) -> optuna.Study:
    """Opens or creates the search with these settings on this run; trials that a kill left running become failed.

    Args:
        run: of the logical date.
        storage: the file with the trials.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage.parent.mkdir(parents=True, exist_ok=True)
    tune = run.settings.tune
    tune_digest = hashlib.sha256(tune.model_dump_json().encode()).hexdigest()[:12]
    study = optuna.create_study(
        storage=f"sqlite:///{storage.absolute()}",
        study_name=f"{run.run_id} {fingerprint(run.settings)} {tune_digest}",
        pruner=pruner(tune),
        load_if_exists=True,
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    # the first trial, also where a kill interrupted it: the best settings are never worse than these
    if not ended_trials(study) and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(configured(run.settings))
    return study


def ended_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ended by themselves; the settings of an interrupted one are drawn again.

    Args:
        study: the search.
    """
    return [t for t in study.get_trials(deepcopy=False) if t.state in ENDED or DIVERGED in t.user_attrs]


def search(search: Search, study: optuna.Study, trials: int, out: Path) -> None:
    """Runs the missing trials; after each, the settings file holds the best values so far.

    Args:
        search: trains and evaluates a trial.
        study: the trials.
        trials: number of all trials, with those of earlier calls.
        out: the settings file.

    Raises:
        TrainingError: no trial was completed.
    """
    run, seconds = search.run, []
    for number in range(len(ended_trials(study)), trials):
        began = time.monotonic()
        study.sampler = sampler(run.settings.tune, number)
        study.optimize(search, n_trials=1, catch=(TrainingError,))
        files.delete(run.spark, run.scratch("train").below("tune").root)
        seconds.append(time.monotonic() - began)
        seconds_left = (trials - number - 1) * sum(seconds) / len(seconds)
        _report(run, study, number, round(seconds_left))
        _write_best(run, study, out)
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        raise TrainingError(
            "no trial was completed, so there are no best settings",
            where=f"search {study.study_name}",
            expected="at least one trial with a validation value",
            found=f"{len(ended_trials(study))} trials whose training diverged",
            hint="narrow tune.space: raise factorize.user_reg and item_reg, or lower the fit.learning_rate of encoders",
        )
    _write_best(run, study, out)
    run.progress.done("tune", trials=len(ended_trials(study)), best=study.best_value, out=str(out))


def _report(run: Run, study: optuna.Study, number: int, seconds_left: int) -> None:
    trial = ended_trials(study)[-1]
    facts: dict[str, Any] = {"state": DIVERGED if DIVERGED in trial.user_attrs else trial.state.name.lower()}
    completed = study.get_trials(states=(TrialState.COMPLETE,))
    facts |= {"value": trial.value} if trial.value is not None else {}
    facts |= {"best": study.best_value} if completed else {}
    run.progress.done(f"tune: trial {number + 1}", **facts, **trial.params, seconds_left=seconds_left)


def _write_best(run: Run, study: optuna.Study, out: Path) -> None:
    if not study.get_trials(states=(TrialState.COMPLETE,)):
        return
    best = study.best_trial
    text = {
        key.key: best.params[key.key] if key.kind == "categorical" else toml_text(best.params[key.key])
        for key in run.settings.tune.space
    }
    heading = (
        f"The best of {len(ended_trials(study))} trials of jobs/tune.py for {run.ds}: "
        f"validation value {best.value!r} ({run.settings.validation_metric}, lower is better)"
    )
    partial = out.with_name(f".{out.name}.partial")
    partial.write_text(overlay(text, heading), encoding="utf-8")
    os.replace(partial, out)


def check_validation(run: Run) -> None:
    """Checks that there are validation ratings.

    Args:
        run: of the logical date.

    Raises:
        InputError: there are none.
    """
    if run.work.read("ratings_split").where(f.col(c.PART) == c.VALID).isEmpty():
        raise InputError(
            "there are no validation ratings to evaluate trials on",
            where=run.work.path("ratings_split"),
            expected=f"at least one row with part = {c.VALID}",
            found="none",
            hint="set split.method to time or random, and run jobs/build_features.py again",
        )


def default_storage(settings: Settings) -> Path:
    """`tune.db` below paths.root.

    Args:
        settings: all settings.

    Raises:
        SettingsError: paths.root is not on this machine.
    """
    root = urlparse(settings.paths.root)
    if root.scheme not in ("", "file"):
        raise SettingsError(
            "the trials need a local file, but paths.root is not on this machine",
            where="paths.root",
            expected="a local path, or --storage FILE",
            found=settings.paths.root,
            hint="add --storage with a local file",
        )
    return Path(root.path) / "tune.db"


def at_least_one(text: str) -> int:
    """Parses --trials.

    Args:
        text: of the argument.

    Raises:
        argparse.ArgumentTypeError: it is not a whole number of at least 1.
    """
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the job, except --ds.

    Args:
        parser: of the job.
    """
    parser.add_argument(
        "--trials", type=at_least_one, required=True, metavar="N", help="number of trials, with those of earlier calls"
    )
    parser.add_argument(
        "--storage", type=Path, metavar="FILE", help="file that keeps the trials (default: tune.db below paths.root)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="settings file for the best values")


def tune(arguments: argparse.Namespace, progress: Progress) -> None:
    """Runs the search and writes the best settings.

    Args:
        arguments: of the command line.
        progress: gets every trial.
    """
    settings = checked_space(arguments.config, arguments.overrides)
    storage = arguments.storage or default_storage(settings)
    with locked_run(settings, arguments.ds, progress) as run:
        check_validation(run)
        objective = Search(run, arguments.config, arguments.overrides)
        search(objective, open_study(run, storage), arguments.trials, arguments.out)
