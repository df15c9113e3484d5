"""One run: its settings, logical date, working tables, identity, previous model and summary."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from importlib.util import find_spec
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

import bgmrec
from bgmrec.config import Settings
from bgmrec.errors import InputError
from bgmrec.publish.formats.choose import table_format
from bgmrec.publish.versions import Versions
from bgmrec.run.fingerprint import STAGES, fingerprint, stage_fingerprint
from bgmrec.run.lock import Lock
from bgmrec.runtime.logs import Progress
from bgmrec.runtime.memory import watched
from bgmrec.runtime.openmetrics import openmetrics
from bgmrec.runtime.spark_work import counted
from bgmrec.storage import files, one_step
from bgmrec.storage.models import ModelStore, StoredModel
from bgmrec.storage.tables import Tables

_PACKAGES = ("pyspark", "torch", "petastorm", "pyarrow", "numpy")  # whose versions the summary holds
PREVIOUS_MODEL = "previous_model"  # in the run's state: run id of the pinned model, or null


def published_versions(spark: SparkSession, settings: Settings) -> Versions:
    """The published tables below `paths.root`.

    Args:
        spark: the session.
        settings: `[paths]` and `[publish]` of them.
    """
    store = Tables(spark, settings.paths.root).below("published")
    publish = settings.publish
    database = None if publish.catalog == "none" else publish.database
    return Versions(store, database, publish.mode, table_format(publish))


@dataclass
class Summary:
    """What a run reports as JSON: facts by section, and seconds by stage."""

    facts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, section: str, **facts: Any) -> None:
        """Adds facts to a section; later ones replace earlier ones of the same name.

        Args:
            section: of the summary.
            facts: by name; JSON.
        """
        self.facts.setdefault(section, {}).update(facts)


@dataclass(frozen=True)
class Run:
    """What a stage gets: settings, the logical date, Spark, the working tables and a summary to report to.

    Args:
        settings: all of them.
        ds: the logical date.
        spark: the session.
        progress: of long work.
        summary: what this process reports.
        force_publish: the reason for publishing although the gate refuses; None: the gate applies.
        opened: of `Tables`, for readers of finished tables.
        written: of `Tables`.
        lock: of the logical date; None: this process only reads, or `runtime.lock` is none.
    """

    settings: Settings
    ds: date
    spark: SparkSession
    progress: Progress
    summary: Summary
    force_publish: str | None = None
    opened: dict[str, DataFrame] | None = None
    written: dict[str, StructType] = field(default_factory=dict)
    lock: Lock | None = None

    @property
    def work(self) -> Tables:
        """The working tables of this logical date; only this run reads them."""
        return self.root.below(f"work/ds={self.ds}")

    @property
    def root(self) -> Tables:
        """Everything below `paths.root`."""
        return Tables(self.spark, self.settings.paths.root, self.opened, self.written)

    @property
    def models(self) -> ModelStore:
        """The stored models of all runs."""
        return ModelStore(self.root.below("models"))

    @property
    def versions(self) -> Versions:
        """The published tables of all dates."""
        return published_versions(self.spark, self.settings)

    def previous_model(self) -> StoredModel | None:
        """The model that this run builds on: published for the newest earlier logical date; None: there is none.

        The first stage that asks pins it in the run's state, so that all stages build on the same one, whatever is
        published or rolled back meanwhile.

        Raises:
            InputError: the pinned model was deleted or is incomplete.
        """
        state = self.work.read_json("run") or {}
        if PREVIOUS_MODEL not in state:
            manifest = self.versions.manifest_before(str(self.ds))
            state[PREVIOUS_MODEL] = None if manifest is None else manifest["model"]["run_id"]
            if "run_id" in state:  # studies learn without a run
                self.work.write_json("run", state)
        run_id = state[PREVIOUS_MODEL]
        if run_id is not None and not self.models.has(run_id):
            raise InputError(
                "the previous model that this run builds on was deleted",
                where=self.models.tables.root,
                expected="the model that the indices and features of this run continue, until the run is finished",
                found=f"no model of run {run_id}",
                hint=f"run jobs/build_features.py --ds {self.ds}, which takes the model that is published now; then "
                "give the same command again",
            )
        return None if run_id is None else self.models.load(run_id)

    def warm_model(self) -> StoredModel | None:
        """The model to start from (warm start); None: full training, as configured or because there is no model."""
        train = self.settings.train
        model = self.previous_model() if train.warm_start else None
        return None if model is None or model.facts["warm_runs"] >= train.warm_runs else model

    @property
    def end(self) -> datetime:
        """The end of the logical date in UTC; ratings at or after it do not belong to the run."""
        return datetime.combine(self.ds + timedelta(days=1), datetime.min.time())

    @property
    def run_id(self) -> str:
        """The identity of the run of this logical date, YYYY-MM-DD-NNN.

        Raises:
            InputError: no stage of a run has begun.
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
        """Whether an unfinished run finished this stage with the settings that the stage depends on.

        Args:
            stage: one of `STAGES`.
        """
        state = self.work.read_json("run")
        return (
            state is not None
            and STAGES[-1] not in state["done"]
            and state["done"].get(stage) == stage_fingerprint(self.settings, stage)
        )

    def scratch(self, stage: str) -> Tables:
        """Where a stage keeps what it resumes from after an interruption.

        Args:
            stage: one of `STAGES`.
        """
        return self.work.below("scratch").below(stage)

    def begin(self, stage: str) -> None:
        """Marks a stage as under way: its former result and those of later stages no longer count.

        The first stage begins a new run, unless the last one was left unfinished. A run whose model or tables are
        stored gets a new number where a stage would write them again: what is stored is immutable. The scratch of this
        stage is kept if it was interrupted with the same settings; the scratch of later stages, and of a finished
        one, is deleted.

        Args:
            stage: one of `STAGES`.
        """
        state = self.work.read_json("run")
        if state is None or (stage == STAGES[0] and STAGES[-1] in state["done"]):
            files.delete(self.spark, self.work.root)
            state = {**self._new_number(state), "begun": {}, "done": {}}
        digest = stage_fingerprint(self.settings, stage)
        interrupted = stage not in state["done"] and state["begun"].get(stage) == digest
        if not interrupted and self._is_stored(state, stage):
            state |= self._new_number(state)
        later = STAGES[STAGES.index(stage) :]
        stale = [name for name in later if name != stage or not interrupted]
        for name in later:
            state["done"].pop(name, None)
        for name in stale:
            state["begun"].pop(name, None)
        if not one_step.guarantees(self.spark, self.work.root).deletes_folders_at_once:
            self.work.write_json("run", state)  # a kill must not leave half of a scratch that still counts
        for name in stale:
            files.delete(self.spark, self.scratch(name).root)
        if _is_before(stage, "train"):
            state.pop("model", None)
        if _is_before(stage, "build_features"):  # the first stage that builds on the previous model
            state.pop(PREVIOUS_MODEL, None)
        state["begun"][stage] = digest
        self.work.write_json("run", state)

    def _is_stored(self, state: dict[str, Any], stage: str) -> bool:
        """Whether the model or the tables that the stage leads to are stored under the run's number."""
        run_id = state["run_id"]
        return (_is_before(stage, "train") and self.models.has(run_id)) or self.versions.record(run_id) is not None

    def _new_number(self, state: dict[str, Any] | None) -> dict[str, Any]:
        # stored runs count too: working tables may have been deleted
        stored = [*self.versions.runs(str(self.ds)), *self.models.runs(str(self.ds))]
        numbers = [int(run_id.rsplit("-", 1)[-1]) for run_id in stored]
        number = max([*numbers, state["number"] if state else 0]) + 1
        return {"run_id": f"{self.ds}-{number:03d}", "number": number}

    @property
    def model_id(self) -> str:
        """The run whose model this run recommends with: its own, or an earlier one's of the same date.

        Raises:
            InputError: no model was trained yet.
        """
        state = self.work.read_json("run") or {}
        if "model" not in state:
            raise InputError(
                f"no model was trained for {self.ds}",
                where=self.work.root,
                expected="a finished training",
                hint="run jobs/nightly.py, or jobs/train.py first, with the same --ds and settings",
            )
        return str(state["model"])

    def use_trained_model(self) -> None:
        """Makes the run's own model the one that it recommends with."""
        self.work.write_json("run", {**(self.work.read_json("run") or {}), "model": self.run_id})

    def finish(self, stage: str) -> None:
        """Marks a stage as done with these settings.

        Args:
            stage: one of `STAGES`.
        """
        state = self.work.read_json("run") or {}
        state["done"][stage] = stage_fingerprint(self.settings, stage)
        self.work.write_json("facts", self._facts())
        self.work.write_json("run", state)

    def _facts(self) -> dict[str, dict[str, Any]]:
        """The facts of this process over those of earlier processes of the run."""
        earlier: dict[str, dict[str, Any]] = self.work.read_json("facts") or {}
        facts = self.summary.facts
        return {name: {**earlier.get(name, {}), **facts.get(name, {})} for name in {**earlier, **facts}}

    def summary_document(self) -> dict[str, Any]:
        """The run's summary as it is written."""
        return {**summary_head(self.settings, self.ds, self.run_id), **self._facts()}

    def write_summary(self, document: dict[str, Any]) -> str:
        """Writes the run's summary as JSON and, beside it, its numbers as OpenMetrics; returns the path of the first.

        Args:
            document: of `summary_document`.
        """
        path = self.root.path(f"summaries/{document['run_id']}")
        one_step.write_bytes(self.spark, f"{path}.prom", openmetrics(document))
        self.root.write_json(f"summaries/{document['run_id']}", document)
        return f"{path}.json"

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds a stage's seconds, its peak of memory and what Spark did for it to the summary.

        Args:
            stage: name in the summary.
        """
        start = time.monotonic()
        with watched() as peak, counted(self.spark) as work:
            try:
                yield
            finally:
                self.summary.add("seconds", **{stage: round(time.monotonic() - start, 2)})
        self.summary.add("peak_memory_mb", **{stage: peak.bytes // 2**20})
        self.summary.add("spark_work", **{stage: asdict(work)})


def summary_head(settings: Settings, ds: date, run_id: str) -> dict[str, Any]:
    """What every summary begins with: the run's identity and the versions of the code.

    Args:
        settings: of the run.
        ds: the logical date.
        run_id: of the run; empty: none has begun.
    """
    installed = [name for name in _PACKAGES if find_spec(name) is not None]  # for some Pythons there is no Torch
    versions = {name: importlib.metadata.version(name) for name in installed}
    identity = {"run_id": run_id, "ds": str(ds), "fingerprint": fingerprint(settings)}
    return {**identity, "versions": {"bgmrec": bgmrec.__version__, **versions}}


def _is_before(stage: str, other: str) -> bool:
    """Whether a stage comes before another one, or is that one."""
    return STAGES.index(stage) <= STAGES.index(other)
