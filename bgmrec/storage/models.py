"""The model store: one immutable folder per run, complete once it has a `model.json`.

`model.json` lists what the model consists of. Weights are safetensors, tables Parquet, documents JSON: nothing in the
store can run code when it is read. The manifest of the published tables (`bgmrec.publish.versions`) names the model
that is `latest`, so that tables and model are promoted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

import bgmrec
from bgmrec.errors import InputError, PublishingError
from bgmrec.storage import files, one_step
from bgmrec.storage.tables import Tables

FACTS = ("bgmrec", "data", "ds", "fingerprint", "holds", "mode", "settings", "shape", "validation")


@dataclass(frozen=True)
class StoredModel:
    """One stored model.

    Args:
        run_id: the run that trained it.
        tables: its folder.
        facts: its `model.json`.
    """

    run_id: str
    tables: Tables
    facts: dict[str, Any]

    @property
    def location(self) -> str:
        """The folder as a URI."""
        return files.absolute(self.tables.spark, self.tables.root)

    def table(self, name: str) -> DataFrame:
        """One of its tables.

        Args:
            name: registered in `schemas.TABLES`.
        """
        return self.tables.read(name)

    def weights(self, name: str) -> bytes | None:
        """The weights of an encoder as safetensors; None if the model has no such encoder.

        Args:
            name: of the encoder.
        """
        if name not in self.facts["holds"]["weights"]:
            return None
        return files.read_bytes(self.tables.spark, self.tables.path(weights_file(name)))


def weights_file(name: str) -> str:
    """The name of the file with an encoder's weights.

    Args:
        name: of the encoder.
    """
    return f"{name}.safetensors"


@dataclass(frozen=True)
class ModelStore:
    """The models below one folder, by run id.

    Args:
        tables: the folder.
    """

    tables: Tables

    def has(self, run_id: str) -> bool:
        """Whether there is a complete model of a run.

        Args:
            run_id: of the run.
        """
        return self.tables.below(run_id).read_json("model") is not None

    def runs(self, ds: str = "*") -> list[str]:
        """Run ids of complete and incomplete models, in rising order.

        Args:
            ds: the logical date; `*`: all of them.
        """
        paths = files.children(self.tables.spark, self.tables.root, f"{ds}-*")
        return [path.rsplit("/", 1)[-1] for path in paths]

    def save(
        self,
        run_id: str,
        tables: dict[str, DataFrame],
        weights: dict[str, bytes],
        documents: dict[str, Any],
        facts: dict[str, Any],
    ) -> StoredModel:
        """Writes a model; `model.json` last, so that an incomplete model is never used.

        Args:
            run_id: the run that trained it.
            tables: by registered name.
            weights: encoder name → safetensors bytes.
            documents: JSON by name, the fitted features for example.
            facts: all of `FACTS` but `bgmrec` (the version of the code) and `holds` (the list of contents).

        Raises:
            PublishingError: there is a model of that run already; it is never replaced.
        """
        store = self.tables.below(run_id)
        if self.has(run_id):
            raise PublishingError(
                f"the model of run {run_id} is stored already and is never replaced",
                where=store.root,
                expected="no model of this run",
                hint="run jobs/nightly.py or jobs/train.py, which give a run that trains again a new number",
            )
        files.delete(self.tables.spark, store.root)
        for name, df in tables.items():
            store.write(df, name)
        for name, content in weights.items():
            one_step.write_bytes(self.tables.spark, store.path(weights_file(name)), content)
        for name, document in documents.items():
            store.write_json(name, document)
        sizes = {name: len(content) for name, content in weights.items()}
        holds = {"tables": sorted(tables), "weights": sizes, "documents": sorted(documents)}
        store.write_json("model", {**facts, "bgmrec": bgmrec.__version__, "holds": holds})
        return self.load(run_id)

    def load(self, run_id: str) -> StoredModel:
        """Opens a complete model.

        Args:
            run_id: of the run.

        Raises:
            InputError: there is none of that run, or a part of it is missing.
        """
        store = self.tables.below(run_id)
        facts = store.read_json("model")
        if facts is None:
            raise InputError(
                f"there is no model of run {run_id}",
                where=store.root,
                expected="a folder with model.json",
                hint="run jobs/train.py for the same --ds and settings",
            )
        if missing := _missing(store, facts):
            raise InputError(
                f"the model of run {run_id} is incomplete",
                where=store.root,
                expected="all parts that its model.json lists",
                found=f"missing: {', '.join(missing)}",
                hint="restore the folder, return to another run by jobs/rollback.py, or run jobs/train.py",
            )
        return StoredModel(run_id, store, facts)

    def delete(self, run_id: str) -> None:
        """Deletes a model; `model.json` first, so that an incomplete model is never used.

        Args:
            run_id: of the run.
        """
        store = self.tables.below(run_id)
        files.delete(self.tables.spark, f"{store.path('model')}.json")
        files.delete(self.tables.spark, store.root)


def _missing(store: Tables, facts: dict[str, Any]) -> list[str]:
    """The parts that a model lacks: facts, complete tables, weights of the listed size, documents."""
    missing = [f"{name} in model.json" for name in FACTS if name not in facts]
    holds = facts.get("holds", {"tables": [], "weights": {}, "documents": []})
    missing += [f"table {name}" for name in holds["tables"] if not store.exists(name)]
    for name, size in holds["weights"].items():
        path = store.path(weights_file(name))
        if not files.exists(store.spark, path) or files.size(store.spark, path) != size:
            missing.append(f"{weights_file(name)} of {size:,} bytes")
    return missing + [f"{name}.json" for name in holds["documents"] if store.read_json(name) is None]
