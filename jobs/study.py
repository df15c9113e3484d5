"""Runs a protocol of the field for models, training fractions and seeds, and prints one JSON line per result.

    study.py ml-1m-random        --data FOLDER --models deep --fractions 0.8,0.2 --seeds 0
    study.py kuairand-music-days --data FOLDER --models deep

ml-1m-random is rating prediction on MovieLens 1M with random training fractions (a fraction of 0.9 is the 90/10
split without valid); kuairand-music-days ranks background music of KuaiRand-Pure for the last four days, by a model
trained on all days before. A model is a settings file conf/<data set>/<model>.toml over conf/base.toml and
conf/<data set>.toml; <model>-<percent>.toml beside it, where there is one, holds what differs at that fraction.
Hyper-parameters were chosen on valid of seed 0; --part valid shows that figure.

--side-information permuted gives every user and item the side information of another one: what a model gains from it
then, it does not gain from the information. --side-information real,permuted,none measures all three in one run.

--leak lets the user encoder read all ratings, the held-out ones too, as the published code of PHD does: what a model
gains from it is no accuracy. Only a study can leak, and each result says whether it did.

With --json results accumulate in a file, and a study that was interrupted goes on after the last one in it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import build_features
import ingest_ratings
import ingest_side_info
import pandas as pd
from judging import HeldOut, judge
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from ranking import FactorModel
from train import learn

from bgmrec import columns as c
from bgmrec import files
from bgmrec.config import Settings, load_settings
from bgmrec.evaluate.permuted import permuted
from bgmrec.evaluate.protocols import music_study, rating_study
from bgmrec.evaluate.table import aligned, headline
from bgmrec.job import arg_parser, guarded, progress_for, start_run
from bgmrec.run import Run
from bgmrec.schemas import entity_schema
from bgmrec.train.prepare import write_pair_blocks

CONF = Path(__file__).parents[1] / "conf"
PROTOCOLS = {"ml-1m-random": "ml-1m", "kuairand-music-days": "kuairand"}
MODEL = "model"
SIDE_INFORMATION = ("real", "permuted", "none")
NO_SIDE_INFORMATION = ("user_features.features=[]", "item_features.features=[]", "item_features.document.fields=[]")
METRICS = ("rmse", "mae", "ndcg@10", "ndcg@20", "recall@20", "coverage@20")


@dataclass(frozen=True)
class Trial:
    """One result of a study."""

    protocol: str
    model: str
    fraction: float | None
    seed: int
    part: str
    side_information: str
    leak: bool

    def configs(self) -> list[Path]:
        """The settings files, the most general first."""
        data_set = PROTOCOLS[self.protocol]
        own = CONF / data_set / f"{self.model}.toml"
        paths = [CONF / "base.toml", CONF / f"{data_set}.toml", own]
        if self.fraction is not None:
            paths += [p for p in [own.with_name(f"{self.model}-{round(self.fraction * 100)}.toml")] if p.exists()]
        return paths


class Parts(NamedTuple):
    """What a trial is judged on: ratings to predict or targets to hit, and the candidates of the lists."""

    held_out: DataFrame | None
    targets: DataFrame | None
    catalogue: DataFrame


def trials(arguments: argparse.Namespace) -> Iterator[Trial]:
    """Every combination that the command line asks for."""
    rated = arguments.protocol == "ml-1m-random"
    fractions: list[float | None] = [float(part) for part in arguments.fractions.split(",")] if rated else [None]
    models, seeds = arguments.models.split(","), [int(seed) for seed in arguments.seeds.split(",")]
    for model, fraction, seed, kind in product(models, fractions, seeds, arguments.side_information):
        yield Trial(arguments.protocol, model, fraction, seed, arguments.part, kind, arguments.leak)


def run_trial(trial: Trial, arguments: argparse.Namespace, run: Run) -> dict[str, Any]:
    """Learns and judges one model."""
    began = time.monotonic()
    files.delete(run.spark, run.scratch("train").root)
    files.delete(run.spark, run.scratch("evaluate").root)
    place = Path(arguments.data)
    prepare = _rating_parts if trial.protocol == "ml-1m-random" else _music_parts
    held_out, targets, catalogue = prepare(trial, place, run)
    learned = learn(run, seen=run.work.read("ratings_split") if trial.leak else None)
    sizes = learned.sizes
    model = FactorModel(
        **learned.factors, shape=learned.shape, user_blocks=sizes.user_blocks, item_blocks=sizes.item_blocks
    )
    scratch = run.scratch("train")
    blocks = None
    if held_out is not None:
        write_pair_blocks(scratch, "test_rating_blocks", held_out, learned.sizes)
        blocks = scratch.read("test_rating_blocks")
    train = run.work.read("ratings_split").where(f.col(c.PART) == c.TRAIN)
    judged_on = HeldOut(train, held_out, blocks, targets, catalogue, learned.heard)
    rows = judge(run, judged_on, {MODEL: model}, frozenset())
    found = headline(rows, MODEL)
    valid = learned.valid
    return {
        "protocol": trial.protocol,
        "model": trial.model,
        "fraction": trial.fraction,
        "seed": trial.seed,
        "part": trial.part,
        "side_information": trial.side_information,
        "leak": trial.leak,
        **{name.replace("@", "_"): round(found[name], 6) for name in METRICS if name in found},
        "valid": None if valid is None else round(valid, 6),
        "best_round": learned.state.best_round,
        "seconds": round(time.monotonic() - began, 1),
    }


def _rating_parts(trial: Trial, place: Path, run: Run) -> Parts:
    """Protocol A: the split of the paper; ratings of test (or valid) are judged."""
    fraction = trial.fraction or 0.0
    rows = rating_study(place / "ratings.csv", seed=trial.seed, fraction=fraction, with_valid=fraction < 0.9)
    rated = rows.assign(weight=1.0, rated_at=pd.NaT).astype({c.RATED_AT: "datetime64[ns]"})
    ratings = run.work.write(run.spark.createDataFrame(rated), "study_ratings")
    split = run.work.write(build_features.index_ratings(run, ratings, previous=None), "ratings_split")
    build_features.write_features(run, split)
    items = run.work.read("item_index").select(c.ITEM_IDX, f.col(c.ITEM_IDX).alias("group_idx"))
    return Parts(split.where(f.col(c.PART) == trial.part), None, items)


def _music_parts(trial: Trial, place: Path, run: Run) -> Parts:
    """Protocol B: everything before the judged days trains; their new positives are the targets."""
    study = music_study(place, trial.part)
    ingest_ratings.stage(run)
    indexed = build_features.index_ratings(run, run.work.read("ratings"), previous=None)
    split = run.work.write(indexed.withColumn(c.PART, f.lit(c.TRAIN)), "ratings_split")
    build_features.write_features(run, split)
    named = run.spark.createDataFrame(study.targets)
    targets = named.join(run.work.read("user_index"), c.USER_ID, "inner").join(
        run.work.read("item_index"), c.ITEM_ID, "inner"
    )
    catalogue = run.spark.createDataFrame(study.catalogue).join(run.work.read("item_index"), c.ITEM_ID, "inner")
    return Parts(
        None,
        run.work.write(targets.select(c.USER_IDX, c.ITEM_IDX), "study_targets"),
        run.work.write(catalogue.select(c.ITEM_IDX, f.col(c.ITEM_IDX).alias("group_idx")), "study_catalogue"),
    )


def side_information_kinds(text: str) -> list[str]:
    """Parses --side-information."""
    kinds = text.split(",")
    if unknown := [kind for kind in kinds if kind not in SIDE_INFORMATION]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(SIDE_INFORMATION)}")
    return kinds


def last_day(trial: Trial) -> date:
    """The logical date: the last day that trains."""
    if trial.protocol == "ml-1m-random":
        return date(2003, 3, 1)
    return date(2022, 5, 4) if trial.part == c.TEST else date(2022, 5, 1)


def known_results(path: Path | None) -> list[dict[str, Any]]:
    """The results that are in the file already."""
    return [] if path is None or not path.exists() else [json.loads(line) for line in path.read_text().splitlines()]


def settings_of(trial: Trial, arguments: argparse.Namespace) -> Settings:
    """The settings of a trial; --config and --set win over what the model's files say."""
    overrides = [f"paths.data={arguments.data}", f"paths.root={arguments.root}/{trial.protocol}"]
    overrides += ["split.method=none", "publish.catalog=none"]
    if trial.side_information == "none":
        overrides += NO_SIDE_INFORMATION
    return load_settings([*trial.configs(), *arguments.config], [*overrides, *arguments.overrides])


def exchange_side_information(run: Run) -> None:
    """Writes `users` and `items` again, every entity with the fields of another one."""
    sides = (("users", c.USER_ID, run.settings.users), ("items", c.ITEM_ID, run.settings.items))
    for name, id_column, entity in sides:
        schema = entity_schema(id_column, entity.fields)
        exchanged = permuted(run.work.read(name, schema), id_column, run.settings.seed)
        run.work.write(run.work.write(exchanged, f"{name}_permuted", schema), name, schema)


def study(arguments: argparse.Namespace) -> None:
    """Runs what is missing and prints all that was asked for."""
    progress = progress_for(arguments.log_format)
    path = Path(arguments.json) if arguments.json else None
    results = known_results(path)
    asked = []
    for trial in trials(arguments):
        key = asdict(trial)
        found = next((result for result in results if key.items() <= result.items()), None)
        if found is None:
            settings = settings_of(trial, arguments)
            run = start_run(settings.model_copy(update={"seed": settings.seed + trial.seed}), last_day(trial), progress)
            ingest_side_info.stage(run)
            if trial.side_information == "permuted":
                exchange_side_information(run)
            found = run_trial(trial, arguments, run)
            if path is not None:
                with path.open("a") as out:
                    out.write(json.dumps(found) + "\n")
        asked.append(found)
        print(json.dumps(found), flush=True)
    print(_table(asked), file=sys.stderr)


def _table(results: list[dict[str, Any]]) -> str:
    heads = [
        "model",
        "fraction",
        "seed",
        "side_information",
        *dict.fromkeys(name for r in results for name in r if _is_metric(name)),
    ]
    lines = [[str(r.get(name, "")) for name in heads] for r in results]
    return aligned([heads, *lines])


def _is_metric(name: str) -> bool:
    return name.replace("_", "@") in METRICS or name in ("seconds", "best_round")


def main(argv: Sequence[str] | None = None) -> int:
    parser = arg_parser("study", __doc__)
    parser.add_argument("protocol", choices=sorted(PROTOCOLS), help="what is measured, on what split")
    parser.add_argument("--data", required=True, metavar="FOLDER", help="the data set as it was published")
    parser.add_argument("--models", default="deep", help="settings files below conf/<data set>/, by comma")
    parser.add_argument("--fractions", default="0.8", help="training fractions of ml-1m-random, by comma")
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
    parser.add_argument("--root", default="build/study", metavar="FOLDER", help="where working tables go")
    parser.add_argument("--json", metavar="FILE", help="results accumulate here, one JSON object per line")
    arguments = parser.parse_args(argv)
    return guarded(lambda: study(arguments))


if __name__ == "__main__":
    sys.exit(main())
