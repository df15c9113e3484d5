"""Settings of the search for better settings: which keys, between which bounds, and which trials are stopped early."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bgmrec.config.base import Count, Section

Key = Annotated[str, Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$")]


class SearchKey(Section):
    """One setting that trials vary: `low` to `high` for numbers, both included, or one of `choices`."""

    key: Key  # section.key, as after --set
    kind: Literal["float", "int", "categorical"]
    low: float | None = None
    high: float | None = None
    log: bool = False  # drawn evenly on the logarithm
    choices: list[Any] = []

    @model_validator(mode="after")
    def _is_a_range_or_a_choice(self) -> SearchKey:
        if self.kind == "categorical":
            if not self.choices or self.low is not None or self.high is not None or self.log:
                raise ValueError("a categorical key takes choices, and neither low, high nor log")
            return self
        if self.choices or self.low is None or self.high is None or self.low >= self.high:
            raise ValueError(f"a key of kind {self.kind} takes low and a larger high, and no choices")
        if self.log and self.low <= 0:
            raise ValueError("log = true needs low above 0")
        if self.kind == "int" and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("a key of kind int takes whole numbers as low and high")
        return self


class PrunerSettings(Section):
    """`[tune.pruner]`: stops a trial whose best value so far is worse than the median of the others at that round."""

    kind: Literal["median", "none"] = "median"
    startup_trials: Count = 5  # finished trials before any is stopped
    warm_up_rounds: Count = 2  # rounds in which no trial is stopped


class TuneSettings(Section):
    """`[tune]`: what jobs/tune.py searches."""

    space: list[SearchKey] = []
    seed: int = 1  # of the sampler; the models are learned with the settings' own seed
    random_trials: Count = 10  # drawn evenly before the sampler learns from the trials
    pruner: PrunerSettings = PrunerSettings()

    @model_validator(mode="after")
    def _keys_differ(self) -> TuneSettings:
        keys = [one.key for one in self.space]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise ValueError(f"{twice[0]} is searched twice")
        return self
