"""The parts of a page: tables, figures with their numbers, tiles, and sections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Drawing

from bgmrec.report.page.style import COLUMN, Pictures, drawn, pictures


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Args:
        heads: heads of the columns.
        rows: texts by row and column.
        words: number of leading columns with words; the others hold numbers and are aligned to the right.
        note: text below the table.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A chart.

    Args:
        name: name of its files: letters, digits and hyphens.
        title: heading, a statement or a question.
        alt: text alternative: what the chart shows, in words.
        pictures: the drawing.
        table: the numbers of the chart.
        note: text below the chart.
    """

    name: str
    title: str
    alt: str
    pictures: Pictures
    table: Table
    note: str = ""


@dataclass(frozen=True)
class Tile:
    """An important number.

    Args:
        name: what it is.
        value: the number.
        beside: what to compare it with.
        mood: good, bad or like: better than, worse than, or not clearly different from `beside`; empty: no comparison.
    """

    name: str
    value: str
    beside: str = ""
    mood: str = ""


@dataclass(frozen=True)
class Titled:
    """A table with a heading, visible on the page.

    Args:
        title: heading.
        table: the table.
        note: text below it.
        wide: as wide as the page.
    """

    title: str
    table: Table
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class PageSection:
    """A section of the page.

    Args:
        name: its id.
        title: its heading.
        lead: its main result in a few sentences.
        tiles: its main numbers.
        blocks: figures and tables in their order.
        missing: sentences on what is not shown, and why.
    """

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
    """Draws a chart.

    Args:
        name: name of its files: letters, digits and hyphens.
        title: heading.
        alt: text alternative.
        table: the numbers of the chart.
        draw: draws it into an empty drawing.
        height: inches.
        note: text below the chart.
    """
    with drawn(COLUMN, height) as drawing:
        draw(drawing)
        return Figure(name, title, alt, pictures(drawing, name, title, alt), table, note)
