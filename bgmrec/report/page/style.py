"""How every chart looks, and how a drawing becomes text for the page and files beside it.

Colours differ in lightness as well as in hue, and series also by dash and mark, so that a grey print keeps them apart.
In the page every colour is a variable of its style sheet, which light and dark give their own values.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, MUTED, GRID, PAPER = "#1c2431", "#5a6473", "#dde3ea", "#fefefe"
SERIES = ("#0b5c8e", "#d9822b", "#7a8592", "#3f8f5f", "#9c4f8a", "#b3a03c", "#c05a5a", "#56b0c0")
DASHES = ("-", "--", ":", "-.", "-", "--", ":", "-.")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "card", **{c: f"s{n}" for n, c in enumerate(SERIES, 1)}}

# 4.9 in = 353 units, about a phone's width: letters of 9 units are no smaller there
COLUMN = 4.9
_RC: Any = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "text.color": INK,
    "font.size": 9.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "svg.fonttype": "none",  # text stays text: small, and read aloud
    "text.parse_math": False,  # a title with a dollar sign is no formula
    "axes.formatter.useoffset": False,
}


@dataclass(frozen=True)
class Pictures:
    """A drawing as text for the page, and as files to take along."""

    inline: str
    svg: bytes
    png: bytes

    @property
    def markup(self) -> Markup:
        """The drawing as a safe part of a page: matplotlib escaped the texts in it."""
        return Markup(self.inline)


@contextmanager
def drawn(width: float, height: float) -> Iterator[Drawing]:
    """An empty drawing, in inches, in the report's style."""
    with matplotlib.rc_context(_RC):
        yield Drawing(figsize=(width, height))


def pictures(drawing: Drawing, name: str, title: str, alt: str) -> Pictures:
    """Saves a drawing; call it inside `drawn`. It is laid out once: savefig would do so for each format.

    Args:
        name: makes ids unique within the page.
        title, alt: what it shows, and what there is to see.
    """
    ConstrainedLayoutEngine().execute(drawing)
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": plain(title)})
    svg = buffer.getvalue()
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110, facecolor="white", metadata={"Software": None})
    return Pictures(inline(svg.decode(), name, title, alt), svg, buffer.getvalue())


def inline(svg: str, name: str, title: str, alt: str) -> str:
    """An SVG file's text as an element of the page: variables for colours, its own ids, a text alternative."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
    body = re.sub(r'(\s(?:id)=")([^"]+)"', rf"\g<1>{name}-\2" + '"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'((?:xlink:)?href=")#', rf"\g<1>#{name}-", body)
    body = re.sub(r"font-family: [^;\"]+;?", "", body)
    body = re.sub(r"font: ([^';\"]*?)([\d.]+px) [^;\"]+", r"font-size: \2", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var(--{variable})")
    size = re.search(r'viewBox="([^"]+)"', body)
    head = f'<svg role="img" aria-label="{escape(plain(alt))}" viewBox="{size.group(1) if size else ""}">'
    return re.sub(r"<svg[^>]*>", lambda _: f"{head}<title>{escape(plain(title))}</title>", body, count=1)


def plain(text: object) -> str:
    """Data as text that every format may hold: control characters, which XML forbids, become blanks."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cs") else letter for letter in str(text))


def short(text: object, length: int = 28) -> str:
    """The text, cut where a chart has no more room."""
    whole = plain(text)
    return whole if len(whole) <= length else f"{whole[: length - 1]}…"
