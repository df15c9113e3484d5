"""robots.txt, as RFC 9309 wants it: unavailable means no pages, and Crawl-delay is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Request, Response
from scrapy.robotstxt import RobotParser
from scrapy.utils.httpobj import urlparse_cached

from bgmrec.crawl.addresses import REFUSED
from bgmrec.crawl.spider import LeaveForLater, PrivateAddress, RobotsForbid, SideInfoSpider

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class _Unavailable(RobotParser):
    """Stands for a robots.txt that the host could not give."""

    @classmethod
    def from_crawler(cls, crawler: Crawler, robotstxt_body: bytes) -> _Unavailable:
        return cls()

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        return False


class _Unreachable(_Unavailable):
    """Stands for that of a host with a private address, which nobody asked."""


class ObedientRobots(RobotsTxtMiddleware):
    """Scrapy's middleware with three differences.

    A host whose robots.txt answers with 5xx or not at all is left for another day; Scrapy would fetch everything.
    The body of another error is no robots.txt: everything is allowed. Crawl-delay becomes the delay of the host's slot.
    """

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        if isinstance(rp, _Unreachable):
            raise PrivateAddress("no public address")
        if isinstance(rp, _Unavailable):
            spider = self.crawler.spider
            assert isinstance(spider, SideInfoSpider)
            spider.rest(urlparse_cached(request).hostname or "", "robots.txt was not available")
            raise LeaveForLater("robots.txt was not available")
        if rp is not None and not rp.allowed(request.url, self._robotstxt_useragent or ""):
            raise RobotsForbid("forbidden by robots.txt")

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        if response.status >= 500 or response.status == 429:
            self._settle(netloc, _Unavailable())
        elif not 200 <= response.status < 300:
            self._settle(netloc, None)
        else:
            await super()._parse_robots(response, netloc, request)
            self._keep_delay(netloc, request)

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        host = urlsplit(f"//{netloc}").hostname
        self._settle(netloc, _Unreachable() if host in REFUSED else _Unavailable())

    def _settle(self, netloc: str, parser: RobotParser | None) -> None:
        waiting: Any = self._parsers[netloc]
        self._parsers[netloc] = parser
        waiting.callback(parser)

    def _keep_delay(self, netloc: str, request: Request) -> None:
        parser = self._parsers[netloc]
        asked = parser.crawl_delay(self._robotstxt_useragent or "") if isinstance(parser, RobotParser) else None
        if not asked:
            return
        downloader, host = self.crawler.engine.downloader, urlparse_cached(request).hostname or ""
        delay = max(asked, self.crawler.settings.getfloat("DOWNLOAD_DELAY"))
        # for the slot that is there, and for the one that Scrapy makes when this has been idle for a minute
        downloader.per_slot_settings.setdefault(host, {})["delay"] = delay
        if host in downloader.slots:
            downloader.slots[host].delay = max(delay, downloader.slots[host].delay)
