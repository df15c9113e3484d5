"""The model store: one immutable folder per run, complete once its `model.json` is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from bgmrec import files
from bgmrec.errors import InputError
from bgmrec.tables import Tables


@dataclass(frozen=True)
class StoredModel:
    """One stored model: its tables, weights (safetensors) and facts."""

    tables: Tables
    facts: dict[str, Any]

    def table(self, name: str) -> DataFrame:
        return self.tables.read(name)

    def weights(self, name: str) -> bytes | None:
        """An encoder's weights, or none where the model has no such encoder."""
        path = f"{self.tables.path(name)}.safetensors"
        return files.read_bytes(self.tables.spark, path) if files.exists(self.tables.spark, path) else None


@dataclass(frozen=True)
class ModelStore:
    """Models below one root, by run id."""

    tables: Tables

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
            facts: shape, metrics, settings, versions.
        """
        place = self.tables.below(run_id)
        files.delete(self.tables.spark, place.root)
        for name, df in tables.items():
            place.write(df, name)
        for name, content in weights.items():
            files.write_bytes(self.tables.spark, f"{place.path(name)}.safetensors", content)
        for name, document in documents.items():
            place.write_json(name, document)
        place.write_json("model", facts)
        return StoredModel(place, facts)

    def load(self, run_id: str) -> StoredModel:
        """Opens a complete model.

        Raises:
            InputError: there is none of that run.
        """
        place = self.tables.below(run_id)
        facts = place.read_json("model")
        if facts is None:
            raise InputError(
                f"no model of run {run_id}",
                where=place.root,
                expected="a folder with model.json",
                cure="run jobs/train.py for the same --ds and settings",
            )
        return StoredModel(place, facts)
