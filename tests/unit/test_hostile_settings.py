"""Whatever settings hold, they load or are refused with a settings error: nothing else is ever raised."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bgmrec.config import Settings, load_settings
from bgmrec.errors import SettingsError
from tests.hostile import examples, strings

BASE = Path(__file__).parents[2] / "conf" / "base.toml"


def keys(model: BaseModel, at: str = "") -> list[str]:
    """Every section and key that there is."""
    found = []
    for name, value in model:
        found.append(f"{at}{name}")
        if isinstance(value, BaseModel):
            found += keys(value, f"{at}{name}.")
    return found


KEYS = keys(Settings())


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for inner in value.values() for n in numbers(inner)]
    if isinstance(value, list):
        return [n for inner in value for n in numbers(inner)]
    return [value] if isinstance(value, float) else []


toml = st.one_of(
    strings(),
    st.integers().map(str),
    st.sampled_from(
        ["nan", "inf", "-inf", "1e999", "true", "[]", "{}", "[[1]]", "{a = 1}", "2025-01-01", "'", "[", "0x10"]
    ),
)


@examples(300)
@given(st.lists(st.tuples(st.one_of(st.sampled_from(KEYS), strings()), toml), min_size=1, max_size=3))
def test_overrides_load_or_are_refused(given_: list[tuple[str, str]]) -> None:
    overrides = [f"{key}={value}" for key, value in given_]
    try:
        settings = load_settings([BASE], overrides)
    except SettingsError as error:
        assert error.message and error.where
        return
    assert all(math.isfinite(number) for number in numbers(settings.model_dump()))


@examples(100)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_files_load_or_are_refused(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".toml") as file:
        file.write(content)
        file.flush()
        try:
            load_settings([file.name])
        except SettingsError as error:
            assert error.where == file.name
