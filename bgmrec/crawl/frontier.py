"""The state of a crawl in one SQLite file: pages, records and the usage of hosts.

Scrapy's JOBDIR survives a clean stop only: the index of the queue is written at close, and requests in flight are lost
(scrapy issue 7978). Here the outcome, records and links of a page are stored in one transaction: after kill -9 a page
is either finished with all of them, or is fetched again.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bgmrec.crawl.results import REDIRECTED, Counts, HostUsage, NewPage, Page, PageResult, StoredPage
from bgmrec.crawl.state import STORED_PAGES, UNFINISHED, open_state, stored_page
from bgmrec.crawl.urls import host_of, key_of

_BATCH = 64  # pages read from the file at once, per host


class Frontier:
    """Pages that wait, are in flight or are finished.

    Args:
        path: of the file, which is created if it does not exist.
    """

    def __init__(self, path: Path):
        self._db = open_state(path)
        self.waiting: Counter[str] = Counter()  # host → pages that are neither in flight nor finished
        self.in_flight: dict[int, str] = {}  # page id → host
        self._queues: dict[str, deque[Page]] = {}
        self.usage: dict[str, HostUsage] = {}
        self._load()

    def _load(self) -> None:
        self.waiting.clear()
        self._queues.clear()
        self.counts = Counts()
        rows = self._db.execute("select host, count(*) from pages where outcome is null group by host")
        self.waiting.update(dict(rows.fetchall()))
        self.waiting.subtract(Counter(self.in_flight.values()))
        self.counts.outcomes.update(self.outcomes())
        self.counts.finished = self.counts.outcomes.total()
        self.counts.records = self.record_count()
        for host, *used in self._db.execute("select host, requests, bytes, seconds from hosts"):
            self.usage[host] = HostUsage(*used)

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    # ---- facts about the crawl itself ----

    def fact(self, name: str, default: Any = None) -> Any:
        """A stored fact about the crawl.

        Args:
            name: of the fact.
            default: returned if it is not stored.
        """
        row = self._db.execute("select value from facts where name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    def set_fact(self, name: str, value: Any) -> None:
        """Stores a fact about the crawl.

        Args:
            name: of the fact.
            value: text or number.
        """
        self._db.execute("insert or replace into facts values (?, ?)", (name, value))

    # ---- pages ----

    def seed(self, pages: Iterable[NewPage], refusal: Callable[[str], str | None] = lambda url: None) -> None:
        """Adds the start pages and marks the frontier as seeded, in one transaction.

        Args:
            pages: the start pages.
            refusal: of an address: why it may not be requested; such a page is finished with that outcome.
        """
        with self._transaction():
            self._add(pages, refusal)
            self.set_fact("seeded", 1)
        self._load()

    def retry(self, pages: Iterable[int]) -> None:
        """Returns finished pages, so that they are fetched again.

        Args:
            pages: their numbers.
        """
        with self._transaction():
            self._db.executemany(f"update pages set {UNFINISHED} where id = ?", [(page,) for page in pages])
        self._load()

    def take(self, host: str) -> Page | None:
        """The next page of a host, by depth and then in the order in which they were added; None if none waits.

        Args:
            host: of the pages.
        """
        queue = self._queues.setdefault(host, deque())
        if not queue:
            queue.extend(self._batch(host))
        if not queue:
            return None
        page = queue.popleft()
        self.in_flight[page.id] = host
        self.waiting[host] -= 1
        return page

    def _batch(self, host: str) -> Iterator[Page]:
        busy = {page for page, of in self.in_flight.items() if of == host}
        rows = self._db.execute(
            "select url, kind, depth, list_page, hops, entity_id, id from pages where outcome is null and host = ? "
            "order by depth, id limit ?",
            (host, _BATCH + len(busy)),
        )
        return (Page(*row) for row in rows.fetchall() if row[-1] not in busy)

    def release(self, page: Page) -> None:
        """Returns an unfinished page: the next run fetches it.

        Args:
            page: in flight.
        """
        host = self.in_flight.pop(page.id)
        self.waiting[host] += 1

    def finish(self, page: Page, result: PageResult) -> None:
        """Stores the result of a page in one transaction.

        Args:
            page: in flight.
            result: outcome, records and further pages.
        """
        with self._transaction():
            self._db.execute(
                "update pages set outcome = ?, status = ?, detail = ?, target = ?, extracted = ? where id = ?",
                (
                    result.outcome,
                    result.status,
                    result.detail[:500],
                    self._key(result.pages[0]) if result.outcome == REDIRECTED else None,
                    json.dumps(result.extracted),
                    page.id,
                ),
            )
            rows = [(page.id, record.entity_type, record.id, record.line) for record in result.records]
            stored = self._db.executemany("insert or ignore into records values (?, ?, ?, ?)", rows).rowcount
            added = self._add(result.pages)
            self._count_outside(page, result)
            self._store_usage()
        self.in_flight.pop(page.id, None)
        self.waiting.update(added)
        self.counts.finished += 1
        self.counts.records += max(stored, 0)
        self.counts.outcomes[result.outcome] += 1

    def _add(self, pages: Iterable[NewPage], refusal: Callable[[str], str | None] = lambda url: None) -> Counter[str]:
        """Adds pages that are new; returns their number by host."""
        added: Counter[str] = Counter()
        for page in pages:
            host = host_of(page.url)
            row = (self._key(page), page.url, host, page.kind, page.depth, page.list_page, page.hops, page.entity_id)
            cursor = self._db.execute(
                "insert or ignore into pages (key, url, host, kind, depth, list_page, hops, entity_id, outcome) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, refusal(page.url)),
            )
            added[host] += cursor.rowcount
        return added

    def _key(self, page: NewPage) -> str:
        """The key of a page. Entities of a list whose addresses lead to one page have a page, and a record, each."""
        key = key_of(page.url)
        if page.entity_id is None:
            return key
        row = self._db.execute("select entity_id from pages where key = ?", (key,)).fetchone()
        return key if row is None or row[0] == page.entity_id else f"{key} {page.entity_id}"

    def _count_outside(self, page: Page, result: PageResult) -> None:
        self._db.execute("delete from outside where page = ?", (page.id,))
        rows = [(page.id, links.reason, links.host, links.links) for links in result.outside]
        self._db.executemany("insert into outside values (?, ?, ?, ?)", rows)

    def _store_usage(self) -> None:
        rows = [(host, used.requests, used.bytes, used.seconds) for host, used in self.usage.items()]
        self._db.executemany("insert or replace into hosts values (?, ?, ?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    # ---- counts for the manifest ----

    def used(self, host: str) -> HostUsage:
        """The usage of a host, which the caller may change.

        Args:
            host: its name.
        """
        return self.usage.setdefault(host, HostUsage())

    def outcomes(self) -> dict[str, int]:
        """Number of finished pages by outcome."""
        return self._grouped("outcome", "outcome is not null")

    def statuses(self) -> dict[str, int]:
        """Number of answered pages by HTTP status."""
        return self._grouped("cast(status as text)", "status is not null")

    def unfinished(self) -> dict[str, int]:
        """Number of unfinished pages by host."""
        return self._grouped("host", "outcome is null")

    def _grouped(self, column: str, where: str) -> dict[str, int]:
        rows = self._db.execute(f"select {column}, count(*) from pages where {where} group by 1 order by 1")
        return dict(rows.fetchall())

    def examples(self, outcome: str, n: int) -> list[tuple[str, str]]:
        """Addresses and details of some pages with an outcome.

        Args:
            outcome: of the pages.
            n: largest number of pages.
        """
        rows = self._db.execute(
            "select url, coalesce(detail, '') from pages where outcome = ? order by id limit ?", (outcome, n)
        )
        return rows.fetchall()

    def every_page(self) -> Iterator[StoredPage]:
        """All pages and sitemaps, in the order in which they were added."""
        yield from map(stored_page, self._db.execute(f"{STORED_PAGES} order by id"))

    def page_of(self, key: str) -> StoredPage | None:
        """The page with a key.

        Args:
            key: of the page.
        """
        row = self._db.execute(f"{STORED_PAGES} where key = ?", (key,)).fetchone()
        return None if row is None else stored_page(row)

    def outside_links(self) -> list[tuple[str, str, int]]:
        """Reason, host and number of the links that were not followed, by falling number."""
        rows = self._db.execute("select reason, host, sum(links) from outside group by 1, 2 order by 3 desc, 1, 2")
        return rows.fetchall()

    def record_count(self) -> int:
        """Number of records."""
        return int(self._db.execute("select count(*) from records").fetchone()[0])

    def record_types(self) -> dict[str, int]:
        """Number of records by entity type."""
        rows = self._db.execute("select entity_type, count(*) from records group by 1 order by 1")
        return dict(rows.fetchall())

    def lines(self) -> Iterator[str]:
        """The lines of all records, in the order in which their pages were added."""
        for (line,) in self._db.execute("select line from records order by page, rowid"):
            yield line
