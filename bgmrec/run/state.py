"""One night: its settings, logical date, working tables, identity and summary."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

import bgmrec
from bgmrec.config import Settings
from bgmrec.errors import InputError
from bgmrec.publish.versions import Versions
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.memory import watched
from bgmrec.runtime.openmetrics import openmetrics
from bgmrec.runtime.spark_work import counted
from bgmrec.storage import files
from bgmrec.storage.models import ModelStore, StoredModel
from bgmrec.storage.tables import Tables

STAGES = ("ingest_ratings", "ingest_side_info", "build_features", "train", "evaluate", "recommend")

# where things lie, how Spark runs them, what is crawled by day, what a search would vary, what is checked before
# publishing and what happens or is reported after it change no result: a resumed night may change them
_OUTSIDE_FINGERPRINT = {
    "paths",
    "spark",
    "submit",
    "world",
    "crawl",
    "frontier",
    "tune",
    "publish",
    "retention",
    "export",
    "monitor",
    "report",
}


def fingerprint(settings: Settings) -> str:
    """A short digest of everything in the settings and the code version that decides the result."""
    text = json.dumps({"version": bgmrec.__version__, **result_settings(settings)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def result_settings(settings: Settings) -> dict[str, Any]:
    """The settings that decide the result; no address, account or path is among them."""
    return settings.model_dump(mode="json", exclude=_OUTSIDE_FINGERPRINT)


def published(spark: SparkSession, settings: Settings) -> Versions:
    """The published tables below `paths.root`."""
    store = Tables(spark, settings.paths.root).below("published")
    own = settings.publish
    return Versions(store, None if own.catalog == "none" else own.database, own.mode)


@dataclass
class Summary:
    """What a run reports as JSON: facts by section, and seconds by stage."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, section: str, **facts: Any) -> None:
        self.facts.setdefault(section, {}).update(facts)


@dataclass(frozen=True)
class Run:
    """What a stage gets: settings, the logical date, Spark, the working tables and somewhere to report to.

    Args:
        force_publish: the reason for publishing although the gate refuses; none: it is heard.
        opened: of `Tables`, for who reads what a night left.
        written: of `Tables`.
    """

    settings: Settings
    ds: date
    spark: SparkSession
    progress: Progress
    summary: Summary
    force_publish: str | None = None
    opened: dict[str, DataFrame] | None = None
    written: dict[str, StructType] = field(default_factory=dict)

    @property
    def work(self) -> Tables:
        """The working tables of this logical date; nobody but this run reads them."""
        return self.root.below(f"work/ds={self.ds}")

    @property
    def root(self) -> Tables:
        return Tables(self.spark, self.settings.paths.root, self.opened, self.written)

    @property
    def models(self) -> ModelStore:
        return ModelStore(self.root.below("models"))

    @property
    def versions(self) -> Versions:
        return published(self.spark, self.settings)

    def previous_model(self) -> StoredModel | None:
        """The model published for the newest earlier logical date; a rerun of a date finds the same one."""
        manifest = self.versions.manifest_before(str(self.ds))
        return None if manifest is None else self.models.load(manifest["model"]["run_id"])

    def warm_model(self) -> StoredModel | None:
        """The model to go on from; none where the night begins anew, because it should or as nothing came before."""
        train = self.settings.train
        model = self.previous_model() if train.warm_start else None
        return None if model is None or model.facts["warm_runs"] >= train.warm_runs else model

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
                hint="run jobs/nightly.py, or jobs/ingest_ratings.py first, with the same --ds and settings",
            )
        return str(state["run_id"])

    def is_resumable(self, stage: str) -> bool:
        """Whether an interrupted run under way finished this stage with these settings."""
        state = self.work.read_json("run")
        return (
            state is not None
            and STAGES[-1] not in state["done"]
            and state["done"].get(stage) == fingerprint(self.settings)
        )

    def scratch(self, stage: str) -> Tables:
        """Where a stage keeps what lets it go on after an interruption."""
        return self.work.below("scratch").below(stage)

    def begin(self, stage: str) -> None:
        """Marks a stage as under way: its former result and those of later stages no longer count.

        The first stage begins a new run, unless the last one was left unfinished. A run whose model or tables are
        stored gets a new number where a stage makes them anew: what is stored is immutable. What this stage left in
        its scratch when it was interrupted with the same settings stays; what a finished or a later one left goes.
        """
        state = self.work.read_json("run")
        if state is None or (stage == STAGES[0] and STAGES[-1] in state["done"]):
            files.delete(self.spark, self.work.root)
            state = {**self._numbered(state), "begun": {}, "done": {}}
        interrupted = stage not in state["done"] and state["begun"].get(stage) == fingerprint(self.settings)
        if not interrupted and self._is_stored(state, stage):
            state |= self._numbered(state)
        for name in STAGES[STAGES.index(stage) :]:
            if name != stage or not interrupted:
                files.delete(self.spark, self.scratch(name).root)
            state["done"].pop(name, None)
            state["begun"].pop(name, None)
        if self._learns(stage):
            state.pop("model", None)
        state["begun"][stage] = fingerprint(self.settings)
        self.work.write_json("run", state)

    @staticmethod
    def _learns(stage: str) -> bool:
        return STAGES.index(stage) <= STAGES.index("train")

    def _is_stored(self, state: dict[str, Any], stage: str) -> bool:
        """Whether what the stage leads to is stored under the run's number already."""
        run_id = state["run_id"]
        return (self._learns(stage) and self.models.has(run_id)) or self.versions.record(run_id) is not None

    def _numbered(self, state: dict[str, Any] | None) -> dict[str, Any]:
        # what is stored counts too: working tables may have been cleaned away
        stored = [*self.versions.runs(str(self.ds)), *self.models.runs(str(self.ds))]
        numbers = [int(run_id.rsplit("-", 1)[-1]) for run_id in stored]
        number = max([*numbers, state["number"] if state else 0]) + 1
        return {"run_id": f"{self.ds}-{number:03d}", "number": number}

    @property
    def model_id(self) -> str:
        """The run whose model the night under way recommends by: its own, or an earlier one's of the same date.

        Raises:
            InputError: nothing was learnt yet.
        """
        state = self.work.read_json("run") or {}
        if "model" not in state:
            raise InputError(
                f"no model was learnt for {self.ds}",
                where=self.work.root,
                expected="a finished training",
                hint="run jobs/nightly.py, or jobs/train.py first, with the same --ds and settings",
            )
        return str(state["model"])

    def learnt(self) -> None:
        """Marks the run's own model as the one to recommend by."""
        self.work.write_json("run", {**(self.work.read_json("run") or {}), "model": self.run_id})

    def finish(self, stage: str) -> None:
        """Marks a stage as done with these settings."""
        state = self.work.read_json("run") or {}
        state["done"][stage] = fingerprint(self.settings)
        self.work.write_json("facts", self._facts())
        self.work.write_json("run", state)

    def _facts(self) -> dict[str, dict[str, Any]]:
        """What this process found, over what earlier processes of the night did."""
        known: dict[str, dict[str, Any]] = self.work.read_json("facts") or {}
        own = self.summary.facts
        return {name: {**known.get(name, {}), **own.get(name, {})} for name in {**known, **own}}

    def write_summary(self) -> str:
        """Writes the run's JSON summary and, beside it, its numbers as OpenMetrics; returns the path of the first."""
        name = f"summaries/{self.run_id}"
        versions = {
            name: importlib.metadata.version(name) for name in ("pyspark", "torch", "petastorm", "pyarrow", "numpy")
        }
        identity = {"run_id": self.run_id, "ds": str(self.ds), "fingerprint": fingerprint(self.settings)}
        document = {**identity, "versions": {"bgmrec": bgmrec.__version__, **versions}, **self._facts()}
        files.write_bytes(self.spark, f"{self.root.path(name)}.prom", openmetrics(document).encode())
        self.root.write_json(name, document)
        return f"{self.root.path(name)}.json"

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the seconds that a stage took, the most memory, and what Spark did for it to the summary."""
        began = time.monotonic()
        with watched() as peak, counted(self.spark) as work:
            try:
                yield
            finally:
                self.summary.add("seconds", **{stage: round(time.monotonic() - began, 2)})
        self.summary.add("peak_memory_mb", **{stage: peak.bytes // 2**20})
        self.summary.add("spark_work", **{stage: asdict(work)})
