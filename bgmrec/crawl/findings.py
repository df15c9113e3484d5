"""What a crawl handles: pages, what became of them, and what that cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

PAGE, SITEMAP = "page", "sitemap"


@dataclass(frozen=True)
class NewPage:
    """A page to fetch.

    kind: `page` or `sitemap`.
    depth: links away from a start page.
    turn: number of the page within a list that has several.
    hops: redirects that led here.
    entity_id: the id that the list of ids knows its entity by.
    """

    url: str
    kind: str = PAGE
    depth: int = 0
    turn: int = 1
    hops: int = 0
    entity_id: str | None = None


@dataclass(frozen=True)
class Page(NewPage):
    """A page of the frontier."""

    id: int = 0


@dataclass(frozen=True)
class Record:
    """One record as it will be written."""

    entity_type: str
    id: str
    line: str


@dataclass(frozen=True)
class Finding:
    """What became of a page.

    outcome: one of a few words, counted in the manifest.
    expected, extracted: names of the rules whose record the page should hold, and of those that found it.
    """

    outcome: str
    status: int | None = None
    detail: str = ""
    records: tuple[Record, ...] = ()
    pages: tuple[NewPage, ...] = ()
    expected: tuple[str, ...] = ()
    extracted: tuple[str, ...] = ()


@dataclass
class Usage:
    """What a host was asked so far, over all runs of the crawl date."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Counts:
    """Totals over all runs of the crawl date, for the live line."""

    finished: int = 0
    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
