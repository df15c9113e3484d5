"""The spider: pages of the frontier → requests; answers and failures → results."""

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

from bgmrec.crawl.cpu_limit import cpu_limit
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.pages import Reader
from bgmrec.crawl.plan import Plan
from bgmrec.crawl.resolver import REFUSED_ADDRESSES
from bgmrec.crawl.results import Page, PageResult, Pause
from bgmrec.crawl.urls import host_of

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

MAX_REDIRECTS = 10  # in a row

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


class HostPaused(IgnoreRequest):
    """The page stays unfinished: no more pages of its host are fetched in this run."""


class RobotsDisallowed(IgnoreRequest):
    """robots.txt disallows the page."""


class PrivateAddress(IgnoreRequest):
    """The host has private addresses, and is not in `crawl.private_hosts`."""


class SideInfoSpider(scrapy.Spider):
    """Fetches the pages of one source.

    Args:
        plan: of the source.
        frontier: state of the crawl.
        kwargs: of Scrapy.
    """

    def __init__(self, plan: Plan, frontier: Frontier, **kwargs: Any):
        super().__init__(name=plan.name, **kwargs)
        self.plan, self.frontier = plan, frontier
        self.paused_hosts: dict[str, Pause] = {}
        self.state_error: Exception | None = None  # a failed write, which ends the crawl
        self.completed = False  # whether all pages are finished or deferred
        self._reader = Reader(plan)
        self._consecutive_failures: Counter[str] = Counter()

    @classmethod
    def from_crawler(cls, crawler: Crawler, *args: Any, **kwargs: Any) -> SideInfoSpider:
        """Called by Scrapy.

        Args:
            crawler: Scrapy's.
            args: of the spider.
            kwargs: of the spider.
        """
        spider: SideInfoSpider = super().from_crawler(crawler, *args, **kwargs)
        crawler.signals.connect(spider.page_failed, signal=signals.spider_error)
        return spider

    async def start(self) -> AsyncIterator[Any]:
        """No requests: the scheduler reads the start pages from the frontier."""
        no_requests: tuple[Request, ...] = ()
        for request in no_requests:
            yield request

    def request_for(self, page: Page) -> Request:
        """The request for a page.

        Args:
            page: of the frontier.
        """
        meta = {"page": page, "redirect_times": page.hops, "redirect_ttl": MAX_REDIRECTS - page.hops}
        return Request(
            page.url,
            headers=dict(self.plan.headers),
            callback=self.parse,
            errback=self.failed,
            dont_filter=True,  # the frontier has each page once
            meta=meta,
        )

    def parse(self, response: Response, **kwargs: Any) -> None:
        """Finishes a page that was answered.

        Args:
            response: the answer.
            kwargs: of Scrapy.
        """
        page: Page = response.meta["page"]
        if 200 <= response.status < 300:
            with cpu_limit():
                result = self._reader.read(page, response, _fetched_at(response))
        else:
            result = PageResult(f"http {response.status}", response.status)
        self.finish(page, result)

    def failed(self, failure: Failure) -> None:
        """Finishes a page that was not answered, or releases it if the crawl stops.

        Args:
            failure: the exception.
        """
        page: Page = failure.request.meta["page"]  # type: ignore[attr-defined]
        if isinstance(failure.value, HostPaused) or not self.crawler.crawling:
            self.frontier.release(page)  # also pages that a stop interrupted
        else:
            host = host_of(page.url)
            outcome = _outcome(failure.value, host)
            detail = REFUSED_ADDRESSES.get(host, "") if outcome == "private address" else str(failure.value)
            self.finish(page, PageResult(outcome, detail=detail))

    def page_failed(self, failure: Failure, response: Response) -> None:
        """Finishes a page whose parsing failed, so that it is not fetched again without end.

        Args:
            failure: the exception.
            response: the answer.
        """
        if isinstance(failure.value, sqlite3.Error):
            self.abort(failure.value)
            return
        page: Page = response.meta["page"]
        detail = f"{type(failure.value).__name__}: {failure.value}"
        self.finish(page, PageResult("not readable", response.status, detail))

    def closed(self, reason: str) -> None:
        """Called by Scrapy at the end.

        Args:
            reason: `finished` if no page waits.
        """
        self.completed = reason == "finished"

    def finish(self, page: Page, result: PageResult) -> None:
        """Stores the result of a page, and pauses a host after too many failures in a row.

        Args:
            page: of the frontier.
            result: of the page.
        """
        self.frontier.finish(page, result)
        host = host_of(page.url)
        if result.outcome not in _HOST_FAILURES:
            self._consecutive_failures[host] = 0
            return
        self._consecutive_failures[host] += 1
        if self._consecutive_failures[host] >= self.plan.settings.politeness.failures_in_a_row:
            self.pause_host(
                host, f"{self._consecutive_failures[host]} failures in a row, the last one: {result.outcome}"
            )

    def pause_host(self, host: str, reason: str, *, by_budget: bool = False) -> None:
        """Fetches no more pages of a host in this run; the crawl of the next date starts with them.

        Args:
            host: its name.
            reason: for the manifest.
            by_budget: whether `[crawl.budget]` asks for it, and not the host.
        """
        self.paused_hosts.setdefault(host, Pause(reason, by_budget))

    def abort(self, error: Exception) -> None:
        """Ends the crawl, because its state cannot be written.

        Args:
            error: of SQLite.
        """
        if self.state_error is None:
            self.state_error = error
            self._stopping = asyncio.ensure_future(self.crawler.stop_async())


def _fetched_at(response: Response) -> datetime:
    """Now; the time of storage if the answer came from the cache without a request."""
    meta = response.meta
    if "download_latency" not in meta and "cache_timestamp" in meta:
        return datetime.fromtimestamp(meta["cache_timestamp"], UTC)
    return datetime.now(UTC)


def _outcome(error: BaseException | None, host: str) -> str:
    """The outcome of a failure, for the manifest."""
    if isinstance(error, RobotsDisallowed):
        return "robots"
    if isinstance(error, PrivateAddress):
        return "private address"
    if isinstance(error, DownloadCancelledError):
        return "too large"  # only the size limit cancels a download
    if isinstance(error, IgnoreRequest):
        return "too large" if "during decompression" in str(error) else "too many redirects"
    if isinstance(error, DownloadTimeoutError):
        return "timeout"
    if isinstance(error, CannotResolveHostError) and host in REFUSED_ADDRESSES:
        return "private address"
    return "unreachable" if isinstance(error, _UNREACHABLE) and not isinstance(error, BadGzipFile) else "not readable"
