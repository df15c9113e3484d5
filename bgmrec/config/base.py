"""The strict base of every settings section, and the field types that sections share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A settings section: unknown keys are refused, values are checked, and nothing changes after loading.

    TOML has inf and nan; no setting has a use for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, validate_default=True, allow_inf_nan=False)


Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

Mode = Annotated[str, Field(pattern=r"^[0-7]{3}$")]  # of a file, in octal


def _off(value: object) -> object:
    return None if value == "off" else value


# a threshold that "off" takes away; TOML has no null
ShareOrOff = Annotated[float | None, Field(ge=0.0, le=1.0), BeforeValidator(_off)]
NonNegativeOrOff = Annotated[float | None, Field(ge=0.0), BeforeValidator(_off)]
AtLeastOneOrOff = Annotated[int | None, Field(ge=1), BeforeValidator(_off)]
CountOrOff = Annotated[int | None, Field(ge=0), BeforeValidator(_off)]
