"""Settings of the search for better settings: which keys, within which bounds, and which trials are stopped early."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bgmrec.config.base import Conflict, Section, Unit

DOTTED_KEY = r"^[a-z_]+(\.[a-z_]+)+$"
Key = Annotated[str, Field(pattern=DOTTED_KEY)]
Bound = Annotated[float, Unit("the key's")]


class SearchKey(Section):
    """One setting that the trials vary."""

    key: Key
    """The setting, `section.key`, of the sections bayes, factorize, item_encoder, train, trend and user_encoder."""

    kind: Literal["float", "int", "categorical"]
    """`float`, `int`: a number from `low` to `high`. `categorical`: one of `choices`."""

    low: Bound | None = None
    """`float`, `int`: smallest value."""

    high: Bound | None = None
    """`float`, `int`: largest value."""

    log: bool = False
    """Draw evenly on a logarithmic scale; for regularisation and learning rates."""

    choices: list[Any] = []
    """`categorical`: the values, for example `[[64], [128, 64]]`."""

    @model_validator(mode="after")
    def _is_a_range_or_a_choice(self) -> SearchKey:
        if self.kind == "categorical":
            if not self.choices or self.low is not None or self.high is not None or self.log:
                raise self._refused("a list of choices, and neither low, high nor log")
        elif self.choices or self.low is None or self.high is None or self.low >= self.high:
            raise self._refused("low and a larger high, and no choices")
        elif self.log and self.low <= 0:
            raise self._refused("low above 0, as log = true")
        elif self.kind == "int" and not (self.low.is_integer() and self.high.is_integer()):
            raise self._refused("whole numbers as low and high")
        return self

    def _refused(self, expected: str) -> Conflict:
        return Conflict(
            "kind",
            expected=f"for kind = {self.kind}: {expected}",
            found=", ".join(f"{name} = {value}" for name, value in self.model_dump(exclude_unset=True).items()),
            hint="correct this entry of tune.space",
        )


class TuneSettings(Section):
    """`[tune]`: what jobs/tune.py searches."""

    space: list[SearchKey] = []
    """The settings to vary: `[[tune.space]]`, or a list of inline tables. Empty: rank, regularisation, in implicit mode
    the weight of pairs that were not observed, and each encoder with and without."""

    seed: int = 1
    """Seed of the search. Change it for other trials of the same models, which are trained with the global `seed`."""

    pruner: Literal["median", "none"] = "median"
    """`median`: stop a trial whose best value so far is worse than the median of the others at the same round. `none`:
    every trial runs to its end."""
