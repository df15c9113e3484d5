"""What of a raw value may be stored, and the line it becomes: valid JSON in UTF-8 whatever a site sent."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

_DEEPEST = 20  # levels of nesting: deeper than any page about music, and far from Python's limit
_WIDEST = 10_000  # entries of one list or object


def clean(value: Any, denied: Collection[str], depth: int = 0) -> Any:
    """A JSON value without denied names at any depth, numbers that JSON lacks, broken text or bottomless nesting.

    Args:
        value: what a parser made of the page.
        denied: names in lower case.
        depth: of the value in the field.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth >= _DEEPEST and isinstance(value, dict | list):
        return None
    if isinstance(value, dict):
        return {
            _text(str(name)): clean(inner, denied, depth + 1)
            for name, inner in list(value.items())[:_WIDEST]
            if _bare(str(name)) not in denied
        }
    if isinstance(value, list):
        return [clean(inner, denied, depth + 1) for inner in value[:_WIDEST]]
    return value


def _bare(name: str) -> str:
    """`https://schema.org/email` and `schema:email` are `email` too."""
    return name.rsplit("/", 1)[-1].rsplit(":", 1)[-1].strip().lower()


def _text(value: str) -> str:
    """Without lone surrogates, which JSON may escape and UTF-8 cannot hold."""
    return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() else value


def is_empty(value: Any) -> bool:
    """Whether a raw value says nothing."""
    return value is None or value == [] or value == {} or (isinstance(value, str) and not value.strip())


def id_text(value: Any) -> str | None:
    """The id in a raw value: text, a number, or schema.org's PropertyValue; of several the first."""
    if isinstance(value, list):
        return next((found for found in map(id_text, value) if found), None)
    if isinstance(value, dict):
        return id_text(value.get("value", value.get("@value")))
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def record_line(columns: Mapping[str, Any], fields: Mapping[str, Any], secrets: Iterable[str]) -> str:
    """One line of JSON; a secret that a site sent back is struck out."""
    line = json.dumps({**columns, **fields}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for secret in secrets:
        line = line.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    return line
