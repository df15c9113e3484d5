"""The start pages of a source: lists of ids or words, addresses, sitemaps."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from bgmrec.config.crawl import SeedList
from bgmrec.crawl.plan import Plan
from bgmrec.crawl.results import PAGE, SITEMAP, NewPage
from bgmrec.crawl.sanitize import id_text
from bgmrec.errors import InputError


def seeds(plan: Plan, expand: Callable[[str], str]) -> Iterator[NewPage]:
    """Every start page, in the order of the crawl.

    Args:
        plan: of the source.
        expand: fills `{data}`, `{root}` and `{ds}` into a path.

    Raises:
        InputError: the files of a list are missing or unreadable.
    """
    start = plan.settings.start
    for seed_list in start.lists:
        for value in _values(seed_list, expand):
            url = seed_list.url.replace("{value}", quote(value, safe=""))
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
                expected="at least one file",
                found="no file",
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
        raise InputError(
            "a list of start pages cannot be read",
            where=str(path),
            expected="a text file in UTF-8",
            found=str(error),
            hint="correct the file, or crawl.start.lists",
        ) from None


def _value(line: str, where: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        value = id_text(json.loads(line).get("id"))
    except ValueError:
        value = None
    if value is None:
        raise InputError(
            "a line of a list has no id",
            where=where,
            expected='a value, or a JSON object {"id": "…"}',
            found=line[:100],
            hint="correct the file, or crawl.start.lists",
        )
    return value
