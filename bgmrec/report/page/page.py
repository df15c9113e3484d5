"""One HTML file from finished sections, with style, script and figures inside; it makes no network requests.

Titles, ids and records are untrusted. Jinja2 escapes them, and the page's content security policy allows only the
script whose digest it names, so even an unescaped title could not run.
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

from bgmrec.evaluate.text import plain
from bgmrec.report.numbers import count, share, significant
from bgmrec.report.page.parts import Figure, PageSection
from bgmrec.report.score_text import NO_PARTS, NO_TITLES, score_parts_text, sum_text


def render(facts: dict[str, Any], sections: Sequence[PageSection]) -> str:
    """The HTML page of a run.

    Args:
        facts: facts of the report.
        sections: finished sections.
    """
    run = facts["run"]
    return _page(
        "run.html",
        sections,
        title=run["run_id"],
        run=run,
        day=date.fromisoformat(run["ds"]).strftime("%A, %-d %B %Y"),
        people=[_person(row) for row in facts["people"]],
        tracks=facts["tracks"],
        no_parts=NO_PARTS,
        no_titles=None if run["title_field"] else NO_TITLES,
    )


def render_study(results: Sequence[dict[str, Any]], sections: Sequence[PageSection]) -> str:
    """The HTML page of the paper's experiments.

    Args:
        results: rows of the study.
        sections: finished sections.
    """
    return _page(
        "study.html",
        sections,
        title="study",
        results=results,
        ratings=max((row["ratings"] for row in results if "ratings" in row), default=None),
        seeds=sorted({row["seed"] for row in results}),
        parts=sorted({row["part"] for row in results}),
    )


def _page(template: str, sections: Sequence[PageSection], **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("bgmrec.report.page", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else plain_lines(value),
    )
    environment.filters |= {"count": count, "significant": significant, "share": share}
    environment.tests["figure"] = lambda block: isinstance(block, Figure)
    script, style = (_file(name) for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    texts = {"script": Markup(script), "style": Markup(style), "digest": digest}
    return environment.get_template(template).render(sections=sections, **texts, **values)


def plain_lines(value: object) -> object:
    """Text without control characters, which a page must not hold; line ends are kept.

    Args:
        value: a text, or anything else, which is returned as it is.
    """
    if not isinstance(value, str):
        return value
    return "\n".join(plain(line) for line in value.split("\n"))


def _file(name: str) -> str:
    return (resources.files("bgmrec.report.page") / name).read_text(encoding="utf-8")


def _person(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "list": [{**entry, "parts": score_parts_text(entry), "sum": sum_text(entry)} for entry in row["list"]],
    }
