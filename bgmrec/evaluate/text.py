"""Text in columns of a terminal: widths as a terminal draws them, and aligned tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})  # combining marks, joiners, variation selectors, direction marks
_WIDE = frozenset({"W", "F"})
ELLIPSIS = "…"


def plain(text: object) -> str:
    """Data as text that every format may hold: control characters and lone surrogates become blanks."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in str(text))


def display_width(text: str) -> int:
    """Terminal columns that a text takes: 2 for each Chinese, Japanese, Korean letter or emoji, 0 for marks.

    Source: Unicode Standard Annex 11, East Asian Width; ambiguous letters count 1.
    """
    return sum(map(_letter_width, text))


def _letter_width(letter: str) -> int:
    if unicodedata.category(letter) in _ZERO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1


def cut(text: str, width: int) -> str:
    """The text, shortened with an ellipsis where it takes more than `width` terminal columns."""
    if display_width(text) <= width:
        return text
    used, letters = 0, []
    for letter in text:
        used += _letter_width(letter)
        if used > width - 1:
            break
        letters.append(letter)
    return "".join(letters) + ELLIPSIS


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text with blanks after it, or before it for `right`, up to `width` terminal columns."""
    blanks = " " * max(width - display_width(text), 0)
    return blanks + text if right else text + blanks


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A text table: columns two blanks apart, the first two aligned to the left, the others (numbers) to the right.

    Args:
        lines: rows of cells, the head first, all of the same length.
    """
    rows = [[plain(cell) for cell in line] for line in lines]
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            pad(cell, width, right=column > 1) for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
