"""Scrapy's scheduler over the frontier: chooses the next page, and takes retries and redirects."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from time import monotonic
from typing import TYPE_CHECKING

from scrapy.core.scheduler import BaseScheduler
from scrapy.http import Request
from scrapy.utils.asyncio import CallLaterResult, call_later

from bgmrec.crawl.results import REDIRECTED, NewPage, Page, PageResult
from bgmrec.crawl.urls import host_of, key_of

if TYPE_CHECKING:
    from bgmrec.crawl.spider import SideInfoSpider

NOT_BEFORE = "bgmrec_not_before"  # request.meta: earliest time of a retry


class FrontierScheduler(BaseScheduler):
    """Chooses pages of the host with the fewest requests in flight, at most `concurrency_per_host` per host.

    All other pages stay in the frontier instead of the downloader's queues, so that a slow host delays neither other
    hosts nor a stop.
    """

    def open(self, spider: SideInfoSpider) -> None:  # type: ignore[override]
        """Called by Scrapy.

        Args:
            spider: with the frontier.
        """
        self._spider, self._frontier = spider, spider.frontier
        self._per_host = spider.plan.settings.politeness.concurrency_per_host
        self._due: deque[Request] = deque()  # retries that may start
        self._waiting: set[CallLaterResult] = set()  # retries that wait

    def close(self, reason: str) -> None:
        """Cancels waiting retries.

        Args:
            reason: unused.
        """
        for call in self._waiting:
            call.cancel()

    def has_pending_requests(self) -> bool:
        """Whether a page or a retry waits."""
        return bool(self._due or self._waiting) or any(
            n > 0 for host, n in self._frontier.waiting.items() if self._is_open(host)
        )

    def _is_open(self, host: str) -> bool:
        return host not in self._spider.paused_hosts

    def next_request(self) -> Request | None:
        """The next request, if a host may get one."""
        if self._due:
            return self._due.popleft()
        try:
            page = self._next_page()
        except sqlite3.Error as error:
            self._spider.abort(error)  # Scrapy would log it and call again without end
            return None
        return None if page is None else self._spider.request_for(page)

    def _next_page(self) -> Page | None:
        busy = Counter(self._frontier.in_flight.values())
        hosts = [host for host, n in self._frontier.waiting.items() if n > 0 and self._is_open(host)]
        for host in sorted(hosts, key=lambda name: busy[name]):
            if busy[host] < self._per_host and (page := self._frontier.take(host)) is not None:
                return page
        return None

    def enqueue_request(self, request: Request) -> bool:
        """Takes a retry or a redirect from the downloader's middlewares.

        Args:
            request: its meta `page` is the page.

        Returns:
            True: the request is accepted
        """
        page: Page = request.meta["page"]
        if request.meta.get("redirect_times", 0) > page.hops and key_of(request.url) != key_of(page.url):
            try:
                self._redirect(page, request)
            except sqlite3.Error as error:
                self._spider.abort(error)
        elif (wait := request.meta.pop(NOT_BEFORE, 0.0) - monotonic()) > 0:
            self._wait(request, wait)
        else:
            self._due.append(request)
        return True

    def _wait(self, request: Request, seconds: float) -> None:
        def due() -> None:
            self._waiting.discard(call)
            self._spider.crawler.engine.crawl(request)  # calls enqueue_request, and wakes the engine

        call = call_later(seconds, due)
        self._waiting.add(call)

    def _redirect(self, page: Page, request: Request) -> None:
        """Finishes the page and adds the target as a page, so that no target is fetched twice."""
        status = request.meta["redirect_reasons"][-1]
        refusal = self._spider.plan.scope.refusal(request.url)
        target = NewPage(
            request.url, page.kind, page.depth, page.list_page, request.meta["redirect_times"], page.entity_id
        )
        if refusal is None:
            self._spider.finish(page, PageResult(REDIRECTED, status, f"to {host_of(request.url)}", pages=(target,)))
        else:
            self._spider.finish(page, PageResult(refusal, status, f"redirected to {host_of(request.url) or 'nowhere'}"))
