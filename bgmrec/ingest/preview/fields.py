"""What the columns of a catalogue become: the id, typed fields, and what the encoders make of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bgmrec.errors import InputError
from bgmrec.ingest.preview.columns import RawColumn, as_list, separator_of
from bgmrec.ingest.preview.roles import Choice, by_ids, by_name, by_option, needed, plain

TITLES = ("title", "name", "song", "songname", "track", "trackname", "标题", "歌名", "名称", "曲名")
ARTISTS = ("artist", "artistname", "singer", "author", "composer", "director", "歌手", "艺术家", "作者")
GROUPS = ("genre", "genres", "category", "style", "mood", "type", "流派", "类型", "风格", "分类")
MAX_VALUES = 256  # columns of the feature vector that one field may take
MAX_VECTOR = 1024
SKEWED = 20.0  # maximum over median: numbers that spread over orders of magnitude enter as logarithms
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")
_USELESS = ("url", "uri", "image", "picture", "avatar", "cover", "hash", "md5")
_RESERVED = {"user_id", "item_id", "user_idx", "item_idx", "idx", "source", "source_file", "record", "reason"}


@dataclass(frozen=True)
class FieldGuess:
    """A field of the settings.

    Args:
        name: in the settings.
        column: the raw column.
        type: one of `EntityField.type`.
        note: what the guess rests on.
        separator: of a list in one text.
        feature: kind of the encoder's input; None: none is made of it.
        size: of that input; None: the default.
    """

    name: str
    column: RawColumn
    type: str
    note: str
    separator: str | None = None
    feature: str | None = None
    size: int | None = None


def choose_id(
    columns: Sequence[RawColumn], option: tuple[str, str | None], role: str, logged: Counter[str], where: str
) -> Choice:
    """The id column of a catalogue: by option, else the one whose values occur in the log, else by its name.

    Args:
        columns: of the catalogue.
        option: (the option, the column that it names or None).
        role: user or item.
        logged: the ids of that side in the log.
        where: the file, for the errors.

    Raises:
        InputError: there is none, or none of its ids occurs in the log.
    """
    flag, name = option
    choice = (
        by_option(columns, name, flag, where) if name else by_ids(columns, logged, "{n} of its values occur in the log")
    )
    choice = (
        choice
        or by_name(columns, role)
        or next((Choice(c, "by its name") for c in columns if plain(c.name) == "id"), None)
    )
    if choice is None:
        raise needed(columns, role, flag, where)
    if not any(value in logged for value in choice.column.texts):
        raise InputError(
            f"no id of the {role}s occurs in the rating log",
            where=f"{where}, column {choice.column.name}",
            expected=f"ids as in the log: {', '.join(list(logged)[:3])}",
            found=", ".join(list(choice.column.texts)[:3]),
            hint=f"name the columns with {flag} COLUMN and --{role}-column COLUMN",
        )
    return choice


def guess_fields(columns: Sequence[RawColumn], *, documents: bool) -> tuple[list[FieldGuess], dict[str, str]]:
    """(the fields, columns that are left out with the reason).

    Args:
        columns: of the catalogue, without the id.
        documents: whether texts have an encoder: those of items do.
    """
    fields: list[FieldGuess] = []
    left_out: dict[str, str] = {}
    for column in columns:
        reason = _useless(column)
        if reason:
            left_out[column.name] = reason
        else:
            name = _field_name(column.name, {field.name.lower() for field in fields})
            fields.append(_guess(name, column, documents))
    return fields, left_out


def field_called(fields: Sequence[FieldGuess], names: Sequence[str], types: Sequence[str]) -> FieldGuess | None:
    """The field of one of the types whose column has one of the names.

    Args:
        fields: to choose from.
        names: in order of preference, as `plain` gives them.
        types: of `FieldGuess.type`.
    """
    by_plain: Mapping[str, FieldGuess] = {plain(field.column.name): field for field in fields if field.type in types}
    return next((by_plain[name] for name in names if name in by_plain), None)


def _useless(column: RawColumn) -> str | None:
    if column.kind == "empty":
        return "empty"
    if column.kind == "object":
        return "nested; get_json_object(column, '$.key') reads one value of it"
    address = str(column.values[0]).startswith(("http://", "https://"))
    if column.kind == "string" and (address or any(word in plain(column.name) for word in _USELESS)):
        return "addresses and digests say nothing about taste"
    return "the same value in every row" if column.n_distinct == 1 and len(column.values) > 1 else None


def _field_name(raw: str, taken: set[str]) -> str:
    """The column's own name where settings allow it, else an English one or a number."""
    for english, words in (("title", TITLES), ("artist", ARTISTS), ("genre", GROUPS)):
        if not _NAME.match(raw) and plain(raw) in words:
            raw = english
    name = raw if _NAME.match(raw) else re.sub(r"\W+", "_", raw, flags=re.ASCII).strip("_")
    name = name if _NAME.match(name) else f"field_{name}".rstrip("_")
    name = f"{name}_value" if name.lower() in _RESERVED else name
    number = 2
    unique = name
    while unique.lower() in taken:
        unique, number = f"{name}_{number}", number + 1
    return unique


def _guess(name: str, column: RawColumn, documents: bool) -> FieldGuess:
    if column.kind == "vector":
        width, count = Counter(len(as_list(value) or []) for value in column.values).most_common(1)[0]
        if width > 1 and count > 0.9 * len(column.values) and width <= MAX_VECTOR:
            return FieldGuess(name, column, "vector", f"{width} numbers", feature="vector", size=width)
    if column.kind in ("list", "vector"):
        return _list_field(name, column, None)
    if column.kind in ("integer", "number"):
        return _number_field(name, column)
    if column.kind in ("boolean", "time"):
        type_ = "boolean" if column.kind == "boolean" else "timestamp"
        return FieldGuess(name, column, type_, column.time.name if column.time else "yes or no")
    separator = separator_of(column)
    return _list_field(name, column, separator) if separator else _text_field(name, column, documents)


def _number_field(name: str, column: RawColumn) -> FieldGuess:
    code = re.search(r"(id|code|type|category|kind|zip|occupation)$", plain(column.name)) is not None
    if code and column.kind == "integer":
        return _category(name, column, "codes") if column.repeats else FieldGuess(name, column, "string", "codes")
    low, high = min(column.numbers), max(column.numbers)
    median = sorted(column.numbers)[len(column.numbers) // 2]
    skewed = low >= 0 and high > SKEWED * max(median, 1e-9) and high > SKEWED
    type_ = "integer" if column.kind == "integer" else "number"
    return FieldGuess(name, column, type_, f"{low:g} to {high:g}", feature="log_number" if skewed else "number")


def _list_field(name: str, column: RawColumn, separator: str | None) -> FieldGuess:
    counts = column.parts(separator or ",")
    return FieldGuess(
        name,
        column,
        "list",
        f"{len(counts):,} different values",
        separator=separator if separator != "," else None,
        feature="multi_hot",
        size=_size(len(counts)),
    )


def _text_field(name: str, column: RawColumn, documents: bool) -> FieldGuess:
    if column.repeats or plain(column.name) in ARTISTS:
        return _category(name, column, f"{column.n_distinct:,} different values")
    if documents:
        return FieldGuess(name, column, "text", "words")
    return FieldGuess(name, column, "string", f"{column.n_distinct:,} different values")


def _category(name: str, column: RawColumn, note: str) -> FieldGuess:
    return FieldGuess(name, column, "string", note, feature="one_hot", size=_size(column.n_distinct))


def _size(n_values: int) -> int | None:
    """None where the default holds them all."""
    return min(MAX_VALUES, n_values) if n_values > 64 else None
