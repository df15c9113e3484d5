"""Values of a crawl: pages, records, results of pages, usage of hosts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

PAGE, SITEMAP = "page", "sitemap"


@dataclass(frozen=True)
class NewPage:
    """A page to fetch.

    Args:
        url: address.
        kind: `page` or `sitemap`.
        depth: links between a start page and the page.
        list_page: number of the page within a list of several pages, from 1.
        hops: redirects that led to it.
        entity_id: id of its entity, from a list of ids.
    """

    url: str
    kind: str = PAGE
    depth: int = 0
    list_page: int = 1
    hops: int = 0
    entity_id: str | None = None


@dataclass(frozen=True)
class Page(NewPage):
    """A page of the frontier.

    Args:
        id: its number there.
    """

    id: int = 0


@dataclass(frozen=True)
class Record:
    """A record.

    Args:
        entity_type: of its rule.
        id: of the entity.
        line: the JSON line that is written.
    """

    entity_type: str
    id: str
    line: str


@dataclass(frozen=True)
class PageResult:
    """The result of a page.

    Args:
        outcome: `record`, `page`, `no record`, `redirected`, or the kind of error; counted in the manifest.
        status: HTTP status.
        detail: for the examples of errors.
        records: extracted from the page.
        pages: that it leads to.
        expected: names of the rules whose record the page should have.
        extracted: names of the rules whose record it has.
    """

    outcome: str
    status: int | None = None
    detail: str = ""
    records: tuple[Record, ...] = ()
    pages: tuple[NewPage, ...] = ()
    expected: tuple[str, ...] = ()
    extracted: tuple[str, ...] = ()


@dataclass
class HostUsage:
    """Requests, bytes and seconds at a host, over all runs of the crawl date."""

    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass
class Counts:
    """Totals over all runs of the crawl date, for the progress line."""

    finished: int = 0
    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
