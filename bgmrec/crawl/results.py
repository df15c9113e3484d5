"""Values of a crawl: pages, records, results of pages, usage of hosts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bgmrec.crawl.urls import with_ascii_host

PAGE, SITEMAP = "page", "sitemap"
REDIRECTED = "redirected"
GOOD = frozenset({"record", "page", REDIRECTED})  # outcomes that are no error


@dataclass(frozen=True)
class NewPage:
    """A page to fetch.

    Args:
        url: address; its host is brought into the one form in which hosts are compared.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", with_ascii_host(self.url))


@dataclass(frozen=True)
class Page(NewPage):
    """A page of the frontier.

    Args:
        id: its number there.
    """

    id: int = 0


@dataclass(frozen=True)
class StoredPage:
    """A page of the frontier with its result.

    Args:
        id: its number.
        key: equal for addresses of one page.
        url: address.
        kind: `page` or `sitemap`.
        host: of the address.
        hops: redirects that led to it.
        outcome: of the page; None: it is not finished.
        target: key of the page that it is redirected to.
        extracted: names of the rules whose record it has.
    """

    id: int
    key: str
    url: str
    kind: str
    host: str
    hops: int
    outcome: str | None
    target: str | None
    extracted: tuple[str, ...]


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
class OutsideLinks:
    """Links of a page that may not be followed.

    Args:
        reason: `offsite`, or why the addresses are refused.
        host: of the addresses.
        links: their number.
    """

    reason: str
    host: str
    links: int


@dataclass(frozen=True)
class Pause:
    """Why no more pages of a host are fetched in this run.

    Args:
        reason: for the manifest.
        by_budget: whether the own settings ask for it, and not the host.
    """

    reason: str
    by_budget: bool = False


@dataclass(frozen=True)
class PageResult:
    """The result of a page.

    Args:
        outcome: `record`, `page`, `no record`, `redirected`, or the kind of error; counted in the manifest.
        status: HTTP status.
        detail: for the examples of errors.
        records: extracted from the page.
        pages: that it leads to; of a redirected page its target.
        outside: links that may not be followed.
        expected: names of the rules whose record the page should have.
        extracted: names of the rules whose record it has.
    """

    outcome: str
    status: int | None = None
    detail: str = ""
    records: tuple[Record, ...] = ()
    pages: tuple[NewPage, ...] = ()
    outside: tuple[OutsideLinks, ...] = ()
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
