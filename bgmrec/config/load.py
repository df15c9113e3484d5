"""Reads TOML files and `--set` overrides into checked settings, and remembers where each key comes from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bgmrec.config.keys import KeyPath, key_path, split_assignment
from bgmrec.config.refuse import COMMAND_LINE, DEFAULT, location, refusal
from bgmrec.config.settings import Settings
from bgmrec.errors import SettingsError


def load_settings(files: Sequence[str | Path], overrides: Sequence[str] = ()) -> Settings:
    """Merges the files in order (later ones win key by key, lists as a whole), then the overrides.

    Args:
        files: TOML files.
        overrides: `section.key=value`; the value is read as TOML, and as a plain string if it is not TOML. A part of
            the key with dots is quoted: `spark.conf."spark.driver.memory"=4g`.

    Raises:
        SettingsError: a file is missing or not TOML, or a key is unknown, of the wrong type or impossible.
    """
    merged, origin = _merged(files, overrides)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise refusal(error, origin) from None


def origin_of(key: str, files: Sequence[str | Path], overrides: Sequence[str] = ()) -> str:
    """Where a key is stated: `file:line` or `--set key`; all files where none states it.

    Args:
        key: `section.key`.
        files: TOML files.
        overrides: as for `load_settings`.
    """
    path, origin = key_path(key) or (), _merged(files, overrides)[1]
    return location(path, origin) if path in origin else ", ".join(map(str, files)) or DEFAULT


def _merged(files: Sequence[str | Path], overrides: Sequence[str]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """(what the files and overrides state together, where each key of it comes from)."""
    merged: dict[str, Any] = {}
    origin: dict[KeyPath, str] = {}
    for file in files:
        _merge(merged, _read(Path(file)), str(file), origin)
    for override in overrides:
        _merge(merged, _parse_override(override), COMMAND_LINE, origin)
    return merged, origin


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            "a settings file cannot be read", where=str(file), found=str(error), hint="check the path after --config"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            "a settings file is not valid TOML",
            where=str(file),
            expected="TOML 1.0 in UTF-8",
            found=str(error),
            hint="correct the line that the message names; strings need quotes",
        ) from None


def _parse_override(override: str) -> dict[str, Any]:
    assignment = split_assignment(override)
    if assignment is None:
        raise SettingsError(
            "--set takes key=value",
            where=COMMAND_LINE,
            expected="section.key=value, for example --set factorize.rank=64; a part with dots is quoted: "
            """--set 'spark.conf."spark.driver.memory"=4g'""",
            found=override,
            hint="conf/README.md describes every key",
        )
    path, text = assignment
    value = _toml_value(text)
    for part in reversed(path):
        value = {part: value}
    return value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()


def _merge(
    target: dict[str, Any], extra: dict[str, Any], file: str, origin: dict[KeyPath, str], at: KeyPath = ()
) -> None:
    for key, value in extra.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value, file, origin, path)
        else:
            target[key] = value
            origin.update(dict.fromkeys(_leaves(value, path), file))


def _leaves(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(number)))
