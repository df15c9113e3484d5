"""The look of all charts, and the conversion of a drawing to SVG for the page and to files.

Colours differ in lightness as well as in hue, and series also in dashes and marks, so they can be told apart in a grey
print. In the page every colour is a variable of the style sheet, with other values in dark mode.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine

from bgmrec.evaluate.text import cut, plain

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
    "svg.fonttype": "none",  # text stays text: small files, and screen readers can read it
    "text.parse_math": False,  # a title with dollar signs is not a formula
    "axes.formatter.useoffset": False,
}


@dataclass(frozen=True)
class Pictures:
    """A drawing in three formats.

    Args:
        inline: an SVG element for the page.
        svg: an SVG file.
        png: a PNG file.
    """

    inline: str
    svg: bytes
    png: bytes

    @property
    def markup(self) -> Markup:
        """The drawing as safe HTML: matplotlib has escaped its texts."""
        return Markup(self.inline)


@contextmanager
def drawn(width: float, height: float) -> Iterator[Drawing]:
    """An empty drawing in the style of the report.

    Args:
        width: inches.
        height: inches.
    """
    with matplotlib.rc_context(_RC):
        yield Drawing(figsize=(width, height))


def pictures(drawing: Drawing, name: str, title: str, alt: str) -> Pictures:
    """The drawing in all formats; call it inside `drawn`. The layout is computed once, not once per format.

    Args:
        drawing: a finished drawing.
        name: prefix of its ids, unique within the page.
        title: heading.
        alt: text alternative.
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
    """An SVG file as an element of the page: colours as variables, unique ids, a text alternative.

    Args:
        svg: text of the file.
        name: prefix of its ids.
        title: heading.
        alt: text alternative.
    """
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


def short(text: object, length: int = 28) -> str:
    """The text, shortened to what a chart has room for.

    Args:
        text: any value.
        length: columns of a terminal, at most: a wide letter counts two.
    """
    return cut(plain(text), length)
