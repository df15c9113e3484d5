"""What a setting may hold, in words: for refusals and for conf/README.md."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, MinLen
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from bgmrec.config.base import FIELD_NAME, FILE_MODE, OFF, PLAIN_NAME, Unit
from bgmrec.config.crawl import HOST
from bgmrec.config.keys import KeyPath
from bgmrec.config.settings import Settings
from bgmrec.config.tune import DOTTED_KEY

_PATTERNS = {
    PLAIN_NAME: ("name of letters, digits and underscores", "names of letters, digits and underscores"),
    FIELD_NAME: ("name of letters, digits and underscores that begins with a letter", ""),
    FILE_MODE: ("three octal digits in quotes", ""),
    HOST: ("host name without port", "host names without ports"),
    DOTTED_KEY: ("section.key", ""),
}
_SCALARS = {
    bool: ("true or false", "true or false"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("string", "strings"),
    date: ("date such as 2025-03-01", "dates"),
    Path: ("path of a file", "paths of files"),
    Any: ("value", "values"),
}


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a key holds, alone or in a list; None: it holds values.

    Args:
        annotation: type of the key.
    """
    if _is_model(annotation):
        return annotation
    return next((section for inner in get_args(annotation) if (section := section_in(inner))), None)


def type_at(path: KeyPath) -> tuple[Any, Sequence[Any]] | None:
    """(type of what lies at a path, its metadata); None: nothing can lie there.

    Args:
        path: names of sections and keys, and positions in lists.
    """
    found: tuple[Any, Sequence[Any]] | None = (Settings, ())
    for part in path:
        found = _step(found[0], part) if found else None
    return found


def is_section(path: KeyPath) -> bool:
    """Whether a path ends at a section, whose keys may come from several files; lists of sections are values.

    Args:
        path: names of sections and keys, and positions in lists.
    """
    found = type_at(path)
    return found is not None and not any(part.isdigit() for part in path) and any(map(_is_model, _members(found[0])))


def section_at(path: KeyPath) -> type[BaseModel]:
    """The section at a path, or the innermost one around it.

    Args:
        path: names of sections and keys, and positions in lists.
    """
    section: type[BaseModel] = Settings
    for part in path:
        if part in section.model_fields:
            section = section_in(section.model_fields[part].annotation) or section
    return section


def setting_path(path: KeyPath) -> KeyPath:
    """The leading part of a path that a settings file can hold: without the marks that pydantic adds for unions.

    Args:
        path: `loc` of an error.
    """
    return next(path[:n] for n in range(len(path), -1, -1) if type_at(path[:n]) is not None)


def _step(annotation: Any, part: str) -> tuple[Any, Sequence[Any]] | None:
    """What lies below a name or position."""
    for member in _members(annotation):
        origin, arguments = get_origin(member), get_args(member)
        if _is_model(member) and part in member.model_fields:
            return member.model_fields[part].annotation, member.model_fields[part].metadata
        if origin is list and part.isdigit():
            return arguments[0], ()
        if origin is dict:
            return arguments[1], ()
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _members(annotation: Any) -> Iterator[Any]:
    """The types of a union but None, without their metadata."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for inner in get_args(annotation):
            yield from _members(inner)
    elif annotation is not types.NoneType:
        yield annotation


def type_text(annotation: Any, metadata: Sequence[Any]) -> str:
    """What a value may be, for example `whole number from 1 to 512`.

    Args:
        annotation: its type.
        metadata: bounds and patterns beside the type.
    """
    return _text(annotation, metadata)


def unit_of(field: FieldInfo) -> str:
    """The unit of a key's numbers; empty: they have none.

    Args:
        field: the key.
    """
    return next((mark.name for mark in _marks(field.annotation, field.metadata) if isinstance(mark, Unit)), "")


def _marks(annotation: Any, metadata: Sequence[Any]) -> Iterator[Any]:
    """Everything that is noted on a type and on the types within it, outermost first."""
    yield from _flat(metadata)
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        yield from _marks(inner, marks)
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _marks(inner, ())


def _flat(metadata: Sequence[Any]) -> list[Any]:
    """Metadata, with what Field(…) holds in its place."""
    return [inner for mark in metadata for inner in (mark.metadata if isinstance(mark, FieldInfo) else [mark])]


def _text(annotation: Any, metadata: Sequence[Any], plural: bool = False) -> str:
    marks = _flat(metadata)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _text(arguments[0], [*arguments[1:], *marks], plural)
    if origin in (Union, types.UnionType):
        texts = [_text(inner, marks, plural) for inner in arguments if inner is not types.NoneType]
        off = [f'"{OFF}"'] if any(isinstance(mark, BeforeValidator) for mark in marks) else []
        return ", or ".join([*texts, *off])
    if origin is Literal:
        return _alternatives([f'"{value}"' for value in arguments])
    if _is_model(annotation):
        return "sections" if plural else "section"
    if origin in (list, tuple, dict):
        return _collection(origin, arguments, marks, plural)
    return _scalar(annotation, marks, plural)


def _alternatives(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


def _collection(origin: Any, arguments: tuple[Any, ...], marks: list[Any], plural: bool) -> str:
    if origin is tuple:
        return f"list of {len(arguments)} {_text(arguments[0], (), True)}"
    if origin is dict:
        return f"table of {_text(arguments[1], (), True)}"
    least = max((mark.min_length for mark in marks if isinstance(mark, (MinLen, Len))), default=0)
    entries = f", at least {least} {'entry' if least == 1 else 'entries'}" if least else ""
    return f"{'lists' if plural else 'list'} of {_text(arguments[0], (), True)}{entries}"


def _scalar(annotation: Any, marks: list[Any], plural: bool) -> str:
    pattern = next((text for mark in marks if (text := getattr(mark, "pattern", None))), None)
    text = (_PATTERNS[pattern] if pattern else _SCALARS[annotation])[plural]
    if annotation is str and any(isinstance(mark, MinLen) for mark in marks):
        return f"{text} of at least one character"
    ge, gt, le = (
        next((getattr(mark, kind.__name__.lower()) for mark in marks if isinstance(mark, kind)), None)
        for kind in (Ge, Gt, Le)
    )
    if ge is not None and le is not None:
        return f"{text} from {ge:g} to {le:g}"
    bounds = [
        f"of at least {ge:g}" if ge is not None else "",
        f"above {gt:g}" if gt is not None else "",
        f"of at most {le:g}" if le is not None else "",
    ]
    return " ".join([text, *(bound for bound in bounds if bound)])
