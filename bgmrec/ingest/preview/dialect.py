"""Delimiter, encoding and header of a CSV file, from its first lines."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bgmrec.errors import InputError

DELIMITERS = (",", ";", "\t", "|", "::")
_NUMBER_OR_DATE = re.compile(r"^[+-]?\d[\d.,:/TZ +-]*$")
_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True)
class Dialect:
    """What stands between the columns of a CSV file."""

    delimiter: str

    @property
    def options(self) -> dict[str, str]:
        """Spark's reader options for it."""
        if self.delimiter == ",":
            return {}
        # a delimiter of two characters is used where quotes are plain text
        return {"sep": self.delimiter, **({"quote": ""} if len(self.delimiter) > 1 else {})}

    @property
    def guesses(self) -> tuple[str, ...]:
        return (f"columns are separated by {self.delimiter!r}",)


def unreadable(path: Path, found: str, expected: str, hint: str = "") -> InputError:
    """The error for a file whose content is not what it should be.

    Args:
        path: the file.
        found: what it holds.
        expected: what it should hold.
        hint: what to do; empty: a general hint.
    """
    return InputError(
        "a file cannot be read",
        where=str(path),
        expected=expected,
        found=found,
        hint=hint or "check that the file is complete, or give another one",
    )


def detect_dialect(path: Path, lines: list[str], delimiter: str | None = None) -> Dialect:
    """The delimiter that splits most lines into the same number of columns, two at least.

    Args:
        path: the file, for the error.
        lines: its first lines.
        delimiter: what the user says it is; None: it is detected.

    Raises:
        InputError: no delimiter splits the lines.
    """
    if delimiter is not None:
        return Dialect(delimiter)
    scores = {candidate: _score(lines, candidate) for candidate in DELIMITERS}
    best = max(scores, key=lambda candidate: scores[candidate])
    if scores[best] == (0.0, 0):
        raise unreadable(
            path,
            f"one column in its first line: {lines[0].strip()[:80]!r}",
            "two columns at least, separated by one of " + " ".join(repr(candidate) for candidate in DELIMITERS),
            "name the delimiter with --delimiter",
        )
    return Dialect(best)


def _score(lines: list[str], delimiter: str) -> tuple[float, int]:
    """(share of the lines with the most frequent number of columns, that number); zeros for a single column."""
    single = len(delimiter) == 1
    rows = csv.reader(lines, delimiter=delimiter) if single else (line.split(delimiter) for line in lines)
    widths = Counter(len(row) for row in rows if row)
    width, count = widths.most_common(1)[0] if widths else (0, 0)
    return (round(count / widths.total(), 1), width) if width > 1 else (0.0, 0)


def detect_encoding(path: Path, head: bytes) -> str:
    """The encoding of a text by its first bytes: UTF-8, else GB18030 where high bytes come in pairs, else Latin-1.

    Args:
        path: the file, for the error.
        head: its first bytes, unpacked.

    Raises:
        InputError: the text is UTF-16, which Spark does not read line by line.
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise unreadable(
            path, "UTF-16", "UTF-8, GB18030 or ISO-8859-1", f"iconv -f UTF-16 -t UTF-8 {path.name} writes UTF-8"
        )
    try:
        head[: head.rfind(b"\n") + 1 or None].decode("utf-8")
        return "utf-8-sig"
    except UnicodeDecodeError:
        pass
    runs = _HIGH_BYTES.findall(head[:65_536])
    pairs = sum(len(run) % 2 == 0 for run in runs)
    return "GB18030" if pairs > 0.9 * len(runs) else "ISO-8859-1"


def has_header(first: list[str], others: list[list[str]]) -> bool:
    """Whether the first row names columns: different words, no numbers, none of them a value of its own column.

    Args:
        first: cells of the first row.
        others: some of the rows below it.
    """
    if len(set(first)) < len(first) or any(not cell or _NUMBER_OR_DATE.match(cell) for cell in first):
        return False
    return not any(len(row) > n and row[n] == cell for n, cell in enumerate(first) for row in others)
