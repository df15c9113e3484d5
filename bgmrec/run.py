"""One night: its settings, logical date, working tables, identity and summary."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import SparkSession

import bgmrec
from bgmrec import files
from bgmrec.config import Settings
from bgmrec.errors import InputError
from bgmrec.logs import Progress
from bgmrec.tables import Tables

STAGES = ("ingest_ratings", "ingest_side_info", "build_features", "train", "evaluate", "recommend")

# where things lie and how Spark runs them change no result, so that a resumed night may change them
_OUTSIDE_FINGERPRINT = {"paths", "spark", "world"}


def fingerprint(settings: Settings) -> str:
    """A short digest of everything in the settings and the code version that decides the result."""
    document = settings.model_dump(mode="json", exclude=_OUTSIDE_FINGERPRINT)
    text = json.dumps({"version": bgmrec.__version__, **document}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass
class Summary:
    """What a run reports as JSON: facts by section, and seconds by stage."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, section: str, **facts: Any) -> None:
        self.facts.setdefault(section, {}).update(facts)


@dataclass(frozen=True)
class Run:
    """What a stage gets: settings, the logical date, Spark, the working tables and somewhere to report to."""

    settings: Settings
    ds: date
    spark: SparkSession
    progress: Progress
    summary: Summary

    @property
    def work(self) -> Tables:
        """The working tables of this logical date; nobody but this run reads them."""
        return Tables(self.spark, f"{self.settings.paths.root.rstrip('/')}/work/ds={self.ds}")

    @property
    def root(self) -> Tables:
        return Tables(self.spark, self.settings.paths.root)

    @property
    def end(self) -> datetime:
        """The end of the logical date: nothing rated at or after this belongs to the night."""
        return datetime.combine(self.ds + timedelta(days=1), datetime.min.time())

    @property
    def run_id(self) -> str:
        """The identity of the night under way.

        Raises:
            InputError: no stage has begun this night yet.
        """
        state = self.work.read_json("run")
        if state is None:
            raise InputError(
                f"no run has begun for {self.ds}",
                where=self.work.root,
                expected="working tables of an earlier stage",
                cure="run jobs/nightly.py, or jobs/ingest_ratings.py first, with the same --ds and settings",
            )
        return str(state["run_id"])

    def is_done(self, stage: str) -> bool:
        state = self.work.read_json("run")
        return state is not None and stage in state["done"]

    def begin(self, stage: str) -> None:
        """Marks a stage as under way: its result and those of later stages no longer count.

        A first stage begins a new run, unless the last one was left unfinished with the same settings.
        """
        state = self.work.read_json("run")
        print_ = fingerprint(self.settings)
        if state is None or state["fingerprint"] != print_ or (stage == STAGES[0] and STAGES[-1] in state["done"]):
            number = 1 if state is None else state["number"] + 1
            files.delete(self.spark, self.work.root)
            state = {"run_id": f"{self.ds}-{number:03d}-{print_}", "number": number, "fingerprint": print_, "done": []}
        state["done"] = [name for name in state["done"] if STAGES.index(name) < STAGES.index(stage)]
        self.work.write_json("run", state)

    def finish(self, stage: str) -> None:
        state = self.work.read_json("run") or {}
        self.work.write_json("run", {**state, "done": [*state["done"], stage]})

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the seconds that a stage took to the summary."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.summary.add("seconds", **{stage: round(time.monotonic() - began, 2)})
