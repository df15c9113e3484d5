"""Retries that wait, hosts that get the rest they ask for, and a throttle that keeps every host's own delay."""

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

from bgmrec.crawl.addresses import REFUSED
from bgmrec.crawl.scheduler import NOT_BEFORE
from bgmrec.crawl.spider import LeaveForLater, SideInfoSpider

BUSY = (429, 503)  # the host asks to be left alone for a while


class PatientRetry(RetryMiddleware):
    """Scrapy's retries with exponential waits, and with Retry-After, which Scrapy does not read."""

    def process_response(
        self, request: Request, response: Response, spider: Spider | None = None
    ) -> Request | Response:
        if response.status in BUSY:
            self._rest(request, response)
        return super().process_response(request, response)

    def _rest(self, request: Request, response: Response) -> None:
        """Keeps the host's whole slot waiting, whatever is queued in it."""
        asked = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        seconds = self._wait(request) if asked is None else asked
        ours = self.crawler.spider
        assert isinstance(ours, SideInfoSpider)
        if seconds > ours.plan.settings.politeness.max_retry_after:
            ours.rest(urlparse_cached(request).hostname or "", f"it asked for {seconds:.0f} s of rest")
            raise LeaveForLater("the host asked for a long rest")
        slot = self.crawler.engine.downloader.slots.get(request.meta.get("download_slot", ""))
        if slot is not None:
            # the slot sends its next request `delay` after `lastseen`
            slot.lastseen = max(slot.lastseen, monotonic() + seconds - slot.delay)

    def _wait(self, request: Request) -> float:
        base = self.crawler.settings.getfloat("BGMREC_RETRY_WAIT")
        return base * 2.0 ** request.meta.get("retry_times", 0)

    def _retry(self, request: Request, reason: str | Exception | type[Exception]) -> Request | None:
        if urlparse_cached(request).hostname in REFUSED:
            return None  # the guard will not change its mind
        again = super()._retry(request, reason)
        if again is not None:
            again.meta[NOT_BEFORE] = monotonic() + self._wait(request)
        return again


def retry_after(header: bytes | None, now: datetime) -> float | None:
    """Seconds to wait by a Retry-After header, which gives seconds or a date (RFC 9110, 10.2.3); none if unreadable."""
    text = (header or b"").decode("latin-1").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


class KeptDelays(AutoThrottle):
    """Scrapy's throttle, which would otherwise undercut a Crawl-delay down to the delay of the settings."""

    def _adjust_delay(self, slot: Slot, latency: float, response: Response) -> None:
        super()._adjust_delay(slot, latency, response)
        own = self.crawler.engine.downloader.per_slot_settings.get(urlparse_cached(response).hostname or "", {})
        slot.delay = max(slot.delay, own.get("delay", self.mindelay))
