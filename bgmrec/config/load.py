"""Reads TOML files and `--set` overrides into checked settings, and says which file a bad key came from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bgmrec.config.export import PLAIN_SECRET
from bgmrec.config.settings import Settings
from bgmrec.errors import SettingsError

Path_ = tuple[str, ...]
COMMAND_LINE = "--set"


def load_settings(files: Sequence[str | Path], overrides: Sequence[str] = ()) -> Settings:
    """Merges the files in order (later ones win key by key, lists as a whole), then the overrides.

    Args:
        files: TOML files.
        overrides: `section.key=value`; the value is read as TOML, and as a plain string where it is none.

    Raises:
        SettingsError: a file is missing or no TOML, or a key is unknown, of the wrong type or impossible.
    """
    merged, origin = _merged(files, overrides)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, origin) from None


def origin_of(key: str, files: Sequence[str | Path], overrides: Sequence[str] = ()) -> str:
    """The file, or `--set`, that a key's value comes from; where none states it, all that could."""
    origin = _merged(files, overrides)[1]
    return origin.get(tuple(key.split(".")), _together(origin))


def _merged(files: Sequence[str | Path], overrides: Sequence[str]) -> tuple[dict[str, Any], dict[Path_, str]]:
    """(what the files and overrides state together, where each key of it comes from)."""
    merged: dict[str, Any] = {}
    origin: dict[Path_, str] = {}
    for file in files:
        _merge(merged, _read(Path(file)), str(file), origin)
    for override in overrides:
        _merge(merged, _parse_override(override), COMMAND_LINE, origin)
    return merged, origin


def _together(origin: dict[Path_, str]) -> str:
    return ", ".join(dict.fromkeys(origin.values())) or "built-in defaults"


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
            found=str(error),
            hint="correct the line that the message names",
        ) from None


def _parse_override(override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise SettingsError(
            "--set takes key=value",
            where=COMMAND_LINE,
            expected="section.key=value, for example --set factorize.rank=64",
            found=override,
        )
    value = _toml_value(text)
    for part in reversed(key.strip().split(".")):
        value = {part: value}
    return value


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _merge(target: dict[str, Any], extra: dict[str, Any], file: str, origin: dict[Path_, str], at: Path_ = ()) -> None:
    for key, value in extra.items():
        path = (*at, key)
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value, file, origin, path)
        else:
            target[key] = value
            origin.update(dict.fromkeys(_leaves(value, path), file))


def _leaves(value: Any, path: Path_) -> Iterator[Path_]:
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(number)))


def _explain(error: ValidationError, origin: dict[Path_, str]) -> SettingsError:
    first = error.errors(include_url=False)[0]
    path = tuple(str(part) for part in first["loc"])
    # a check over several keys may fail because of any file that sets one of them
    inside = dict.fromkeys(file for key, file in origin.items() if key[: len(path)] == path)
    around = next((origin[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origin), "built-in defaults")
    more = error.error_count() - 1
    return SettingsError(
        f"impossible setting {'.'.join(path) or 'in several sections'}" + (f" (and {more} more)" if more else ""),
        where=", ".join(inside) or around,
        expected=_expected(first, path),
        found=_found(first, path),
        hint="every key is documented in conf/base.toml",
    )


def _found(first: ErrorDetails, path: Path_) -> str:
    if first["type"] == "extra_forbidden":
        return f"unknown key {path[-1]!r}"
    if first["type"] == PLAIN_SECRET:
        return "a secret as it is"
    return repr(first.get("input")) if path else ""


def _expected(first: ErrorDetails, path: Path_) -> str:
    if first["type"] != "extra_forbidden":
        return str(first["msg"])
    allowed = sorted(_section_at(path[:-1]).model_fields)
    close = get_close_matches(path[-1], allowed, n=1)
    return (f"{close[0]}? One of: " if close else "one of: ") + ", ".join(allowed)


def _section_at(path: Path_) -> type[BaseModel]:
    section: type[BaseModel] = Settings
    for part in path:
        if part in section.model_fields:
            section = _model_in(section.model_fields[part].annotation) or section
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)
