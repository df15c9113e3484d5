"""Crawls one source for one date: state, Scrapy, checks, result.

Decided here: what the same command does again. An interrupted crawl resumes. A complete crawl is not repeated. Of a
crawl that ended with gaps, published or not, the pages that could not be read or lack their record are fetched again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from scrapy.crawler import AsyncCrawlerProcess

from bgmrec.config import Settings
from bgmrec.crawl.folders import Folders, crawl_folders, expander, host_lock, reset_if_settings_changed
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.manifest import check, manifest
from bgmrec.crawl.output import is_published, write_result
from bgmrec.crawl.plan import Plan, make_plan
from bgmrec.crawl.progress import CrawlProgress
from bgmrec.crawl.rates import coverage
from bgmrec.crawl.results import Pause
from bgmrec.crawl.scrapy_settings import scrapy_settings
from bgmrec.crawl.seeds import seeds
from bgmrec.crawl.spider import SideInfoSpider
from bgmrec.crawl.urls import ascii_host
from bgmrec.errors import InputError
from bgmrec.runtime.logs import Progress, logger
from bgmrec.runtime.secrets import redact_logs

STOP_SECONDS = 5.0  # after a signal, for pages in flight; the next run fetches those that do not finish


def collect(settings: Settings, ds: date, progress: Progress) -> Path:
    """Crawls the source until all pages are finished; resumes an interrupted crawl, and fills the gaps of an ended one.

    Args:
        settings: `[crawl]` and paths.
        ds: the logical date.
        progress: shows the progress.

    Returns:
        the folder of the result

    Raises:
        SettingsError: the settings of the source are incomplete.
        InputError: a list is missing, no page could be read, the state cannot be written, or another crawl is running.
        QualityGateError: too few pages had their record.
        KeyboardInterrupt: a signal stopped it; the state is kept.
    """
    plan = make_plan(settings.crawl, ds)
    where = crawl_folders(settings, plan)
    if is_published(where.result) and not where.state.exists():
        progress.done(f"crawl {plan.name}", result=str(where.result), resumed="already complete")
        return where.result
    with ExitStack() as resources:
        for host in plan.settings.hosts:
            resources.enter_context(host_lock(where.locks / ascii_host(host), f"at {host}"))
        reset_if_settings_changed(settings, plan, where)
        frontier = Frontier(where.state / "frontier.sqlite")
        resources.callback(frontier.close)
        facts = _crawl(settings, plan, frontier, where, progress)
        write_result(where.result, frontier.lines(), facts)
    _delete_state(plan, where, facts["gaps"])
    progress.done(
        f"crawl {plan.name}", pages=facts["pages"], records=facts["records"], gaps=facts["gaps"],
        seconds=facts["duration_seconds"], result=str(where.result),
    )  # fmt: skip
    return where.result


def _delete_state(plan: Plan, where: Folders, gaps: int) -> None:
    """Deletes the state of a complete crawl; one with gaps keeps it for the next run."""
    if not gaps:
        shutil.rmtree(where.state)
    elif plan.pseudonym:  # addresses in the state may contain user ids: the next run fetches all pages
        for file in where.state.glob("frontier.sqlite*"):
            file.unlink()
        (where.state / "manifest.json").unlink()


def _crawl(settings: Settings, plan: Plan, frontier: Frontier, where: Folders, progress: Progress) -> dict[str, Any]:
    """Fetches all pages; returns the manifest."""
    if not frontier.fact("seeded"):
        frontier.seed(seeds(plan, expander(settings, plan.ds, in_pattern=True)), plan.scope.refusal)
    elif frontier.fact("ended"):
        gaps = coverage(plan, frontier, {}).gaps
        frontier.retry(gaps)
        frontier.set_fact("ended", 0)
        progress.done(f"crawl {plan.name}", resumed="gaps are fetched again", pages=len(gaps))
    elif frontier.counts.finished:
        progress.done(f"crawl {plan.name}", resumed="yes", pages=frontier.counts.finished)
    frontier.set_fact("runs", frontier.fact("runs", 0) + 1)
    seconds_before, start = frontier.fact("seconds", 0.0), time.monotonic()
    finished, paused_hosts = _run(plan, frontier, where, CrawlProgress(progress, plan.name, frontier))
    frontier.set_fact("seconds", seconds_before + time.monotonic() - start)
    if not finished:
        raise KeyboardInterrupt
    frontier.set_fact("ended", 1)
    covered = coverage(plan, frontier, paused_hosts)
    facts = manifest(plan, frontier, covered, paused_hosts, frontier.fact("seconds"))
    draft = where.state / "manifest.json"
    draft.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    check(plan, facts, str(draft))
    return facts


def _run(plan: Plan, frontier: Frontier, where: Folders, line: CrawlProgress) -> tuple[bool, dict[str, Pause]]:
    """Runs Scrapy until it ends or is stopped; returns whether all pages are finished, and the paused hosts."""
    process = AsyncCrawlerProcess(scrapy_settings(plan, where.cache))
    _redirect_logs(plan)
    crawler = process.create_crawler(SideInfoSpider)
    line.follow(crawler)
    task = process.crawl(crawler, plan=plan, frontier=frontier)
    with _stopping(process):
        process.start(install_signal_handlers=False)
    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
        raise error
    spider = crawler.spider
    assert isinstance(spider, SideInfoSpider)
    if spider.state_error is not None:
        raise InputError(
            "the state of the crawl cannot be written",
            where=str(where.state),
            expected="a local disk with free space",
            found=str(spider.state_error),
            hint="free space, then give the same command again: it resumes",
        )
    line.update()
    return spider.completed, spider.paused_hosts


@contextmanager
def _stopping(process: AsyncCrawlerProcess) -> Iterator[None]:
    """SIGTERM and SIGINT stop the crawl; pages in flight have a few seconds to finish, else they are fetched again."""
    from twisted.internet import reactor as installed  # importing it earlier would install another one

    reactor: Any = installed

    def end() -> None:
        if reactor.running:
            reactor.stop()

    def stop() -> None:
        asyncio.ensure_future(process.stop()).add_done_callback(lambda _: end())
        reactor.callLater(STOP_SECONDS, end)

    def handle(number: int, _: Any) -> None:
        reactor.callFromThread(stop)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _redirect_logs(plan: Plan) -> None:
    """Sends the errors of Scrapy and Twisted to our log, without those about single pages, which the manifest has."""
    for name in ("scrapy", "twisted"):
        library = logging.getLogger(name)
        library.handlers[:] = logger.handlers
        library.propagate = False
        library.setLevel(logging.ERROR)
    for about_pages in ("scrapy.core.scraper", "scrapy.downloadermiddlewares.robotstxt"):
        logging.getLogger(about_pages).setLevel(logging.CRITICAL)  # addresses in the log may contain user ids
    redact_logs(plan.secrets)
