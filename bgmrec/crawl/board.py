"""The live line of a crawl: pages, records, errors, rate, host queues and time left."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from scrapy import Spider, signals
from scrapy.utils.asyncio import create_looping_call

from bgmrec.crawl.frontier import Frontier
from bgmrec.runtime.logs import Progress

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

_GOOD = {"record", "page", "redirected"}
_WINDOW = 30  # seconds over which the rate is measured
_HOSTS = 3  # whose queues are shown


class Board:
    """Tells once a second how far a crawl is.

    Args:
        progress: where to tell it.
        name: of the source.
        frontier: its state.
    """

    def __init__(self, progress: Progress, name: str, frontier: Frontier):
        self._progress, self._name, self._frontier = progress, name, frontier
        self._seen: deque[tuple[float, int]] = deque(maxlen=_WINDOW + 1)

    def join_source(self, crawler: Crawler) -> None:
        """Follows the crawl from its opening to its close."""
        crawler.signals.connect(self._opened, signal=signals.spider_opened)
        crawler.signals.connect(self._closed, signal=signals.spider_closed)

    def _opened(self, spider: Spider) -> None:
        self._loop = create_looping_call(self.tell)
        self._loop.start(1.0, now=True)

    def _closed(self, spider: Spider, reason: str) -> None:
        self._loop.stop()

    def tell(self) -> None:
        counts, waiting = self._frontier.counts, self._frontier.waiting
        self._seen.append((monotonic(), counts.finished))
        rate = self._rate()
        left = waiting.total() + len(self._frontier.under_way)
        self._progress.update(
            f"crawl {self._name}",
            pages=counts.finished,
            records=counts.records,
            errors=sum(n for outcome, n in counts.outcomes.items() if outcome not in _GOOD),
            pages_per_second=round(rate, 2),
            queues=" ".join(f"{host} {n:,}" for host, n in waiting.most_common(_HOSTS) if n) or "empty",
            seconds_left=round(left / rate) if rate else "unknown",
        )

    def _rate(self) -> float:
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        return (now - before) / (last - first) if last > first else 0.0
