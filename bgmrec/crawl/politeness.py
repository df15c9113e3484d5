"""Retries with exponential backoff and Retry-After, and a throttle that keeps each host's Crawl-delay."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import monotonic

from scrapy import Spider
from scrapy.core.downloader import Slot
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Request, Response
from scrapy.utils.httpobj import urlparse_cached

from bgmrec.crawl.resolver import REFUSED_ADDRESSES
from bgmrec.crawl.scheduler import NOT_BEFORE
from bgmrec.crawl.spider import HostPaused, SideInfoSpider

BUSY = (429, 503)  # statuses by which a host asks for fewer requests


class RetryWithBackoff(RetryMiddleware):
    """Scrapy's retries with exponential backoff, and with Retry-After, which Scrapy ignores."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        """Pauses a busy host, and decides about a retry.

        Args:
            request: that was answered.
            response: the answer.
            spider: unused.

        Raises:
            HostPaused: the host asks for a longer pause than `max_retry_after`.
        """
        if response.status in BUSY:
            self._pause(request, response)
        return super().process_response(request, response)

    def _pause(self, request: Request, response: Response) -> None:
        """Delays all requests to the host."""
        requested = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        seconds = self._wait(request) if requested is None else requested
        our_spider = self.crawler.spider
        assert isinstance(our_spider, SideInfoSpider)
        if seconds > our_spider.plan.settings.politeness.max_retry_after:
            our_spider.pause_host(urlparse_cached(request).hostname or "", f"it asked for a pause of {seconds:.0f} s")
            raise HostPaused("the host asked for a long pause")
        slot = self.crawler.engine.downloader.slots.get(request.meta.get("download_slot", ""))
        if slot is not None:
            # the slot sends its next request `delay` after `lastseen`
            slot.lastseen = max(slot.lastseen, monotonic() + seconds - slot.delay)

    def _wait(self, request: Request) -> float:
        base = self.crawler.settings.getfloat("BGMREC_RETRY_WAIT")
        return base * 2.0 ** request.meta.get("retry_times", 0)

    def _retry(self, request: Request, reason: str | Exception | type[Exception]) -> Request | None:
        if urlparse_cached(request).hostname in REFUSED_ADDRESSES:
            return None  # the address will be refused again
        retry = super()._retry(request, reason)
        if retry is not None:
            retry.meta[NOT_BEFORE] = monotonic() + self._wait(request)
        return retry


def retry_after(header: bytes | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3).

    Args:
        header: its value.
        now: the time.

    Returns:
        seconds; None if there is no header, or an unreadable one
    """
    text = (header or b"").decode("latin-1").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


class CrawlDelayThrottle(AutoThrottle):
    """Scrapy's throttle with the Crawl-delay of robots.txt as the lower bound of the delay."""

    def _adjust_delay(self, slot: Slot, latency: float, response: Response) -> None:
        super()._adjust_delay(slot, latency, response)
        slot_settings = self.crawler.engine.downloader.per_slot_settings.get(
            urlparse_cached(response).hostname or "", {}
        )
        slot.delay = max(slot.delay, slot_settings.get("delay", self.mindelay))
