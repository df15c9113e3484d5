"""robots.txt by RFC 9309: no pages of a host whose robots.txt is unavailable; Crawl-delay is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Request, Response
from scrapy.robotstxt import RobotParser
from scrapy.utils.httpobj import urlparse_cached

from bgmrec.crawl.resolver import REFUSED_ADDRESSES
from bgmrec.crawl.spider import HostPaused, PrivateAddress, RobotsDisallowed, SideInfoSpider

if TYPE_CHECKING:
    from scrapy.crawler import Crawler


class _Unavailable(RobotParser):
    """Represents a robots.txt that the host could not send."""

    @classmethod
    def from_crawler(cls, crawler: Crawler, robotstxt_body: bytes) -> _Unavailable:
        return cls()

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        return False


class _Unreachable(_Unavailable):
    """Represents the robots.txt of a host with a private address, which was not requested."""


class RobotsMiddleware(RobotsTxtMiddleware):
    """Scrapy's middleware with three differences.

    A host whose robots.txt is answered by 5xx, or not at all, is deferred to the next crawl date; Scrapy would fetch
    all pages. The body of another error status is not read as rules: all pages are allowed. Crawl-delay becomes the
    delay of the host's slot.
    """

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Checks a request against the rules.

        Args:
            rp: the rules of its host.
            request: about to be sent.

        Raises:
            PrivateAddress: the host has no public address.
            HostPaused: robots.txt is unavailable.
            RobotsDisallowed: the rules forbid the page.
        """
        if isinstance(rp, _Unreachable):
            raise PrivateAddress("no public address")
        if isinstance(rp, _Unavailable):
            spider = self.crawler.spider
            assert isinstance(spider, SideInfoSpider)
            spider.pause_host(urlparse_cached(request).hostname or "", "robots.txt was not available")
            raise HostPaused("robots.txt was not available")
        if rp is not None and not rp.allowed(request.url, self._robotstxt_useragent or ""):
            raise RobotsDisallowed("forbidden by robots.txt")

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
        self._settle(netloc, _Unreachable() if host in REFUSED_ADDRESSES else _Unavailable())

    def _settle(self, netloc: str, parser: RobotParser | None) -> None:
        waiting: Any = self._parsers[netloc]
        self._parsers[netloc] = parser
        waiting.callback(parser)

    def _keep_delay(self, netloc: str, request: Request) -> None:
        parser = self._parsers[netloc]
        crawl_delay = parser.crawl_delay(self._robotstxt_useragent or "") if isinstance(parser, RobotParser) else None
        if not crawl_delay:
            return
        downloader, host = self.crawler.engine.downloader, urlparse_cached(request).hostname or ""
        delay = max(crawl_delay, self.crawler.settings.getfloat("DOWNLOAD_DELAY"))
        # for the present slot, and for the one that Scrapy creates after a minute without requests
        downloader.per_slot_settings.setdefault(host, {})["delay"] = delay
        if host in downloader.slots:
            downloader.slots[host].delay = max(delay, downloader.slots[host].delay)
