"""The JSON-LD scripts of a page → JSON values, as leniently as search engines read them.

Decided here: which scripts are JSON-LD, and what may surround or escape their JSON. `graph` decides what the values
mean. A script without readable JSON is skipped; the page then counts as one without its record.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from lxml.etree import _Element

_MEDIA_TYPE = "application/ld+json"  # of a script, before its parameters
_DECODER = json.JSONDecoder(strict=False)  # line breaks in strings are allowed

# blanks, byte order marks, comments, and the marks that once hid scripts from browsers, such as //<![CDATA[
# Every pattern reads each character a bounded number of times: a call of `re` cannot be interrupted.
_BEFORE = re.compile(
    r"(?:[\s\ufeff\u200b;]++|//[\s>]*+(?=<!)|//[^\n]*+\n|/\*.*?\*/|<!--[^{\[]{0,200}?-->|<!--|<!\[CDATA\[)*+", re.DOTALL
)
_AFTER = re.compile(
    r"(?:[\s\ufeff\u200b;,]++|/\*.*?\*/|//(?=\s*+(?:\]\]|--))|//[^\n]*+\n|-->|\]\]>|\*/|<!--|<!\[CDATA\[)*+", re.DOTALL
)
_STRING = r'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))'
_STRING_OR_COMMENT = re.compile(_STRING + r"|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?", re.DOTALL)
_STRING_OR_COMMA = re.compile(_STRING + r"|,(?=\s*+[}\]])", re.DOTALL)


def json_ld(tree: _Element) -> Iterator[Any]:
    """The JSON values of all JSON-LD scripts, in the order of the page.

    Args:
        tree: the parsed page.
    """
    for script in tree.iter("script"):
        if script.get("type", "").partition(";")[0].strip().lower() == _MEDIA_TYPE:
            yield from values("".join(script.itertext()))


def values(text: str) -> list[Any]:
    """The JSON values in the text of a script; empty if it holds none.

    Args:
        text: JSON, perhaps in comments or CDATA, escaped for HTML or as a string, with comments or trailing commas.
    """
    for unescaped in _unescaped(text):
        for candidate in (unescaped, _without_comments(unescaped)):
            try:
                return list(_decoded(candidate))
            except (ValueError, RecursionError):
                continue
    return []


def _unescaped(text: str) -> Iterator[str]:
    yield text
    if "&" in text:
        yield html.unescape(text)
    if '\\"' in text:
        yield text.replace('\\"', '"').replace("\\\\", "\\")


def _without_comments(text: str) -> str:
    """The text without JavaScript's comments and trailing commas."""
    body = text[_BEFORE.match(text).end() :]  # type: ignore[union-attr]  # it matches everywhere
    return _STRING_OR_COMMA.sub(_string_alone, _STRING_OR_COMMENT.sub(_string_alone, body))


def _string_alone(match: re.Match[str]) -> str:
    return match[1] or ""


def _decoded(text: str) -> Iterator[Any]:
    """Every value of the text; what follows the last one and is no JSON is passed over."""
    start = _BEFORE.match(text).end()  # type: ignore[union-attr]
    while True:
        value, end = _DECODER.raw_decode(text, start)
        if isinstance(value, str):  # JSON within a JSON string
            value, _ = _DECODER.raw_decode(value)
        yield value
        start = _AFTER.match(text, end).end()  # type: ignore[union-attr]
        if text[start : start + 1] not in ("{", "["):
            return
