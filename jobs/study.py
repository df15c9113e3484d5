"""Runs a protocol of the field for models, training fractions and seeds, and prints one JSON line per result.

    study.py ml-1m-random        --data FOLDER --models deep --fractions 0.8,0.2 --seeds 0
    study.py ml-1m-cold          --data FOLDER --models cold --seeds 0,1,2
    study.py kuairand-music-days --data FOLDER --models deep
    study.py cold                --config my.toml --ds 2025-03-14 --seeds 0,1,2
    study.py paper               --config my.toml --ds 2025-03-14 --json paper.jsonl --report paper.html

ml-1m-random is rating prediction on MovieLens 1M with random training fractions (a fraction of 0.9 is the 90/10
split without valid); ml-1m-cold predicts the ratings of cold films and of cold users, and ranks the cold films;
kuairand-music-days ranks background music of KuaiRand-Pure for the last four days, by a model trained on all days
before. random, cold and days are the same on the ratings that [ratings] names, cut by [study], up to --ds.

paper is the programme of the paper's last section on any explicit ratings: PMF, biased PMF, the autoencoder alone, the
network alone, both, and both sampled, against the training fraction and on what is cold; then dimension and
regularisation of both. [study.paper] says how far it goes, --report writes it as one HTML page with its figures.

A model is a settings file conf/<data set>/<model>.toml over conf/base.toml and conf/<data set>.toml;
<model>-<percent>.toml beside it, where there is one, holds what differs at that fraction. A path ending in .toml is a
model too, and without --models, random, cold and days take the settings as --config says them. Hyper-parameters were
chosen on valid of seed 0; --part valid shows that figure.

--side-information permuted gives every user and item the side information of another one: what a model gains from it
then, it does not gain from the information. --side-information real,permuted,none measures all three in one run.

--leak lets the user encoder read all ratings, the held-out ones too, as the published code of PHD does: what a model
gains from it is no accuracy. Only a study can leak, and each result says whether it did.

With --json results accumulate in a file, and a study that was interrupted goes on after the last one in it. At the
end a table shows means and standard deviations over seeds, and what is known of other methods.
"""

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

import ingest_side_info
from study_judging import judged
from study_paper import PAPER, is_of_paper, paper_overrides, programme, write_report
from study_protocols import PROTOCOLS
from study_trial import Trial
from train import learn

from bgmrec import columns as c
from bgmrec import files
from bgmrec.config import Settings, load_settings
from bgmrec.evaluate.permuted import permuted
from bgmrec.evaluate.study_table import study_table
from bgmrec.job import add_ds, arg_parser, guarded, night_of, progress_for
from bgmrec.run import Run, fingerprint
from bgmrec.schemas import entity_schema

CONF = Path(__file__).parents[1] / "conf"
AS_CONFIGURED = "settings"  # the model that --config alone describes
SIDE_INFORMATION = ("real", "permuted", "none")
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
    return load_settings([CONF / "base.toml", *arguments.config], arguments.overrides)


def configs(trial: Trial) -> list[Path]:
    """The settings files below those of the command line, the most general first."""
    data_set = PROTOCOLS[trial.protocol].data_set
    paths = [CONF / "base.toml"] + ([CONF / f"{data_set}.toml"] if data_set else [])
    if trial.model == AS_CONFIGURED or is_of_paper(trial):
        return paths
    own = Path(trial.model) if trial.model.endswith(".toml") else CONF / f"{data_set}" / f"{trial.model}.toml"
    if trial.fraction is None:
        return [*paths, own]
    return [*paths, own, *(p for p in [own.with_name(f"{own.stem}-{round(trial.fraction * 100)}.toml")] if p.exists())]


def settings_of(trial: Trial, arguments: argparse.Namespace) -> Settings:
    """The settings of a trial: a data set's own files, --config, --set; without a data set the model after --config."""
    overrides = [f"paths.root={arguments.root}/{trial.protocol}", "split.method=none", "publish.catalog=none"]
    if arguments.data:
        overrides.append(f"paths.data={arguments.data}")
    base, *model = configs(trial)
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
    found = judged(run, learned, parts, is_cold=protocol.is_cold)
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


def study(arguments: argparse.Namespace) -> None:
    """Runs what is missing and prints all that was asked for."""
    progress = progress_for(arguments.log_format)
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
            with night_of(settings, day, progress) as run:
                found = {**key, **run_trial(trial, run)}
            if path is not None:
                with path.open("a") as out:
                    out.write(json.dumps(found) + "\n")
        asked.append(found)
        print(json.dumps(found), flush=True)
    print(study_table(asked), file=sys.stderr)
    if arguments.report:
        print(write_report(Path(arguments.report), asked), file=sys.stderr)


def side_information_kinds(text: str) -> list[str]:
    """Parses --side-information."""
    kinds = text.split(",")
    if unknown := [kind for kind in kinds if kind not in SIDE_INFORMATION]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(SIDE_INFORMATION)}")
    return kinds


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("study", __doc__)
    parser.add_argument("protocol", choices=sorted([*PROTOCOLS, PAPER]), help="what is measured, on what split")
    parser.add_argument("--data", metavar="FOLDER", help="the data set as it was published; stands for {data}")
    parser.add_argument("--models", help="settings files, by comma: see above (default: deep, or the settings alone)")
    parser.add_argument("--fractions", help="training fractions, by comma (default: study.fractions)")
    parser.add_argument("--seeds", default="0", help="seeds of split and model, by comma")
    parser.add_argument("--part", default="test", choices=("test", "valid"), help="the ratings or days to judge on")
    parser.add_argument(
        "--side-information",
        default=["real"],
        type=side_information_kinds,
        metavar="KINDS",
        help=f"{', '.join(SIDE_INFORMATION)}, by comma: see above",
    )
    parser.add_argument("--leak", action="store_true", help="let the user encoder read held-out ratings: see above")
    parser.add_argument(
        "--root", default="build/study", metavar="FOLDER", help="where working tables go: two studies at once need two"
    )
    parser.add_argument("--json", metavar="FILE", help="results accumulate here, one JSON object per line")
    parser.add_argument(
        "--report", metavar="FILE", help="paper: the page to write, with its figures in a folder beside it"
    )
    add_ds(parser, required=False)
    arguments = parser.parse_args(argv)
    protocol = PROTOCOLS.get(arguments.protocol)
    if protocol is not None and protocol.data_set and not arguments.data:
        parser.error(f"{arguments.protocol} needs --data")
    if arguments.report and arguments.protocol != PAPER:
        parser.error(f"--report is of the protocol {PAPER}")
    return guarded(lambda: study(arguments))


if __name__ == "__main__":
    sys.exit(main())
