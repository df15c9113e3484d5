"""The spider: turns pages of the frontier into requests, and answers and failures into findings."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from gzip import BadGzipFile
from typing import TYPE_CHECKING, Any

import scrapy
from scrapy import signals
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Request, Response
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.python.failure import Failure

from bgmrec.crawl.addresses import REFUSED
from bgmrec.crawl.findings import Finding, Page
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.pages import Reader
from bgmrec.crawl.patience import patience
from bgmrec.crawl.plan import Plan
from bgmrec.crawl.urls import host_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

MOST_HOPS = 10  # redirects in a row

_UNREACHABLE = (
    CannotResolveHostError,
    ConnectError,
    ConnectionClosed,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    OSError,
    ResponseDataLossError,
)
_HOST_FAILURES = {"timeout", "unreachable", "http 503", "http 429"}


class LeaveForLater(IgnoreRequest):
    """The page is not finished: its host rests for the remainder of the crawl."""


class RobotsForbid(IgnoreRequest):
    """robots.txt forbids the page."""


class PrivateAddress(IgnoreRequest):
    """The host's addresses are private, and the settings do not name it."""


class SideInfoSpider(scrapy.Spider):
    """Fetches the pages of one source.

    Args:
        plan: of the source.
        frontier: its state.
    """

    def __init__(self, plan: Plan, frontier: Frontier, **kwargs: Any):
        super().__init__(name=plan.name, **kwargs)
        self.plan, self.frontier = plan, frontier
        self.resting: dict[str, str] = {}  # host → why its pages are left for the next run
        self.trouble: Exception | None = None  # what ended the crawl
        self.came_to_its_end = False  # nothing was left to fetch
        self._reader = Reader(plan)
        self._in_a_row: Counter[str] = Counter()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> SideInfoSpider:
        spider: SideInfoSpider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.page_broke, signal=signals.spider_error)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        """Nothing: the scheduler reads the start pages from the frontier."""
        nothing: tuple[Request, ...] = ()
        for request in nothing:
            yield request

    def request_for(self, page: Page) -> Request:
        meta = {"page": page, "redirect_times": page.hops, "redirect_ttl": MOST_HOPS - page.hops}
        return Request(
            page.url,
            headers=dict(self.plan.headers),
            callback=self.parse,
            errback=self.failed,
            dont_filter=True,  # the frontier holds every page once
            meta=meta,
        )

    def parse(self, response: Response, **kwargs: Any) -> None:
        page: Page = response.meta["page"]
        if 200 <= response.status < 300:
            with patience():
                finding = self._reader.read(page, response, _fetched_at(response))
        else:
            finding = Finding(f"http {response.status}", response.status)
        self.finish(page, finding)

    def failed(self, failure: Failure) -> None:
        page: Page = failure.request.meta["page"]  # type: ignore[attr-defined]
        if isinstance(failure.value, LeaveForLater) or not self.crawler.crawling:
            self.frontier.release(page)  # also what a stop broke off
        else:
            host = host_of(page.url)
            outcome = _outcome(failure.value, host)
            detail = REFUSED.get(host, "") if outcome == "private address" else str(failure.value)
            self.finish(page, Finding(outcome, detail=detail))

    def page_broke(self, failure: Failure, response: Response) -> None:
        """A page that no parser survived must not stop the crawl, and must not be fetched for ever either."""
        if isinstance(failure.value, sqlite3.Error):
            self.give_up(failure.value)
            return
        page: Page = response.meta["page"]
        detail = f"{type(failure.value).__name__}: {failure.value}"
        self.finish(page, Finding("not readable", response.status, detail))

    def closed(self, reason: str) -> None:
        self.came_to_its_end = reason == "finished"

    def finish(self, page: Page, finding: Finding) -> None:
        self.frontier.finish(page, finding)
        host = host_of(page.url)
        if finding.outcome not in _HOST_FAILURES:
            self._in_a_row[host] = 0
            return
        self._in_a_row[host] += 1
        if self._in_a_row[host] >= self.plan.settings.politeness.failures_in_a_row:
            self.rest(host, f"{self._in_a_row[host]} failures in a row, the last one: {finding.outcome}")

    def rest(self, host: str, why: str) -> None:
        """Leaves a host's remaining pages for another day: the frontier of the next date lists them again."""
        self.resting.setdefault(host, why)

    def give_up(self, error: Exception) -> None:
        """Ends the crawl: its state can no longer be kept."""
        if self.trouble is None:
            self.trouble = error
            self._stopping = asyncio.ensure_future(self.crawler.stop_async())


def _fetched_at(response: Response) -> datetime:
    """Now, or when the cache got the page, where nobody was asked."""
    meta = response.meta
    if "download_latency" not in meta and "cache_timestamp" in meta:
        return datetime.fromtimestamp(meta["cache_timestamp"], UTC)
    return datetime.now(UTC)


def _outcome(error: BaseException | None, host: str) -> str:
    """One word or two for the manifest."""
    if isinstance(error, RobotsForbid):
        return "robots"
    if isinstance(error, PrivateAddress):
        return "private address"
    if isinstance(error, DownloadCancelledError):
        return "too large"  # the size limit is the only one that cancels
    if isinstance(error, IgnoreRequest):
        return "too large" if "during decompression" in str(error) else "too many redirects"
    if isinstance(error, DownloadTimeoutError):
        return "timeout"
    if isinstance(error, CannotResolveHostError) and host in REFUSED:
        return "private address"
    return "unreachable" if isinstance(error, _UNREACHABLE) and not isinstance(error, BadGzipFile) else "not readable"
