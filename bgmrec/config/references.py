"""What must agree between settings: names that another setting declares, names that differ, ends of a range.

Each table below is the whole list of its kind. A key is a path in which `*` stands for every entry of a list or every
name of a table, as in `items.fields.*.name`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import groupby, product
from typing import Any

from pydantic import BaseModel

from bgmrec.config.base import Conflict
from bgmrec.config.keys import KeyPath, key_text

ANY = "*"
# columns of linear groups besides the fields of the features
TEXT, ENCODER = "svd:text", "prior:encoder"
MATRIX = ("log:counts", "svd:ratings")


@dataclass(frozen=True)
class Reference:
    """A setting whose values are names that another setting declares.

    Args:
        key: the setting that uses the names.
        declared: the setting that declares them.
        also: names that need no declaration.
    """

    key: str
    declared: str
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Distinct:
    """A setting whose values all differ.

    Args:
        key: the values, relative to `within`.
        within: where they differ, for example in each source; empty: in all settings.
        any_case: whether names that differ in case alone are the same, as for columns of SQL.
    """

    key: str
    within: str = ""
    any_case: bool = False


@dataclass(frozen=True)
class Ordered:
    """A lower and an upper end of a range.

    Args:
        low: the setting with the lower end, relative to `within`.
        high: the setting with the upper end.
        within: the section of both; empty: all settings.
    """

    low: str
    high: str
    within: str = ""


USER_FIELDS, ITEM_FIELDS = "users.fields.*.name", "items.fields.*.name"
USER_COLUMNS, ITEM_COLUMNS = "user_features.features.*.field", "item_features.features.*.field"

REFERENCES = (
    Reference("users.sources.*.fields.*", USER_FIELDS),
    Reference("items.sources.*.fields.*", ITEM_FIELDS),
    Reference(USER_COLUMNS, USER_FIELDS),
    Reference("user_features.document.fields.*", USER_FIELDS),
    Reference(ITEM_COLUMNS, ITEM_FIELDS),
    Reference("item_features.document.fields.*", ITEM_FIELDS),
    Reference("bayes.user_groups.*.*", USER_COLUMNS, (*MATRIX, ENCODER)),
    Reference("bayes.item_groups.*.*", ITEM_COLUMNS, (*MATRIX, ENCODER, TEXT)),
    Reference("user_encoder.linear.groups.*.*", USER_COLUMNS, MATRIX),
    Reference("item_encoder.linear.groups.*.*", ITEM_COLUMNS, (*MATRIX, TEXT)),
    Reference("study.genre_field", ITEM_FIELDS),
    Reference("recommend.max_per_field", ITEM_FIELDS),
    Reference("report.title_field", ITEM_FIELDS),
    Reference("report.label_fields.*", ITEM_FIELDS),
    Reference("report.group_field", ITEM_FIELDS),
    Reference("report.user_slices.*", USER_FIELDS),
    Reference("report.item_slices.*", ITEM_FIELDS),
    Reference("frontier.user_fields.*", USER_FIELDS),
    Reference("frontier.item_fields.*", ITEM_FIELDS),
    Reference("publish.gate.baseline", "evaluate.baselines.*"),
)
_SOURCES = ("ratings.sources", "users.sources", "items.sources")
FILES = (*(f"{key}.*{join}" for key in _SOURCES for join in ("", ".joins.*")), "recommend.allow", "recommend.deny")
DISTINCT = (
    *(Distinct(f"{key}.*.name") for key in _SOURCES),
    *(Distinct("joins.*.name", within=f"{key}.*") for key in _SOURCES),
    *(Distinct(f"{name}.*", within=files) for files in FILES for name in ("paths", "columns")),
    Distinct(USER_FIELDS, any_case=True),
    Distinct(ITEM_FIELDS, any_case=True),
    Distinct("ratings.unknown_items.*"),
    Distinct("item_features.document.fields.*"),
    Distinct("bayes.user_groups.*.*"),
    Distinct("bayes.item_groups.*.*"),
    Distinct("user_encoder.linear.groups.*.*"),
    Distinct("item_encoder.linear.groups.*.*"),
    Distinct("tune.space.*.key"),
    Distinct("study.fractions.*"),
    Distinct("study.paper.models.*"),
    Distinct("study.paper.fractions.*"),
    Distinct("study.paper.ranks.*"),
    Distinct("study.paper.regularisations.*"),
    Distinct("study.paper.side_information.*"),
    Distinct("evaluate.ks.*"),
    Distinct("evaluate.baselines.*"),
    Distinct("publish.tables.*"),
    Distinct("export.postgres.grant_to.*"),
    Distinct("report.label_fields.*"),
    Distinct("report.user_slices.*"),
    Distinct("report.item_slices.*"),
    Distinct("frontier.user_fields.*"),
    Distinct("frontier.item_fields.*"),
)
ORDERED = (
    Ordered("minimum", "maximum", within="ratings"),
    Ordered("minimum", "maximum", within="users.fields.*"),
    Ordered("minimum", "maximum", within="items.fields.*"),
    Ordered("evaluate.clip.0", "evaluate.clip.1"),
    # a scale that no valid rating is on, and bounds that no valid rating reaches
    Ordered("ratings.minimum", "evaluate.clip.1"),
    Ordered("evaluate.clip.0", "ratings.maximum"),
    Ordered("evaluate.relevant_rating", "ratings.maximum"),
    Ordered("recommend.seen_rating", "ratings.maximum"),
    Ordered("study.liked_rating", "ratings.maximum"),
)


def check_references(settings: BaseModel) -> None:
    """Checks the settings against the tables of this module.

    Args:
        settings: all of them.

    Raises:
        Conflict: a name is not declared, a value stands twice where all differ, or a range is upside down.
    """
    for distinct in DISTINCT:
        _check_distinct(settings, distinct)
    for reference in REFERENCES:
        _check_reference(settings, reference)
    for ordered in ORDERED:
        _check_ordered(settings, ordered)


def values_at(settings: Any, key: str, at: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """The values of a key that are set, each with its path; of a table the names.

    Args:
        settings: a section.
        key: relative to the section; empty: the section itself.
        at: path of the section.
    """
    first, _, rest = key.partition(".")
    if settings is None:
        return
    if not first:
        yield at, settings
    elif isinstance(settings, dict):
        yield from ((at, name) for name in settings)
    elif isinstance(settings, list | tuple):
        for position, entry in enumerate(settings):
            if first in (ANY, str(position)):
                yield from values_at(entry, rest, (*at, str(position)))
    else:
        yield from values_at(getattr(settings, first), rest, (*at, first))


def did_you_mean(name: str, names: Collection[str]) -> str:
    """The beginning of a hint where one of the names is close; else empty.

    Args:
        name: the unknown name.
        names: those that exist.
    """
    return "".join(f"did you mean {close}? " for close in get_close_matches(name, names, n=1))


def _check_reference(settings: BaseModel, reference: Reference) -> None:
    used = [(_list_of(path), name) for path, name in values_at(settings, reference.key)]
    if not used:
        return
    declared_in = reference.declared.partition(f".{ANY}")[0]
    declared = {name for _, name in values_at(settings, reference.declared)} | set(reference.also)
    for path, group in groupby(used, key=lambda entry: entry[0]):
        unknown = [name for name in dict.fromkeys(name for _, name in group) if name not in declared]
        if unknown:
            raise Conflict(
                key_text(path),
                declared_in,
                expected=f"names of {declared_in}: {', '.join(sorted(declared)) or '(none)'}",
                found=", ".join(unknown),
                hint=did_you_mean(unknown[0], declared)
                + f"correct {key_text(path)}, or add {unknown[0]} to {declared_in}",
            )


def _check_distinct(settings: BaseModel, distinct: Distinct) -> None:
    for within, section in values_at(settings, distinct.within):
        first: dict[Any, KeyPath] = {}
        for path, value in values_at(section, distinct.key, within):
            known = value.lower() if distinct.any_case else value
            if known in first:
                raise Conflict(
                    *dict.fromkeys(key_text(_list_of(one)) for one in (first[known], path)),
                    expected="each value once, upper and lower case alike" if distinct.any_case else "each value once",
                    found=f"{value} at {key_text(first[known])} and at {key_text(path)}",
                    hint="remove or rename one of the two",
                )
            first[known] = path


def _check_ordered(settings: BaseModel, ordered: Ordered) -> None:
    for within, section in values_at(settings, ordered.within):
        ends = product(values_at(section, ordered.low, within), values_at(section, ordered.high, within))
        for (low_path, low), (high_path, high) in ends:
            if low > high:
                raise Conflict(
                    *dict.fromkeys(key_text(_list_of(path)) for path in (low_path, high_path)),
                    expected=f"{key_text(low_path)} at most {key_text(high_path)}",
                    found=f"{low:g} and {high:g}",
                    hint="exchange or correct the two numbers",
                )


def _list_of(path: KeyPath) -> KeyPath:
    """The path of the list that a value stands in; the path itself where it stands in none."""
    return _list_of(path[:-1]) if path[-1].isdigit() else path
