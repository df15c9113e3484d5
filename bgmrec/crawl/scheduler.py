"""Scrapy's scheduler over the frontier: which page next, and what becomes of retries and redirects."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from time import monotonic
from typing import TYPE_CHECKING

from scrapy.core.scheduler import BaseScheduler
from scrapy.http import Request
from scrapy.utils.asyncio import CallLaterResult, call_later

from bgmrec.crawl.findings import Finding, NewPage, Page
from bgmrec.crawl.urls import host_of, key_of

if TYPE_CHECKING:
    from bgmrec.crawl.spider import SideInfoSpider

NOT_BEFORE = "bgmrec_not_before"  # request.meta: the moment before which a retry must wait


class FrontierScheduler(BaseScheduler):
    """Hands out pages host by host, the least busy host first, and never more of a host than it is asked at once.

    A host's further pages stay in the frontier and not in the downloader's queues, so that a slow host holds up
    neither the others nor a stop.
    """

    def open(self, spider: SideInfoSpider) -> None:  # type: ignore[override]
        self._spider, self._frontier = spider, spider.frontier
        self._per_host = spider.plan.settings.politeness.concurrency_per_host
        self._again: deque[Request] = deque()  # retries that may start
        self._later: set[CallLaterResult] = set()  # and those that wait

    def close(self, reason: str) -> None:
        for call in self._later:
            call.cancel()

    def has_pending_requests(self) -> bool:
        return bool(self._again or self._later) or any(
            n > 0 for host, n in self._frontier.waiting.items() if self._is_open(host)
        )

    def _is_open(self, host: str) -> bool:
        return host not in self._spider.resting

    def next_request(self) -> Request | None:
        if self._again:
            return self._again.popleft()
        try:
            page = self._next_page()
        except sqlite3.Error as error:
            self._spider.give_up(error)  # Scrapy would log it and ask again for ever
            return None
        return None if page is None else self._spider.request_for(page)

    def _next_page(self) -> Page | None:
        busy = Counter(self._frontier.under_way.values())
        hosts = [host for host, n in self._frontier.waiting.items() if n > 0 and self._is_open(host)]
        for host in sorted(hosts, key=lambda name: busy[name]):
            if busy[host] < self._per_host and (page := self._frontier.take(host)) is not None:
                return page
        return None

    def enqueue_request(self, request: Request) -> bool:
        """Takes what the downloader's middlewares return: a page once more, or the page it redirects to."""
        page: Page = request.meta["page"]
        if request.meta.get("redirect_times", 0) > page.hops and key_of(request.url) != key_of(page.url):
            try:
                self._redirect(page, request)
            except sqlite3.Error as error:
                self._spider.give_up(error)
        elif (wait := request.meta.pop(NOT_BEFORE, 0.0) - monotonic()) > 0:
            self._wait(request, wait)
        else:
            self._again.append(request)
        return True

    def _wait(self, request: Request, seconds: float) -> None:
        def due() -> None:
            self._later.discard(call)
            self._spider.crawler.engine.crawl(request)  # comes back to enqueue_request, and wakes the engine

        call = call_later(seconds, due)
        self._later.add(call)

    def _redirect(self, page: Page, request: Request) -> None:
        """The page ends here, and its target is a page of its own: a target that is known is not fetched twice."""
        status = request.meta["redirect_reasons"][-1]
        refusal = self._spider.plan.scope.refusal(request.url)
        target = NewPage(request.url, page.kind, page.depth, page.turn, request.meta["redirect_times"], page.entity_id)
        if refusal is None:
            self._spider.finish(page, Finding("redirected", status, f"to {host_of(request.url)}", pages=(target,)))
        else:
            self._spider.finish(page, Finding(refusal, status, f"redirected to {host_of(request.url) or 'nowhere'}"))
