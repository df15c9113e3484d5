"""The model store: one immutable folder per run, complete once its `model.json` is there.

`model.json` says what the version holds; nothing else is believed to be there. Weights are safetensors, tables Parquet,
documents JSON: nothing in the store can run code when it is read. Which version is `latest` stands in the manifest of
the published tables (`bgmrec.publish.versions`), so that tables and model are switched together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

import bgmrec
from bgmrec.errors import InputError, PublishingError
from bgmrec.storage import files
from bgmrec.storage.tables import Tables

FACTS = ("bgmrec", "data", "ds", "fingerprint", "holds", "mode", "settings", "shape", "validation")


@dataclass(frozen=True)
class StoredModel:
    """One stored model: its tables, weights (safetensors) and facts."""

    run_id: str
    tables: Tables
    facts: dict[str, Any]

    @property
    def location(self) -> str:
        return files.absolute(self.tables.spark, self.tables.root)

    def table(self, name: str) -> DataFrame:
        return self.tables.read(name)

    def weights(self, name: str) -> bytes | None:
        """An encoder's weights, or none where the model has no such encoder."""
        held = name in self.facts["holds"]["weights"]
        return files.read_bytes(self.tables.spark, self.tables.path(weights_file(name))) if held else None


def weights_file(name: str) -> str:
    return f"{name}.safetensors"


@dataclass(frozen=True)
class ModelStore:
    """Models below one root, by run id."""

    tables: Tables

    def has(self, run_id: str) -> bool:
        return self.tables.below(run_id).read_json("model") is not None

    def runs(self, ds: str = "*") -> list[str]:
        """Runs with a folder, complete or not, of one date or of all, rising."""
        return [path.rsplit("/", 1)[-1] for path in files.glob(self.tables.spark, f"{self.tables.root}/{ds}-*")]

    def save(
        self,
        run_id: str,
        tables: dict[str, DataFrame],
        weights: dict[str, bytes],
        documents: dict[str, Any],
        facts: dict[str, Any],
    ) -> StoredModel:
        """Writes a model; `model.json` comes last, so that half a model never counts.

        Args:
            run_id: the run that learned it.
            tables: by registered name.
            weights: encoder name → safetensors bytes.
            documents: fitted feature state and the like, JSON.
            facts: `FACTS` but for what this adds: the code's version and what the model holds.

        Raises:
            PublishingError: there is a model of that run; it is never written over.
        """
        store = self.tables.below(run_id)
        if self.has(run_id):
            raise PublishingError(
                f"the model of run {run_id} is stored and cannot be written over",
                where=store.root,
                hint="a run that learns again gets a new number: begin it by jobs/nightly.py or jobs/train.py",
            )
        files.delete(self.tables.spark, store.root)
        for name, df in tables.items():
            store.write(df, name)
        for name, content in weights.items():
            files.write_bytes(self.tables.spark, store.path(weights_file(name)), content)
        for name, document in documents.items():
            store.write_json(name, document)
        sizes = {name: len(content) for name, content in weights.items()}
        holds = {"tables": sorted(tables), "weights": sizes, "documents": sorted(documents)}
        store.write_json("model", {**facts, "bgmrec": bgmrec.__version__, "holds": holds})
        return self.load(run_id)

    def load(self, run_id: str) -> StoredModel:
        """Opens a complete model.

        Raises:
            InputError: there is none of that run, or something that it should hold is missing.
        """
        store = self.tables.below(run_id)
        facts = store.read_json("model")
        if facts is None:
            raise InputError(
                f"no model of run {run_id}",
                where=store.root,
                expected="a folder with model.json",
                hint="run jobs/train.py for the same --ds and settings",
            )
        if missing := _missing(store, facts):
            raise InputError(
                f"the model of run {run_id} is incomplete",
                where=store.root,
                expected="everything that its model.json names",
                found=f"without {', '.join(missing)}",
                hint="restore the folder, go back to another run by jobs/rollback.py, or learn anew by jobs/train.py",
            )
        return StoredModel(run_id, store, facts)

    def delete(self, run_id: str) -> None:
        """Removes a model; `model.json` goes first, so that half a model never counts."""
        store = self.tables.below(run_id)
        files.delete(self.tables.spark, f"{store.path('model')}.json")
        files.delete(self.tables.spark, store.root)


def _missing(store: Tables, facts: dict[str, Any]) -> list[str]:
    """What a model lacks: facts, tables without their mark, weights of another size, documents."""
    missing = [f"{name} in model.json" for name in FACTS if name not in facts]
    holds = facts.get("holds", {"tables": [], "weights": {}, "documents": []})
    missing += [f"table {name}" for name in holds["tables"] if not store.exists(name)]
    for name, size in holds["weights"].items():
        path = store.path(weights_file(name))
        if not files.exists(store.spark, path) or files.size(store.spark, path) != size:
            missing.append(f"{weights_file(name)} of {size:,} bytes")
    return missing + [f"{name}.json" for name in holds["documents"] if store.read_json(name) is None]
