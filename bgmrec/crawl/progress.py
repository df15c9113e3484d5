"""The progress line of a crawl: pages, records, errors, rate, queues by host, estimated seconds left."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from scrapy import Spider, signals
from scrapy.utils.asyncio import create_looping_call

from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.results import GOOD
from bgmrec.runtime.logs import Progress

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

_WINDOW = 30  # seconds over which the rate is measured
_HOSTS = 3  # hosts with the longest queues, which are shown


class CrawlProgress:
    """Updates the progress line once a second.

    Args:
        progress: the line.
        name: of the source.
        frontier: state of the crawl.
    """

    def __init__(self, progress: Progress, name: str, frontier: Frontier):
        self._progress, self._name, self._frontier = progress, name, frontier
        self._samples: deque[tuple[float, int]] = deque(maxlen=_WINDOW + 1)

    def follow(self, crawler: Crawler) -> None:
        """Updates the line while the spider is open.

        Args:
            crawler: Scrapy's.
        """
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    def _opened(self, spider: Spider) -> None:
        self._loop = create_looping_call(self.update)
        self._loop.start(1.0, now=True)

    def _closed(self, spider: Spider, reason: str) -> None:
        self._loop.stop()

    def update(self) -> None:
        """Updates the line."""
        counts, waiting = self._frontier.counts, self._frontier.waiting
        self._samples.append((monotonic(), counts.finished))
        rate = self._rate()
        n_unfinished = waiting.total() + len(self._frontier.in_flight)
        self._progress.update(
            f"crawl {self._name}",
            pages=counts.finished,
            records=counts.records,
            errors=sum(n for outcome, n in counts.outcomes.items() if outcome not in GOOD),
            pages_per_second=round(rate, 2),
            queues=" ".join(f"{host} {n:,}" for host, n in waiting.most_common(_HOSTS) if n) or "empty",
            seconds_left=round(n_unfinished / rate) if rate else "unknown",
        )

    def _rate(self) -> float:
        (first, before), (last, now) = self._samples[0], self._samples[-1]
        return (now - before) / (last - first) if last > first else 0.0
