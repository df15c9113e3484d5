"""The strict base of every settings section, the field types that sections share, and how sections refuse values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

OFF = "off"
PLAIN_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
FILE_MODE = r"^[0-7]{3}$"


class Section(BaseModel):
    """A settings section: unknown keys are refused, values are checked, and nothing changes after loading.

    The string below a field describes the key in conf/README.md. TOML has inf and nan; no setting has a use for them.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class Unit:
    """What a number counts or measures, for conf/README.md."""

    name: str


class Conflict(ValueError):
    """Settings that are valid alone and impossible together.

    Args:
        keys: the settings involved, relative to the section that checks them.
        expected: what would be possible.
        found: what the settings say.
        hint: what to change.
    """

    def __init__(self, *keys: str, expected: str, found: str, hint: str):
        self.keys, self.expected, self.found, self.hint = keys, expected, found, hint
        super().__init__(f"{', '.join(keys)}: expected {expected}, found {found}")


Share = Annotated[float, Field(ge=0.0, le=1.0), Unit("share")]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=PLAIN_NAME)]
Mode = Annotated[str, Field(pattern=FILE_MODE)]

Days = Annotated[NonNegative, Unit("days")]
WholeDays = Annotated[AtLeastOne, Unit("days")]
Seconds = Annotated[Positive, Unit("seconds")]
Bytes = Annotated[Count, Unit("bytes")]
Rows = Annotated[AtLeastOne, Unit("rows")]
Epochs = Annotated[Count, Unit("epochs")]
Users = Annotated[AtLeastOne, Unit("users")]
Items = Annotated[AtLeastOne, Unit("items")]


def _none_if_off(value: object) -> object:
    return None if value == OFF else value


# a threshold that "off" disables; TOML has no null
ShareOrOff = Annotated[Share | None, BeforeValidator(_none_if_off)]
NonNegativeOrOff = Annotated[NonNegative | None, BeforeValidator(_none_if_off)]
WholeDaysOrOff = Annotated[WholeDays | None, BeforeValidator(_none_if_off)]
CountOrOff = Annotated[Count | None, BeforeValidator(_none_if_off)]
