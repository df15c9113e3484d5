"""A crawl of one source and date: state, Scrapy, checks, result."""

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
from bgmrec.crawl.board import Board
from bgmrec.crawl.crawl_folders import Folders, alone, crawl_folders, drop_other_settings, expander
from bgmrec.crawl.engine import scrapy_settings
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.manifest import check, manifest
from bgmrec.crawl.output import is_published, publish
from bgmrec.crawl.plan import Plan, make_plan
from bgmrec.crawl.seeds import seeds
from bgmrec.crawl.spider import SideInfoSpider
from bgmrec.errors import InputError
from bgmrec.runtime.logs import Progress, logger
from bgmrec.runtime.secrets import WithoutSecrets

STOP_SECONDS = 5.0  # for pages under way when a stop is asked for; then they are left for the next run


def collect(settings: Settings, ds: date, progress: Progress) -> Path:
    """Crawls the source until nothing is left to fetch, or goes on where an interrupted run stopped.

    Returns:
        The folder of the result.

    Raises:
        SettingsError: the settings name no whole source.
        InputError: a list is missing, nothing could be read, the state cannot be kept, or another crawl runs.
        QualityGateError: too few pages gave their record.
        KeyboardInterrupt: it was asked to stop; the state is kept.
    """
    plan = make_plan(settings.crawl, ds)
    where = crawl_folders(settings, plan)
    if is_published(where.result):
        shutil.rmtree(where.state, ignore_errors=True)  # of a process that was killed right after publishing
        progress.done(f"crawl {plan.name}", result=str(where.result), resumed="was collected before")
        return where.result
    with ExitStack() as held:
        for host in plan.settings.hosts:
            held.enter_context(alone(where.locks / host, f"at {host}"))
        drop_other_settings(settings, plan, where)
        frontier = Frontier(where.state / "frontier.sqlite")
        held.callback(frontier.close)
        facts = _crawl(settings, plan, frontier, where, progress)
        publish(where.result, frontier.lines(), facts)
    shutil.rmtree(where.state)  # the result says it all, and addresses in the state may name users
    progress.done(
        f"crawl {plan.name}", pages=facts["pages"], records=facts["records"], seconds=facts["duration_seconds"],
        result=str(where.result),
    )  # fmt: skip
    return where.result


def _crawl(settings: Settings, plan: Plan, frontier: Frontier, where: Folders, progress: Progress) -> dict[str, Any]:
    """Fetches all pages; the manifest of a crawl that came to its end."""
    if not frontier.fact("seeded"):
        frontier.seed(seeds(plan, expander(settings, plan.ds)))
    elif frontier.counts.finished:
        progress.done(f"crawl {plan.name}", resumed="goes on", pages=frontier.counts.finished)
    frontier.set_fact("runs", frontier.fact("runs", 0) + 1)
    before, began = frontier.fact("seconds", 0.0), time.monotonic()
    finished, resting = _run(plan, frontier, where, Board(progress, plan.name, frontier))
    frontier.set_fact("seconds", before + time.monotonic() - began)
    if not finished:
        raise KeyboardInterrupt
    facts = manifest(plan, frontier, resting, frontier.fact("seconds"))
    draft = where.state / "manifest.json"
    draft.write_text(json.dumps(facts, indent=2, ensure_ascii=False), encoding="utf-8")
    check(plan, facts, str(draft))
    return facts


def _run(plan: Plan, frontier: Frontier, where: Folders, board: Board) -> tuple[bool, dict[str, str]]:
    """Runs Scrapy until it ends or is stopped; whether it came to its end, and the hosts that were left."""
    process = AsyncCrawlerProcess(scrapy_settings(plan, where.cache))
    _hand_over_logs(plan)
    crawler = process.create_crawler(SideInfoSpider)
    board.join_source(crawler)
    task = process.crawl(crawler, plan=plan, frontier=frontier)
    with _stopping(process):
        process.start(install_signal_handlers=False)
    if task.done() and not task.cancelled() and (error := task.exception()) is not None:
        raise error
    spider = crawler.spider
    assert isinstance(spider, SideInfoSpider)
    if spider.trouble is not None:
        raise InputError(
            "the state of the crawl can no longer be kept",
            where=str(where.state),
            expected="a local disk with room",
            found=str(spider.trouble),
            hint="make room, then give the same command again: it goes on where this one stopped",
        )
    board.tell()
    return spider.came_to_its_end, spider.resting


@contextmanager
def _stopping(process: AsyncCrawlerProcess) -> Iterator[None]:
    """SIGTERM and SIGINT let pages under way finish for a few seconds; nothing is lost with those that do not."""
    from twisted.internet import reactor as installed  # by the process, not before

    reactor: Any = installed

    def end() -> None:
        if reactor.running:
            reactor.stop()

    def stop() -> None:
        asyncio.ensure_future(process.stop()).add_done_callback(lambda _: end())
        reactor.callLater(STOP_SECONDS, end)

    def asked(number: int, _: Any) -> None:
        reactor.callFromThread(stop)

    before = {number: signal.signal(number, asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hand_over_logs(plan: Plan) -> None:
    """Scrapy's and Twisted's errors go where ours go; what they say about single pages is in the manifest."""
    for name in ("scrapy", "twisted"):
        theirs = logging.getLogger(name)
        theirs.handlers[:] = logger.handlers
        theirs.propagate = False
        theirs.setLevel(logging.ERROR)
    for about_pages in ("scrapy.core.scraper", "scrapy.downloadermiddlewares.robotstxt"):
        logging.getLogger(about_pages).setLevel(logging.CRITICAL)  # a log full of addresses may name users
    for handler in logger.handlers:
        handler.addFilter(WithoutSecrets(plan.secrets))
