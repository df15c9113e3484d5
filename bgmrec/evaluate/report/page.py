"""One HTML file out of finished sections: style, script and figures inside, nothing fetched, everything escaped.

Titles, ids and records come from outside. Jinja2 escapes them, and the page's own policy allows no script but the
one whose digest it names, so that a title that was let through would still not run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import date
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bgmrec.evaluate.report.lists_section import SOURCES
from bgmrec.evaluate.report.numbers import count, share, significant
from bgmrec.evaluate.report.parts import Figure, Section
from bgmrec.evaluate.report.style import plain

PARTS = (
    ("ratings", "their ratings"),
    ("prior", "side information"),
    ("item", "the track itself"),
    ("rest", "the rest"),
)


def render(facts: dict[str, Any], sections: Sequence[Section]) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("bgmrec.evaluate.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else plain_lines(value),
    )
    environment.filters |= {"count": count, "significant": significant, "share": share}
    environment.tests["figure"] = lambda block: isinstance(block, Figure)
    script, style = (_own(name) for name in ("page.js", "page.css"))
    return environment.get_template("page.html").render(
        run=facts["run"],
        day=date.fromisoformat(facts["run"]["ds"]).strftime("%A, %-d %B %Y"),
        sections=sections,
        people=[_person(row) for row in facts["people"]],
        tracks=facts["tracks"],
        sources=SOURCES,
        script=Markup(script),
        style=Markup(style),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def plain_lines(value: object) -> object:
    """Text without the control characters that no page may hold; line ends stay."""
    if not isinstance(value, str):
        return value
    return "\n".join(plain(line) for line in value.split("\n"))


def _own(name: str) -> str:
    return (resources.files("bgmrec.evaluate.report") / name).read_text(encoding="utf-8")


def _person(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "list": [{**one, "parts": score_parts_text(one)} for one in row["list"]]}


def score_parts_text(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a published score that are worth a word: name, amount, and share of all amounts' sizes."""
    why = row.get("why")
    if not why:
        return []
    # what unobserved pairs take from a score belongs to no track and no profile
    amounts = {**{key: why[key] for key, _ in PARTS}, "rest": why["rest"] + why["unobserved"]}
    sizes = {key: abs(amount) for key, amount in amounts.items()}
    total = sum(sizes.values()) or 1.0
    return [
        {"key": key, "name": name, "amount": amounts[key], "share": sizes[key] / total}
        for key, name in PARTS
        if sizes[key] / total >= 0.005
    ]
