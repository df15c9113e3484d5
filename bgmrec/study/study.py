"""Runs a protocol of the field for models, training fractions and seeds, and prints one JSON line per result."""

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
from bgmrec.run.state import Run, fingerprint
from bgmrec.runtime.command import write_line
from bgmrec.runtime.logs import Progress
from bgmrec.stages import ingest_side_info
from bgmrec.stages.job import locked_run
from bgmrec.storage import columns as c
from bgmrec.storage import files
from bgmrec.storage.schemas import entity_schema
from bgmrec.study.evaluation import evaluated
from bgmrec.study.paper import PAPER, is_of_paper, paper_overrides, programme, write_report
from bgmrec.study.permuted import permuted
from bgmrec.study.protocols import PROTOCOLS
from bgmrec.study.table import study_table
from bgmrec.study.trial import Trial
from bgmrec.train.learn import learn

AS_CONFIGURED = "settings"  # the model that --config alone describes
OF_RATINGS = ("svd:ratings", "log:counts", "prior:encoder")  # columns of [bayes] that need no side information
NO_SIDE_INFORMATION = ("user_features.features=[]", "item_features.features=[]", "item_features.document.fields=[]")


def trials(arguments: argparse.Namespace) -> Iterator[Trial]:
    """Every combination that the command line asks for."""
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    if arguments.protocol == PAPER:
        yield from programme(_configured(arguments).study.paper, seeds, arguments.part)
        return
    protocol = PROTOCOLS[arguments.protocol]
    models = arguments.models or ("deep" if protocol.data_set else AS_CONFIGURED)
    fractions = _fractions(arguments) if protocol.by_fraction else [None]
    for model, fraction, seed, kind in product(models.split(","), fractions, seeds, arguments.side_information):
        yield Trial(arguments.protocol, model, fraction, seed, arguments.part, kind, arguments.leak)


def _fractions(arguments: argparse.Namespace) -> Sequence[float | None]:
    if arguments.fractions:
        return [float(part) for part in arguments.fractions.split(",")]
    return _configured(arguments).study.fractions


def _configured(arguments: argparse.Namespace) -> Settings:
    return load_settings([arguments.conf / "base.toml", *arguments.config], arguments.overrides)


def configs(trial: Trial, conf: Path) -> list[Path]:
    """The settings files below those of the command line, the most general first.

    Args:
        trial: what is measured.
        conf: folder with base.toml and the settings of the data sets.
    """
    data_set = PROTOCOLS[trial.protocol].data_set
    paths = [conf / "base.toml"] + ([conf / f"{data_set}.toml"] if data_set else [])
    if trial.model == AS_CONFIGURED or is_of_paper(trial):
        return paths
    own = Path(trial.model) if trial.model.endswith(".toml") else conf / f"{data_set}" / f"{trial.model}.toml"
    if trial.fraction is None:
        return [*paths, own]
    return [*paths, own, *(p for p in [own.with_name(f"{own.stem}-{round(trial.fraction * 100)}.toml")] if p.exists())]


def settings_of(trial: Trial, arguments: argparse.Namespace) -> Settings:
    """The settings of a trial: a data set's own files, --config, --set; without a data set the model after --config."""
    overrides = [f"paths.root={arguments.root}/{trial.protocol}", "split.method=none", "publish.catalog=none"]
    if arguments.data:
        overrides.append(f"paths.data={arguments.data}")
    base, *model = configs(trial, arguments.conf)
    given = [*model, *arguments.config] if PROTOCOLS[trial.protocol].data_set else [*arguments.config, *model]
    settings = load_settings([base, *given], [*overrides, *arguments.overrides])
    asked = list(arguments.overrides)
    if is_of_paper(trial):
        asked += paper_overrides(trial.model, settings)
        settings = load_settings([base, *given], [*overrides, *asked])
    if trial.side_information == "none":
        overrides += without_side_information(settings)
        settings = load_settings([base, *given], [*overrides, *asked])
    return settings.model_copy(update={"seed": settings.seed + trial.seed})


def without_side_information(settings: Settings) -> list[str]:
    """Overrides that leave the model what the training matrix knows, and nothing of what was crawled."""
    overrides = list(NO_SIDE_INFORMATION)
    for side in ("user", "item"):
        groups = [
            [column for column in group if column in OF_RATINGS] for group in getattr(settings.bayes, f"{side}_groups")
        ]
        overrides.append(f"bayes.{side}_groups={json.dumps([group for group in groups if group])}")
    return overrides


def exchange_side_information(run: Run) -> None:
    """Writes `users` and `items` again, every entity with the fields of another one."""
    sides = (("users", c.USER_ID, run.settings.users), ("items", c.ITEM_ID, run.settings.items))
    for name, id_column, entity in sides:
        schema = entity_schema(id_column, entity.fields)
        exchanged = permuted(run.work.read(name, schema), id_column, run.settings.seed)
        run.work.write(run.work.write(exchanged, f"{name}_permuted", schema), name, schema)


def run_trial(trial: Trial, run: Run) -> dict[str, Any]:
    """Learns and judges one model."""
    began = time.monotonic()
    files.delete(run.spark, run.scratch("train").root)
    files.delete(run.spark, run.scratch("evaluate").root)
    ingest_side_info.stage(run)
    if trial.side_information == "permuted":
        exchange_side_information(run)
    protocol = PROTOCOLS[trial.protocol]
    parts = protocol.prepare(trial, run)
    learned = learn(run, leaked=run.work.read("ratings_split") if trial.leak else None)
    found = evaluated(run, learned, parts, is_cold=protocol.is_cold)
    valid = learned.valid
    return {
        **found,
        "valid": None if valid is None else round(valid, 6),
        "best_round": learned.state.best_round,
        "ratings": learned.sizes.train,
        "round_seconds": round(fmean(entry["seconds"] for entry in learned.state.history), 3),
        "seconds": round(time.monotonic() - began, 1),
    }


def known_results(path: Path | None) -> list[dict[str, Any]]:
    """The results that are in the file already."""
    return [] if path is None or not path.exists() else [json.loads(line) for line in path.read_text().splitlines()]


def study(arguments: argparse.Namespace, progress: Progress) -> None:
    """Runs what is missing and prints all that was asked for."""
    path = Path(arguments.json) if arguments.json else None
    results = known_results(path)
    asked = []
    for trial in trials(arguments):
        settings = settings_of(trial, arguments)
        # the fingerprint keeps results of other settings, which may share a model's name, apart
        key = {**asdict(trial), "settings": fingerprint(settings)}
        found = next((result for result in results if key.items() <= result.items()), None)
        if found is None:
            day = PROTOCOLS[trial.protocol].last_day(trial, settings.study, arguments.ds)
            with locked_run(settings, day, progress) as run:
                found = {**key, **run_trial(trial, run)}
            if path is not None:
                with path.open("a") as out:
                    out.write(json.dumps(found) + "\n")
        asked.append(found)
        write_line(json.dumps(found))
    write_line(study_table(asked), to=sys.stderr)
    if arguments.report:
        write_line(str(write_report(Path(arguments.report), asked)), to=sys.stderr)
