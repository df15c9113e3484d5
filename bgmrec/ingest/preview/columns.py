"""What a raw column holds: its kind, by its values."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

from bgmrec.ingest.preview.samples import Sample
from bgmrec.ingest.preview.times import MIN_SHARE, PROBE, TimeFormat, time_format

Kind = Literal["empty", "boolean", "integer", "number", "time", "list", "vector", "object", "string"]
_INTEGER = re.compile(r"^[+-]?(0|[1-9]\d{0,17})$")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_BOOLEANS = {"true", "false"}
SEPARATORS = ("|", ";", ",", "、")


@dataclass(frozen=True)
class RawColumn:
    """One column of a sample.

    Args:
        name: as the file has it.
        rows: of the sample.
        values: those that are not missing.
    """

    name: str
    rows: int
    values: list[Any]

    @cached_property
    def probe(self) -> list[Any]:
        return self.values[:: max(1, len(self.values) // PROBE)]

    @cached_property
    def kind(self) -> Kind:
        if not self.values:
            return "empty"
        for kind, test in _TESTS.items():
            if sum(map(test, self.probe)) >= MIN_SHARE * len(self.probe):
                return kind
        return "time" if isinstance(self.probe[0], (date, datetime)) or self._texts_are_times else "string"

    @cached_property
    def _texts_are_times(self) -> bool:
        return isinstance(self.probe[0], str) and self.time is not None

    @cached_property
    def time(self) -> TimeFormat | None:
        return time_format(self.values)

    @cached_property
    def texts(self) -> Counter[str]:
        """How often each value occurs, as text."""
        return Counter(str(value) for value in self.values if not isinstance(value, (list, dict)))

    @cached_property
    def numbers(self) -> list[float]:
        return [float(value) for value in self.values if _is_number(value)]

    @property
    def n_distinct(self) -> int:
        return len(self.texts)

    @property
    def repeats(self) -> bool:
        """Whether values occur twice and more on average, as those of categories and of ids in a log do."""
        return 0 < self.n_distinct <= len(self.values) / 2

    def parts(self, separator: str) -> Counter[str]:
        """How often each part of the lists occurs."""
        lists = (as_list(value) or str(value).split(separator) for value in self.values)
        return Counter(str(part).strip() for parts in lists for part in parts if str(part).strip())


def sample_columns(sample: Sample) -> list[RawColumn]:
    """The columns of a sample, in file order.

    Args:
        sample: of one file.
    """
    return [
        RawColumn(name, len(values), [value for value in values if value is not None and value == value])
        for name, values in sample.columns.items()
    ]


def merged(columns: Sequence[RawColumn]) -> RawColumn:
    """The columns of one name in several files as one.

    Args:
        columns: one per file, one at least.
    """
    return RawColumn(
        columns[0].name, sum(part.rows for part in columns), [value for part in columns for value in part.values]
    )


def as_list(value: Any) -> list[Any] | None:
    """A list, or the list that a JSON text holds; None for anything else.

    Args:
        value: a raw value.
    """
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, list) else None


def separator_of(column: RawColumn) -> str | None:
    """What separates the parts of the texts, where they are lists of words that recur; else None.

    Args:
        column: a column of texts.
    """
    for separator in SEPARATORS:
        shares = [separator in str(value) for value in column.probe]
        if sum(shares) < 0.2 * len(shares):
            continue
        counts = column.parts(separator)
        # more parts than texts: the separator is a part of single values, as in 1,000
        if len(counts) <= min(counts.total() / 3, column.n_distinct) and max(map(len, counts)) <= 40:
            return separator
    return None


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or str(value).lower() in _BOOLEANS


def _is_integer(value: Any) -> bool:
    return not isinstance(value, (bool, float)) and bool(_INTEGER.match(str(value)))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    return bool(_NUMBER.match(value)) if isinstance(value, str) else math.isfinite(value)


def _is_vector(value: Any) -> bool:
    parts = as_list(value)
    return bool(parts) and all(isinstance(part, (int, float)) and not isinstance(part, bool) for part in parts or ())


_TESTS: dict[Kind, Any] = {
    "boolean": _is_boolean,
    "integer": _is_integer,
    "number": _is_number,
    "vector": _is_vector,
    "list": lambda value: as_list(value) is not None,
    "object": lambda value: isinstance(value, dict),
}
