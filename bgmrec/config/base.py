"""The strict base of every settings section, the field types that sections share, and how sections refuse values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

OFF = "off"
PLAIN_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
FIELD_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"  # columns of bgmrec's own begin with an underscore
FILE_MODE = r"^[0-7]{3}$"
BLANK_TEXT = "blank_text"  # the type of error of a text without characters


@dataclass(frozen=True)
class Unit:
    """What a number counts or measures, for conf/README.md."""

    name: str


@dataclass(frozen=True)
class MayBeBlank:
    """Marks a key whose texts may be blank: of all others a blank text is a mistake."""


class Section(BaseModel):
    """A settings section: unknown keys are refused, values are checked, and nothing changes after loading.

    The string below a field describes the key in conf/README.md. TOML has inf and nan; no setting has a use for them.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*")
    @classmethod
    def _has_no_blank_text(cls, value: Any, info: ValidationInfo) -> Any:
        marks = cls.model_fields[info.field_name or ""].metadata
        if not any(isinstance(mark, MayBeBlank) for mark in marks) and any(not text.strip() for text in _texts(value)):
            raise PydanticCustomError(BLANK_TEXT, "text that is not blank")
        return value


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value of a key; sections within it check their own."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, Path):
        yield "" if value == Path() else str(value)
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _texts(inner))


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
FieldName = Annotated[str, Field(pattern=FIELD_NAME)]
Rank = Annotated[AtLeastOne, Field(le=512)]
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
FactorOrOff = Annotated[Annotated[float, Field(ge=1.0)] | None, BeforeValidator(_none_if_off)]
