"""From pydantic's findings to a refusal that names the keys, the lines, what was expected and what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bgmrec.config.base import BLANK_TEXT, Conflict
from bgmrec.config.export import PLAIN_SECRET
from bgmrec.config.keys import KeyLines, KeyPath, key_path, key_text
from bgmrec.config.schema import is_section, section_at, setting_path, type_at, type_text
from bgmrec.config.settings import Settings
from bgmrec.errors import SettingsError

COMMAND_LINE = "--set"
REFERENCE = "conf/README.md describes every key"
DEFAULT = "default"
_LISTED = 5  # further faults that a refusal names
_LONGEST = 200  # characters of a value that a refusal shows

Origin = Mapping[KeyPath, str]


def refusal(error: ValidationError, origin: Origin) -> SettingsError:
    """The first fault in full, and where the others are.

    Args:
        error: of the validation of all settings.
        origin: the file of each key, or `--set`.
    """
    faults: dict[KeyPath, ErrorDetails] = {}
    for details in error.errors(include_url=False):
        faults.setdefault(_path(details), details)
    (path, first), *others = faults.items()
    explain = _conflict if _conflict_of(first) else _unknown if first["type"] == "extra_forbidden" else _impossible
    refused = explain(path, first, origin)
    also = [f"{key_text(other) or 'several sections'} ({location(other, origin)})" for other, _ in others[:_LISTED]]
    more = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
    refused["hint"] += f"; correct also {', '.join(also)}{more}" if also else ""
    return SettingsError(**refused)


def location(path: KeyPath, origin: Origin) -> str:
    """Where a setting is stated: `file:line`, `--set key`, or that it has its default.

    Args:
        path: names of sections and keys, and positions in lists.
        origin: the file of each key, or `--set`.
    """
    for n in range(len(path), 0, -1):
        if n < len(path) and is_section(path[:n]):
            break  # other keys of the section are stated, and this one is not
        if path[:n] in origin:
            return _stated(path, path[:n], origin[path[:n]])
    return DEFAULT


def _stated(path: KeyPath, around: KeyPath, file: str) -> str:
    if file == COMMAND_LINE:
        return f"{COMMAND_LINE} {key_text(around)}"
    line = KeyLines(Path(file).read_text(encoding="utf-8")).line_of(path)
    return f"{file}:{line}" if line else file


def _path(details: ErrorDetails) -> KeyPath:
    path = tuple(str(part) for part in details["loc"])
    return path if details["type"] == "extra_forbidden" else setting_path(path)


def _conflict_of(details: ErrorDetails) -> Conflict | None:
    cause = details.get("ctx", {}).get("error")
    return cause if isinstance(cause, Conflict) else None


def _conflict(path: KeyPath, details: ErrorDetails, origin: Origin) -> dict[str, str]:
    conflict = _conflict_of(details)
    if conflict is None:
        raise AssertionError("chosen by this very condition")
    keys = [(*path, *(key_path(key) or ())) for key in conflict.keys]
    what = "settings that are impossible together:" if keys[1:] else "impossible setting"
    return {
        "message": f"{what} {', '.join(map(key_text, keys))}",
        "where": "; ".join(f"{key_text(key)}: {location(key, origin)}" for key in keys)
        if keys[1:]
        else location(keys[0], origin),
        "expected": conflict.expected,
        "found": conflict.found,
        "hint": f"{conflict.hint}; {REFERENCE}",
    }


def _unknown(path: KeyPath, details: ErrorDetails, origin: Origin) -> dict[str, str]:
    section, name = section_at(path[:-1]), path[-1]
    names = sorted(section.model_fields)
    of = f"keys of [{key_text(path[:-1])}]" if path[1:] else "keys and sections"
    similar = _similar(path, names)
    return {
        "message": f"unknown setting {key_text(path)}",
        "where": location(path, origin),
        "expected": f"one of the {of}: {', '.join(names)}",
        "found": name,
        "hint": f"did you mean {similar}? {REFERENCE}" if similar else REFERENCE,
    }


def _similar(path: KeyPath, names: list[str]) -> str | None:
    """The key of the same section with the closest name, else a key of this name elsewhere."""
    if close := get_close_matches(path[-1], names, n=1):
        return key_text((*path[:-1], close[0]))
    return next((key_text(key) for key in _keys(Settings) if key[-1] == path[-1]), None)


def _keys(section: type[BaseModel], at: KeyPath = ()) -> Iterator[KeyPath]:
    for name in section.model_fields:
        yield (*at, name)
        if is_section((*at, name)):
            yield from _keys(section_at((*at, name)), (*at, name))


def _impossible(path: KeyPath, details: ErrorDetails, origin: Origin) -> dict[str, str]:
    secret, expected = details["type"] == PLAIN_SECRET, type_at(path)
    said = details["type"] in (PLAIN_SECRET, BLANK_TEXT)
    return {
        "message": f"impossible setting {key_text(path)}",
        "where": location(path, origin),
        "expected": type_text(*expected) if expected and not said else details["msg"],
        "found": "a secret in plain text" if secret else _found(details),
        "hint": f"{_quoted(path, details)}{REFERENCE}",
    }


def _quoted(path: KeyPath, details: ErrorDetails) -> str:
    """The key in quotes, where TOML took the dots of its name for sections: `spark.conf.spark.driver.memory`."""
    value, parts = details.get("input"), [path[-1]] if path else []
    if details["type"] != "string_type" or not isinstance(value, dict):
        return ""
    while isinstance(value, dict) and value:
        (part, value), *_ = value.items()
        parts.append(part)
    return f"quote a name that has dots: {key_text((*path[:-1], '.'.join(parts)))}; "


def _found(details: ErrorDetails) -> str:
    if details["type"] == "missing":
        return "no value"
    text = json.dumps(details.get("input"), ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
