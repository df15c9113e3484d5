"""Budgets per host of requests, bytes and seconds, counted where requests are sent to the network."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from scrapy import Spider, signals
from scrapy.http import Request
from scrapy.utils.httpobj import urlparse_cached

from bgmrec.crawl.spider import HostPaused, SideInfoSpider

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class HostBudget:
    """The downloader middleware nearest to the network: it sees robots.txt, redirects and retries, not cache hits.

    Scrapy's CloseSpider extension limits pages, items and time of a whole crawl and of one process only.

    Args:
        crawler: Scrapy's.
    """

    def __init__(self, crawler: Crawler):
        self._crawler = crawler
        self._last: dict[str, float] = {}  # host → time of the last count
        crawler.signals.connect(self.count_bytes, signal=signals.bytes_received)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> HostBudget:
        """Called by Scrapy.

        Args:
            crawler: Scrapy's.
        """
        return cls(crawler)

    @property
    def _spider(self) -> SideInfoSpider:
        spider = self._crawler.spider
        assert isinstance(spider, SideInfoSpider)
        return spider

    def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Counts a request.

        Args:
            request: about to be sent.
            spider: unused.

        Raises:
            HostPaused: a budget of its host is used up.
        """
        host = urlparse_cached(request).hostname or ""
        budget, used = self._spider.plan.settings.budget, self._spider.frontier.used(host)
        self._count_seconds(host)
        for name, limit in {"requests": budget.requests, "bytes": budget.bytes, "seconds": budget.seconds}.items():
            if getattr(used, name) >= limit:
                self._spider.pause_host(host, f"crawl.budget.{name} is used up", by_budget=True)
                raise HostPaused("over budget")
        used.requests += 1

    def count_bytes(self, data: bytes, request: Request, spider: Spider) -> None:
        """Counts received bytes.

        Args:
            data: the bytes, as they came over the network.
            request: that they answer.
            spider: unused.
        """
        self._spider.frontier.used(urlparse_cached(request).hostname or "").bytes += len(data)

    def _count_seconds(self, host: str) -> None:
        now = monotonic()
        self._spider.frontier.used(host).seconds += now - self._last.get(host, now)
        self._last[host] = now
