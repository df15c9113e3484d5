"""Dotted keys of TOML: parsed, written, and found again in the lines of a file."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from typing import Any

KeyPath = tuple[str, ...]

_PLAIN_PART = re.compile(r"[A-Za-z0-9_-]+")
_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEY = rf"{_PART}(?:\s*\.\s*{_PART})*"
_ASSIGNMENT = re.compile(rf"\s*(?P<key>{_KEY})\s*=\s*(?P<value>.*)", re.DOTALL)
_HEADER = re.compile(rf"\s*(?P<open>\[\[?)\s*(?P<key>{_KEY})\s*\]")


def key_path(text: str) -> KeyPath | None:
    """The parts of a dotted key, for example `spark.conf."spark.driver.memory"`; None: it is not one.

    Args:
        text: the key as in TOML.
    """
    if not re.fullmatch(_KEY, text.strip()) or "\n" in text:
        return None
    try:
        value: Any = tomllib.loads(f"{text.strip()} = 0")
    except tomllib.TOMLDecodeError:
        return None
    parts = []
    while isinstance(value, dict):
        (part, value), *_ = value.items()
        parts.append(part)
    return tuple(parts)


def key_text(path: KeyPath) -> str:
    """The dotted key of a path; parts with dots or other signs are quoted.

    Args:
        path: names of sections and keys, and positions in lists.
    """
    return ".".join(part if _PLAIN_PART.fullmatch(part) else f'"{part}"' for part in path)


def split_assignment(text: str) -> tuple[KeyPath, str] | None:
    """The key and the text of the value of `key=value`; None: it is not such a text.

    Args:
        text: for example `spark.conf."spark.driver.memory"=4g`.
    """
    found = _ASSIGNMENT.fullmatch(text)
    path = key_path(found["key"]) if found else None
    return (path, found["value"]) if found and path else None


class KeyLines:
    """Where the keys of a TOML file are written, as well as can be told without a parser of one's own.

    Args:
        text: the file.
    """

    def __init__(self, text: str):
        self._lines: dict[KeyPath, int] = {}
        self._elements: Counter[KeyPath] = Counter()
        self._table: KeyPath = ()
        self._array: KeyPath | None = None
        for number, line in enumerate(text.splitlines(), 1):
            self._read(line, number)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of a key, or of the nearest key or table around it; None: there is none.

        Args:
            path: names of sections and keys, and positions in lists.
        """
        return next((self._lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self._lines), None)

    def _read(self, line: str, number: int) -> None:
        if header := _HEADER.match(line):
            self._table, self._array = self._table_path(key_path(header["key"]) or (), header["open"] == "[["), None
            self._lines.setdefault(self._table, number)
        elif assignment := _ASSIGNMENT.match(line):
            path = (*self._table, *(key_path(assignment["key"]) or ()))
            value = assignment["value"].partition("#")[0].strip()
            self._array = path if value.startswith("[") and value.count("[") > value.count("]") else None
            self._lines.setdefault(path, number)
            if self._array and value[1:].lstrip().startswith("{"):
                self._lines.setdefault((*path, self._next(path)), number)
        elif self._array is not None and line.lstrip().startswith("{"):
            self._lines.setdefault((*self._array, self._next(self._array)), number)

    def _table_path(self, parts: KeyPath, is_element: bool) -> KeyPath:
        """A table's path, with positions after the names of arrays of tables."""
        path: KeyPath = ()
        for part in parts[:-1]:
            path = (*path, part)
            if path in self._elements:
                path = (*path, str(self._elements[path] - 1))
        path = (*path, *parts[-1:])
        return (*path, self._next(path)) if is_element else path

    def _next(self, array: KeyPath) -> str:
        self._elements[array] += 1
        return str(self._elements[array] - 1)
