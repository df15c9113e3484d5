"""One rating log or catalogue: its files, its columns and what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from bgmrec.errors import InputError
from bgmrec.ingest.preview.columns import RawColumn, merged, sample_columns
from bgmrec.ingest.preview.fields import FieldGuess, choose_id, guess_fields
from bgmrec.ingest.preview.roles import (
    Choice,
    by_option,
    choose_ids,
    choose_like,
    choose_rating,
    choose_time,
    choose_weight,
    needed,
)
from bgmrec.ingest.preview.samples import Sample
from bgmrec.ingest.preview.times import days_of

Mode = Literal["explicit", "implicit"]


@dataclass(frozen=True)
class Group:
    """Samples of files with the same format and columns, which are one source."""

    samples: list[Sample]

    @property
    def where(self) -> str:
        return str(self.samples[0].path)

    @cached_property
    def columns(self) -> list[RawColumn]:
        """The columns over all files, in the order in which they appear."""
        same: dict[str, list[RawColumn]] = {}
        for sample in self.samples:
            for column in sample_columns(sample):
                same.setdefault(column.name, []).append(column)
        return [merged(parts) for parts in same.values()]


@dataclass(frozen=True)
class RatingLog:
    """What the columns of a rating log mean; `like` is the column that decides which rows count at all."""

    group: Group
    user: Choice
    item: Choice
    time: Choice | None
    rating: Choice | None
    weight: Choice | None
    like: Choice | None

    @property
    def days(self) -> Counter[date]:
        """How many rows are of each day."""
        if self.time is None or self.time.column.time is None:
            return Counter()
        return days_of(self.time.column.values, self.time.column.time)


@dataclass(frozen=True)
class EntityFiles:
    """What the columns of a catalogue mean."""

    group: Group
    id: Choice
    fields: list[FieldGuess]
    left_out: Mapping[str, str]


def grouped(samples: Sequence[Sample]) -> list[Group]:
    """Samples by what makes them one source; JSON lines may leave keys out, so half of them are enough.

    Args:
        samples: of the files of one role.
    """
    groups: list[Group] = []
    for sample in samples:
        group = next((group for group in groups if _alike(group.samples[0], sample)), None)
        if group is None:
            groups.append(Group([sample]))
        else:
            group.samples.append(sample)
    return groups


def read_log(group: Group, options: Mapping[str, Any], catalogue_ids: Mapping[str, set[str]]) -> RatingLog:
    """Chooses the columns of a rating log.

    Args:
        group: its files.
        options: role → column that the user named or None, and mode.
        catalogue_ids: role → ids of the catalogue of that side.

    Raises:
        InputError: a column that is needed cannot be found.
    """
    columns, where = group.columns, group.where
    if len(columns) < 2:
        raise InputError(
            "a rating log has too few columns",
            where=where,
            expected="a user and an item in each row",
            found=f"the column {columns[0].name}",
            hint="give a file with a column of users and one of items",
        )
    user, item = choose_ids(columns, options, catalogue_ids, where)
    time = choose_time(_without(columns, user, item), options["time"], where)
    others = _without(columns, user, item, time)
    rating = _named(others, options["rating"], "--rating-column", where)
    weight = _named(others, options["weight"], "--weight-column", where)
    mode: Mode | None = options["mode"]
    if mode != "implicit" and rating is None and weight is None:
        rating = choose_rating(others)
    if mode == "explicit" and rating is None:
        raise needed(columns, "rating", "--rating-column", where)
    if mode == "implicit" or rating is None:
        rating, weight = None, weight or choose_weight(others)
    like = None if rating or weight else choose_like(others)
    return RatingLog(group, user, item, time, rating, weight, like)


def read_catalogue(group: Group, option: tuple[str, str | None], role: str, logged: Counter[str]) -> EntityFiles:
    """Chooses the id and the fields of a catalogue.

    Args:
        group: its files.
        option: (the option for the id column, the column that it names or None).
        role: user or item.
        logged: the ids of that side in the log.

    Raises:
        InputError: no column holds ids of the log.
    """
    columns = group.columns
    id_ = choose_id(columns, option, role, logged, group.where)
    fields, left_out = guess_fields(_without(columns, id_), documents=role == "item")
    return EntityFiles(group, id_, fields, left_out)


def _alike(first: Sample, second: Sample) -> bool:
    if (first.format, first.options, first.header) != (second.format, second.options, second.header):
        return False
    names, other_names = set(first.columns), set(second.columns)
    if first.format == "csv":
        return names == other_names
    return 2 * len(names & other_names) >= min(len(names), len(other_names))


def _named(columns: Sequence[RawColumn], name: str | None, option: str, where: str) -> Choice | None:
    if not name:
        return None
    choice = by_option(columns, name, option, where)
    if choice.column.kind not in ("integer", "number"):
        raise InputError(
            f"{option} names a column that holds no numbers",
            where=f"{where}, column {name}",
            expected="numbers",
            found=", ".join(str(value) for value in choice.column.values[:3]),
            hint="name another column, or write the expression into the settings file",
        )
    return choice


def _without(columns: Sequence[RawColumn], *choices: Choice | None) -> list[RawColumn]:
    taken = {choice.column.name for choice in choices if choice}
    return [column for column in columns if column.name not in taken]
