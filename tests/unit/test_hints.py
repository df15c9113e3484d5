"""Settings that error messages name exist: a reader who follows a hint must not end at an unknown key."""

from __future__ import annotations

import ast
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from bgmrec import errors
from bgmrec.config import Settings
from bgmrec.config.base import Section

PACKAGE = Path(__file__).parents[2] / "bgmrec"
FAMILIES = {name for name, value in vars(errors).items() if isinstance(value, type)}
SECTIONS = "|".join(Settings.model_fields)
DOTTED = re.compile(rf"(?<![\w./{{}}-])(?:{SECTIONS})(?:\.[a-z_]+)+(?![\w/(]|\.[a-z])")
BRACKETS = re.compile(rf"\[((?:{SECTIONS})(?:\.[a-z_]+)*)\]")
ADVICE = re.compile(r"\b(?:[Rr]aise|[Ll]ower|[Ss]et|[Ww]iden|[Rr]educe|[Ii]ncrease)\s+([a-z]+(?:_[a-z]+)+)\b")
FILES = (".py", ".json", ".toml", ".md", ".html", ".txt", ".jsonl")


def texts() -> Iterator[tuple[str, str]]:
    """(file and line, text) of every message, place, expectation and hint of an error; `{}` for what is inserted."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) in FAMILIES:
                for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
                    yield f"{path.relative_to(PACKAGE.parent)}:{node.lineno}", _text(value)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.expr) -> str:
    """All constant text of an expression."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return " ".join(_text(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def models_of(annotation: object) -> Iterator[type[Section]]:
    """The sections in a type: itself, an optional one, the elements of a list."""
    if (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, Section)
    ):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_of(argument)


def exists(key: str) -> bool:
    models: list[type[Section]] = [Settings]
    for name in key.split("."):
        fields = [model.model_fields[name] for model in models if name in model.model_fields]
        if not fields:
            return False
        if any("dict" in str(field.annotation) for field in fields):
            return True  # keys of its own, as those of spark.conf
        models = [model for field in fields for model in models_of(field.annotation)]
    return True


def all_names(model: type[Section]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for below in models_of(field.annotation):
            yield from all_names(below)


def test_what_exists_is_told_from_what_does_not() -> None:
    assert exists("factorize.user_reg") and exists("user_encoder.fit.epochs") and exists("ratings.sources.paths")
    assert exists("spark.conf.anything")
    assert not exists("factorize.reg_param") and not exists("factorize.user_reg.more")


def test_errors_name_settings_that_exist() -> None:
    names = set(all_names(Settings))
    keys = [(where, key) for where, text in texts() for key in [*DOTTED.findall(text), *BRACKETS.findall(text)]]
    unknown = [f"{where}: {key}" for where, key in keys if not exists(key) and not is_other(key)]
    unknown += [f"{where}: {name}" for where, text in texts() for name in ADVICE.findall(text) if name not in names]
    assert unknown == []
    assert len(keys) > 40


def is_other(key: str) -> bool:
    """A setting of Spark itself, or the name of a file."""
    return key.startswith("spark.") or key.endswith(FILES)
