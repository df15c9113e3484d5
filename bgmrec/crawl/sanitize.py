"""Raw values → a line of valid JSON in UTF-8, without denied fields and secrets."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

_MAX_DEPTH = 20  # levels of nesting: more than pages about music have, and far from Python's recursion limit
_MAX_ENTRIES = 10_000  # of one list or object
_EXACT = 2**53


def clean(value: Any, denied: Collection[str], depth: int = 0) -> Any:
    """A JSON value without denied names at any depth, NaN and infinities, lone surrogates and excessive nesting.

    Args:
        value: from a parser.
        denied: names of members, in lower case.
        depth: nesting depth of the value.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth >= _MAX_DEPTH and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {
            _text(str(name)): clean(inner, denied, depth + 1)
            for name, inner in list(value.items())[:_MAX_ENTRIES]
            if _bare(str(name)) not in denied
        }
    if isinstance(value, list):
        return [clean(inner, denied, depth + 1) for inner in value[:_MAX_ENTRIES]]
    return value


def _bare(name: str) -> str:
    """The name without its vocabulary: `https://schema.org/email` and `schema:email` are `email`."""
    return name.rsplit("/", 1)[-1].rsplit(":", 1)[-1].strip().lower()


def _text(value: str) -> str:
    """The text without lone surrogates, which JSON can escape and UTF-8 cannot encode."""
    return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() else value


def is_empty(value: Any) -> bool:
    """Whether a raw value is None, blank or without entries.

    Args:
        value: the raw value.
    """
    return value is None or value == [] or value == {} or (isinstance(value, str) and not value.strip())


def id_text(value: Any) -> str | None:
    """The id in a raw value: text, a whole number, or a PropertyValue of schema.org; the first of several.

    JSON makes no difference between 7, 7.0 and 7e0. Above 2^53 a float is no longer exactly what was written.

    Args:
        value: the raw value.
    """
    if isinstance(value, list):
        return next(filter(None, map(id_text, value)), None)
    if isinstance(value, dict):
        return id_text(value.get("value", value.get("@value")))
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def record_line(columns: Mapping[str, Any], fields: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """One line of JSON, with `***` for secrets that a site sent back.

    Args:
        columns: the columns of every record.
        fields: the raw fields.
        secrets: values that must not be stored.
    """
    line = json.dumps({**columns, **fields}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for secret in secrets:
        line = line.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    return line
