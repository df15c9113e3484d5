"""What lets training go on after a kill: one folder per finished round, and one small state document."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from bgmrec.storage import files
from bgmrec.storage.tables import Tables

STATE = "state"


@dataclass(frozen=True)
class TrainState:
    """How far training has come.

    Args:
        round: rounds finished.
        best_round: the round with the best validation value; the last one where nothing is validated.
        best_value: that value, oriented so that lower is better; none without validation.
        history: one entry per finished round: objective terms, validation value, encoder losses, seconds.
    """

    round: int = 0
    best_round: int = 0
    best_value: float | None = None
    history: tuple[dict[str, Any], ...] = ()

    def after(self, value: float | None, entry: dict[str, Any]) -> TrainState:
        """The state after one more round with this validation value."""
        number = self.round + 1
        history = (*self.history, {"round": number, **entry})
        if value is None:
            return replace(self, round=number, best_round=number, history=history)
        better = math.isfinite(value) and (self.best_value is None or value < self.best_value)
        best_round, best_value = (number, value) if better else (self.best_round, self.best_value)
        return TrainState(number, best_round, best_value, history)

    def is_over(self, rounds: int, patience: int) -> bool:
        """Whether all rounds are done, or `patience` rounds brought no new best value."""
        return self.round >= rounds or (self.best_value is not None and self.round - self.best_round >= patience)


@dataclass(frozen=True)
class Checkpoints:
    """Rounds below one folder; a round counts once the state document names it."""

    tables: Tables

    def of_round(self, number: int) -> Tables:
        """The folder of a round; 0 is what training starts from."""
        return self.tables.below(f"round-{number:04d}")

    def load(self) -> TrainState:
        document = self.tables.read_json(STATE)
        return TrainState() if document is None else TrainState(**{**document, "history": tuple(document["history"])})

    def save(self, state: TrainState) -> None:
        """Records a finished round, then drops the rounds that are neither the best nor the last."""
        self.tables.write_json(STATE, asdict(state))
        keep = {self.of_round(number).root.rsplit("/", 1)[-1] for number in (state.round, state.best_round)}
        for path in files.glob(self.tables.spark, f"{self.tables.root}/round-*"):
            if path.rsplit("/", 1)[-1] not in keep:
                files.delete(self.tables.spark, path)
