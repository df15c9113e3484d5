"""Each stage resumes by the settings that it reads: none is forgotten in the table of `bgmrec.run.fingerprint`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from bgmrec.config import Settings, load_settings
from bgmrec.config.base import Section
from bgmrec.run.fingerprint import WITHOUT_EFFECT, settings_read_up_to
from bgmrec.run.state import Run, Summary
from bgmrec.runtime.logs import Progress
from bgmrec.stages import generate_world, nightly
from bgmrec.stages.job import run_stage
from tests.e2e.nights import CONFIG, DEMO, PROJECT, SMALL

WORLD = ["world.users=60", "world.items=30", "world.events=1500", "world.days=4", "world.first_day=2025-01-01"]
TINY = [
    *(setting for setting in SMALL if not setting.startswith("spark.conf")),
    "train.rounds=1",
    "publish.catalog=none",
    "publish.gate.min_user_coverage=off",
    "publish.gate.min_catalogue_coverage=off",
]
VARIANTS = {
    # the second run starts from the model of the first
    "explicit": (CONFIG, ["publish.tables=['recommendations','similar_items','recommendation_reasons']"], (3, 4)),
    "sampled": (CONFIG, ["bayes.draws=2", "bayes.burn_in=1"], (4,)),
    "implicit": (DEMO, ["train.metric=ndcg", "factorize.mode=implicit", "trend.exponent=0.5"], (4,)),
}


def paths_of(section: Section, prefix: str = "") -> Iterator[tuple[int, str]]:
    """(identity of a section, its key) of a section and all below it."""
    yield id(section), prefix
    for name in type(section).model_fields:
        value = section.__dict__[name]
        if isinstance(value, Section):
            yield from paths_of(value, f"{prefix}{name}.")


@contextmanager
def recorded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The keys of the settings that are read inside; a section that is handed on counts by what is read of it."""
    keys: set[str] = set()
    paths = dict(paths_of(settings))

    def read(section: Section, name: str) -> Any:
        value = object.__getattribute__(section, name)
        if name in type(section).model_fields and id(section) in paths and not isinstance(value, Section):
            keys.add(f"{paths[id(section)]}{name}")
        return value

    with monkeypatch.context() as patch:
        patch.setattr(Section, "__getattribute__", read, raising=False)
        yield keys


def is_covered(key: str, entries: tuple[str, ...]) -> bool:
    return any(key == entry or key.startswith(f"{entry}.") for entry in entries)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_setting_that_a_stage_reads_is_in_its_fingerprint(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    config, overrides, days = VARIANTS[variant]
    files = [PROJECT / name for name in config if name != "--config"]
    folders = [f"paths.data={tmp_path}/world", f"paths.root={tmp_path}/root"]
    settings = load_settings(files, [*WORLD, *TINY, *folders, *overrides])
    generate_world.generate(spark, settings, Progress())
    missing: set[str] = set()
    for day in days:
        run = Run(settings, date(2025, 1, day), spark, Progress(), Summary())
        for name, stage in nightly._STAGES.items():
            with recorded(settings, monkeypatch) as keys:
                run_stage(run, name, stage)
            entries = (*settings_read_up_to(name), *WITHOUT_EFFECT)
            missing |= {f"{name} reads {key}" for key in keys if not is_covered(key, entries)}
    assert not missing, "\n".join(sorted(missing))
