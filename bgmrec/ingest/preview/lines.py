"""Lines of a settings file: a value as TOML, a raw column as Spark SQL, and a comment beside each."""

from __future__ import annotations

import json
import re
from typing import Any

from bgmrec.ingest.preview.columns import RawColumn
from bgmrec.ingest.preview.roles import Choice

COMMENT_AT = 64  # column where the comments begin
_BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")
_IDENTIFIER = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
# words that Spark SQL does not take for a column
_KEYWORDS = {
    *("anti", "case", "cast", "cross", "exists", "except", "false", "from", "full", "inner", "intersect", "interval"),
    *("join", "left", "minus", "natural", "not", "null", "on", "right", "select", "semi", "true", "union", "using"),
    *("when", "where"),
}


def toml(value: Any) -> str:
    """A value as TOML, tables inline.

    Args:
        value: a text, number, boolean, list or table.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        inner = ", ".join(f"{key if _BARE_KEY.match(key) else json.dumps(key)} = {toml(v)}" for key, v in value.items())
        return f"{{ {inner} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def sql(column: RawColumn) -> str:
    """A raw column as Spark SQL.

    Args:
        column: of the raw file.
    """
    name = column.name
    return name if _IDENTIFIER.match(name) and name.lower() not in _KEYWORDS else "`" + name.replace("`", "'") + "`"


def setting(key: str, value: Any, comment: str, *, guess: bool = False) -> str:
    """One key with its value and its comment.

    Args:
        key: of the section.
        value: as `toml` takes it.
        comment: what it means, or what it rests on.
        guess: whether the reader should check it.
    """
    return noted(f"{key} = {toml(value)}", comment, guess=guess)


def noted(text: str, comment: str, *, guess: bool = False) -> str:
    """A line with its comment.

    Args:
        text: the line.
        comment: what it means, or what it rests on.
        guess: whether the reader should check it.
    """
    clean = re.sub(r"\s+", " ", comment)  # a column's name may hold a line break
    return f"{text:<{COMMENT_AT - 2}}  # {'guess: ' if guess else ''}{clean}"


def chosen(key: str, choice: Choice, value: str, what: str = "") -> str:
    """A key whose value is a chosen column.

    Args:
        key: of the section.
        choice: the column and the reason, which enters the comment.
        value: an expression over the column.
        what: the rest of the comment.
    """
    return setting(key, value, ", ".join(filter(None, (what, choice.reason))), guess=not choice.certain)
