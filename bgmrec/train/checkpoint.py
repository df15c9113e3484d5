"""Checkpoints, from which a killed training resumes: one folder per finished round, and one state document."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from bgmrec.storage import files
from bgmrec.storage.tables import Tables

STATE = "state"


@dataclass(frozen=True)
class TrainState:
    """The state of a training after its last finished round.

    Args:
        round: number of finished rounds.
        best_round: round with the best validation value; without validation, the last round.
        best_value: validation value of that round, lower is better; None: no validation.
        history: one entry per finished round: objective terms, validation value, encoder losses, seconds.
    """

    round: int = 0
    best_round: int = 0
    best_value: float | None = None
    history: tuple[dict[str, Any], ...] = ()

    def after(self, value: float | None, entry: dict[str, Any]) -> TrainState:
        """The state after one more round.

        Args:
            value: validation value of the round; None: no validation.
            entry: facts for the history.
        """
        number = self.round + 1
        history = (*self.history, {"round": number, **entry})
        if value is None:
            return replace(self, round=number, best_round=number, history=history)
        better = math.isfinite(value) and (self.best_value is None or value < self.best_value)
        best_round, best_value = (number, value) if better else (self.best_round, self.best_value)
        return TrainState(number, best_round, best_value, history)

    def is_over(self, rounds: int, patience: int) -> bool:
        """Whether all rounds are finished, or the last `patience` rounds brought no new best value.

        Args:
            rounds: the largest number of rounds.
            patience: rounds without a new best value before stopping.
        """
        return self.round >= rounds or (self.best_value is not None and self.round - self.best_round >= patience)


@dataclass(frozen=True)
class Checkpoints:
    """Rounds below one folder. A round is finished once the document `state` names it.

    Args:
        tables: scratch of the training.
    """

    tables: Tables

    def round_folder(self, number: int) -> Tables:
        """The folder of a round; 0 is the start of the training."""
        return self.tables.below(f"round-{number:04d}")

    def load(self) -> TrainState:
        """The state after the last finished round."""
        document = self.tables.read_json(STATE)
        return TrainState() if document is None else TrainState(**{**document, "history": tuple(document["history"])})

    def save(self, state: TrainState) -> None:
        """Records a finished round, then deletes the rounds that are neither the best nor the last."""
        self.tables.write_json(STATE, asdict(state))
        keep = {self.round_folder(number).root.rsplit("/", 1)[-1] for number in (state.round, state.best_round)}
        for path in files.children(self.tables.spark, self.tables.root, "round-*"):
            if path.rsplit("/", 1)[-1] not in keep:
                files.delete(self.tables.spark, path)
