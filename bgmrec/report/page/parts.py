"""What a page is made of: tables, figures with the table behind them, tiles, and the sections that hold them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Drawing

from bgmrec.report.page.style import COLUMN, Pictures, drawn, pictures


@dataclass(frozen=True)
class Table:
    """A table of finished texts.

    Args:
        heads: of the columns.
        rows: of texts.
        words: how many leading columns hold words; the others hold numbers and stand to the right.
        note: one sentence below it.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart.

    Args:
        name: of its files; letters, digits and hyphens.
        title: what it shows, as a statement or a question.
        alt: what there is to see, in words: the text alternative.
        pictures: of it.
        table: the numbers behind it.
        note: one sentence below it.
    """

    name: str
    title: str
    alt: str
    pictures: Pictures
    table: Table
    note: str = ""


@dataclass(frozen=True)
class Tile:
    """One number that matters: its name, value, what to compare it with, and whether that is good news."""

    name: str
    value: str
    beside: str = ""
    mood: str = ""  # good | bad | nothing


@dataclass(frozen=True)
class Titled:
    """A table with a title of its own, open on the page."""

    title: str
    table: Table
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page: what it answers, its blocks in order, and what could not be said and why."""

    name: str
    title: str
    lead: str
    tiles: Sequence[Tile] = ()
    blocks: Sequence[Figure | Titled] = ()
    missing: Sequence[str] = ()


def figure(
    name: str,
    title: str,
    alt: str,
    table: Table,
    draw: Callable[[Drawing], None],
    *,
    height: float = 2.9,
    note: str = "",
) -> Figure:
    """Draws a chart; `height` in inches."""
    with drawn(COLUMN, height) as drawing:
        draw(drawing)
        return Figure(name, title, alt, pictures(drawing, name, title, alt), table, note)
