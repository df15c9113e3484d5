"""The start pages of a source: lists of ids or words, addresses, sitemaps."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from bgmrec.config.crawl import SeedList
from bgmrec.crawl.clean import id_text
from bgmrec.crawl.findings import PAGE, SITEMAP, NewPage
from bgmrec.crawl.plan import Plan
from bgmrec.errors import InputError


def seeds(plan: Plan, expand: Callable[[str], str]) -> Iterator[NewPage]:
    """Every start page, in the order in which they are wanted.

    Args:
        plan: of the source.
        expand: fills `{data}`, `{root}` and `{ds}` into a path.

    Raises:
        InputError: a list's files are missing or not readable.
    """
    start = plan.settings.start
    for seed_list in start.lists:
        for value in _values(seed_list, expand):
            url = seed_list.url.replace("{value}", quote(value, safe=""))
            if plan.scope.refusal(url) is None:
                yield NewPage(url, entity_id=value if seed_list.values_are_ids else None)
    for url in start.urls:
        yield NewPage(url, PAGE)
    for url in start.sitemaps:
        yield NewPage(url, SITEMAP)


def _values(seed_list: SeedList, expand: Callable[[str], str]) -> Iterator[str]:
    yield from (value.strip() for value in seed_list.values)
    for pattern in map(expand, seed_list.files):
        paths = sorted(glob.glob(pattern))
        if not paths:
            raise InputError(
                "a list of start pages matches no file",
                where=pattern,
                expected="at least one file, one value or one JSON object with an id per line",
                found="nothing",
                hint="run jobs/crawl_frontier.py for the same --ds first, or correct crawl.start.lists",
            )
        for path in paths:
            yield from _lines(Path(path))


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _value(line.strip(), f"{path} line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("a list of start pages cannot be read", where=str(path), found=str(error)) from None


def _value(line: str, where: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        found = id_text(json.loads(line).get("id"))
    except ValueError:
        found = None
    if found is None:
        raise InputError(
            "a line of a list names no id", where=where, expected='a value, or {"id": "…"}', found=line[:100]
        )
    return found
