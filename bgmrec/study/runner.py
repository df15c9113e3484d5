"""Runs the trials of a study and writes their results: JSON lines, a text table, Markdown tables, the paper's page."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from bgmrec.config import Settings, load_settings
from bgmrec.report.result_blocks import append_result, read_results, rewrite_blocks
from bgmrec.run.fingerprint import keys_fingerprint
from bgmrec.run.state import Run, fingerprint
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.provenance import provenance
from bgmrec.stages import ingest_side_info
from bgmrec.stages.job import locked_run
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.schemas import entity_schema
from bgmrec.study.command import TABLES
from bgmrec.study.console_table import BASELINES, study_table
from bgmrec.study.evaluation import Metrics, evaluated
from bgmrec.study.paper import PAPER, paper_trials, write_report
from bgmrec.study.permute import permuted
from bgmrec.study.protocols import PROTOCOLS
from bgmrec.study.results_tables import accuracy_table
from bgmrec.study.trial import Trial
from bgmrec.study.trial_settings import AS_CONFIGURED, options_text, settings_of
from bgmrec.train.learn import learn

_READ_BY_BASELINES = (
    *("ids", "ratings", "users", "items", "user_features", "item_features", "split", "study", "seed", "evaluate"),
    *("recommend", "trend", "factorize.mode"),
)


def study(arguments: argparse.Namespace, progress: Progress) -> None:
    """Runs the trials that --json does not hold yet, and prints the results of all.

    Args:
        arguments: of the command line.
        progress: of the runs.
    """
    path = Path(arguments.json) if arguments.json else None
    if arguments.protocol != TABLES:
        results = _measure(arguments, path, progress)
        write_line(study_table(results), to=sys.stderr)
        if arguments.report:
            write_line(str(write_report(Path(arguments.report), results)), to=sys.stderr)
    if arguments.table and path is not None:
        document = Path(arguments.table)
        blocks = rewrite_blocks(document, accuracy_table(read_results(path)))
        write_line(f"{document}: {blocks} tables of results written", to=sys.stderr)


def _measure(arguments: argparse.Namespace, path: Path | None, progress: Progress) -> list[dict[str, Any]]:
    """The results of all trials; those in the file are not measured again."""
    earlier_results = [] if path is None else read_results(path)
    results: list[dict[str, Any]] = []
    # all settings are read before the first trial: a misspelt model stops the study before hours of work
    for trial, settings in [(trial, settings_of(trial, arguments)) for trial in trials(arguments)]:
        # models of one name may have different settings: the fingerprint keeps their results apart
        key = {**asdict(trial), "settings": fingerprint(settings)}
        result = next((earlier for earlier in earlier_results if key.items() <= earlier.items()), None)
        if result is None:
            shared = _baselines_key(trial, settings)
            known = next(
                (row[BASELINES] for row in (*results, *earlier_results) if shared.items() <= row.items()), None
            )
            day = PROTOCOLS[trial.protocol].last_day(trial, settings.study, arguments.ds)
            with locked_run(settings, day, progress) as run:
                metrics = run_trial(trial, run, known)
            measured = provenance(arguments.command)
            result = {**key, **shared, "options": options_text(arguments), **metrics, "measured": measured}
            if path is not None:
                append_result(path, result)
        results.append(result)
        write_line(json.dumps(result, ensure_ascii=False))
    return results


def _baselines_key(trial: Trial, settings: Settings) -> dict[str, Any]:
    """What trials share that have the same baselines: whatever these read, but not the model."""
    split = {name: getattr(trial, name) for name in ("protocol", "fraction", "seed", "part", "side_information")}
    return {**split, "baselines_of": keys_fingerprint(settings, _READ_BY_BASELINES)}


def trials(arguments: argparse.Namespace) -> Iterator[Trial]:
    """Every combination of models, fractions, seeds and kinds of side information.

    Args:
        arguments: of the command line.
    """
    seeds = arguments.seeds
    if arguments.protocol == PAPER:
        yield from paper_trials(_configured(arguments).study.paper, seeds, arguments.part)
        return
    protocol = PROTOCOLS[arguments.protocol]
    models = arguments.models or ("deep" if protocol.data_set else AS_CONFIGURED)
    fractions: Sequence[float | None] = [None]
    if protocol.by_fraction:
        fractions = arguments.fractions or _configured(arguments).study.fractions
    for model, fraction, seed, kind in product(models.split(","), fractions, seeds, arguments.side_information):
        yield Trial(arguments.protocol, model, fraction, seed, arguments.part, kind, arguments.leak)


def _configured(arguments: argparse.Namespace) -> Settings:
    return load_settings([arguments.conf / "base.toml", *arguments.config], arguments.overrides)


def permute_side_information(run: Run) -> None:
    """Gives every user and item the fields of another one, in the tables `users` and `items`.

    Args:
        run: whose tables are rewritten.
    """
    sides = (("users", c.USER_ID, run.settings.users), ("items", c.ITEM_ID, run.settings.items))
    for name, id_column, entity in sides:
        schema = entity_schema(id_column, entity.fields)
        rows = permuted(run.work.read(name, schema), id_column, run.settings.seed)
        # written beside the table first: Spark cannot overwrite a table that it reads
        run.work.write(run.work.write(rows, f"{name}_permuted", schema), name, schema)


def run_trial(trial: Trial, run: Run, known: Metrics | None = None) -> dict[str, Any]:
    """Trains and evaluates one model; returns its metrics, rounds and seconds.

    Args:
        trial: what is measured.
        run: of the trial's last training day.
        known: the metrics of the baselines on the same data; None: they are measured.
    """
    began = time.monotonic()
    files.delete(run.spark, run.scratch("train").root)
    files.delete(run.spark, run.scratch("evaluate").root)
    ingest_side_info.stage(run)
    if trial.side_information == "permuted":
        permute_side_information(run)
    protocol = PROTOCOLS[trial.protocol]
    evaluation_set = protocol.prepare(trial, run)
    learned = learn(run, leaked=run.work.read("ratings_split") if trial.leak else None)
    metrics = evaluated(run, learned, evaluation_set, is_cold=protocol.is_cold, known=known)
    valid = learned.valid
    return {
        **metrics,
        "valid": None if valid is None else round(valid, 6),
        "best_round": learned.state.best_round,
        "ratings": learned.sizes.train,
        "round_seconds": round(fmean(entry["seconds"] for entry in learned.state.history), 3),
        "seconds": round(time.monotonic() - began, 1),
    }
