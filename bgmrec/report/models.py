"""Which metric and which model a report names first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bgmrec.evaluate.table import MODEL


def main_metric(quality: Mapping[str, Any]) -> str:
    """The metric that a report names first: NDCG where lists were evaluated, otherwise RMSE.

    Args:
        quality: the section of that name of the facts.
    """
    return "ndcg" if quality["ranking"] else "rmse"


def models_in(entries: Mapping[str, Any]) -> list[str]:
    """Names of the models in alphabetical order, this model first.

    Args:
        entries: anything by name of the model.
    """
    return sorted(entries, key=lambda model: (model != MODEL, model))
