"""A crawl of one source and date: state, Scrapy, checks, result."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import logging
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scrapy.crawler import AsyncCrawlerProcess

import bgmrec
from bgmrec.config import Settings
from bgmrec.crawl.board import Board
from bgmrec.crawl.frontier import Frontier
from bgmrec.crawl.manifest import check, manifest
from bgmrec.crawl.output import is_published, publish
from bgmrec.crawl.plan import PRODUCT, Plan, make_plan
from bgmrec.crawl.seeds import seeds
from bgmrec.crawl.spider import MOST_HOPS, SideInfoSpider
from bgmrec.errors import InputError
from bgmrec.logs import Progress, logger

STOP_SECONDS = 5.0  # for pages under way when a stop is asked for; then they are left for the next run


@dataclass(frozen=True)
class Places:
    """Folders of one source and date; all on this machine's file system.

    result: what ingest reads. state: of an unfinished crawl. cache: of the source. locks: of hosts.
    """

    result: Path
    state: Path
    cache: Path
    locks: Path


def places(settings: Settings, plan: Plan) -> Places:
    out = Path(_expand(settings, plan.ds)(plan.settings.out))
    return Places(
        result=out / plan.name / f"date={plan.ds}",
        state=out / "_state" / plan.name / str(plan.ds),
        cache=out / "_cache" / f"{plan.name}.sqlite",
        locks=out / "_state" / "locks",
    )


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
    where = places(settings, plan)
    if is_published(where.result):
        progress.done(f"crawl {plan.name}", result=str(where.result), resumed="was collected before")
        return where.result
    with ExitStack() as held:
        for host in plan.settings.hosts:
            held.enter_context(_alone(where.locks / host, f"at {host}"))
        _forget_other_settings(settings, plan, where)
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


def _crawl(settings: Settings, plan: Plan, frontier: Frontier, where: Places, progress: Progress) -> dict[str, Any]:
    """Fetches all pages; the manifest of a crawl that came to its end."""
    if not frontier.fact("seeded"):
        frontier.seed(seeds(plan, _expand(settings, plan.ds)))
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


def _run(plan: Plan, frontier: Frontier, where: Places, board: Board) -> tuple[bool, dict[str, str]]:
    """Runs Scrapy until it ends or is stopped; whether it came to its end, and the hosts that were left."""
    process = AsyncCrawlerProcess(scrapy_settings(plan, where.cache))
    _hand_over_logs(plan)
    crawler = process.create_crawler(SideInfoSpider)
    board.attach(crawler)
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
            cure="make room, then give the same command again: it goes on where this one stopped",
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


def scrapy_settings(plan: Plan, cache: Path) -> dict[str, Any]:
    """Scrapy's settings for a source; what is not here is Scrapy's default."""
    manners, budget = plan.settings.manners, plan.settings.budget
    return {
        "USER_AGENT": plan.user_agent,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": PRODUCT,
        "SCHEDULER": "bgmrec.crawl.scheduler.FrontierScheduler",
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,  # bgmrec.crawl.urls.Scope
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            "bgmrec.crawl.robots.ObedientRobots": 100,
            "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
            "bgmrec.crawl.manners.PatientRetry": 550,
            "bgmrec.crawl.budget.HostBudget": 950,
        },
        "EXTENSIONS": {
            "scrapy.extensions.throttle.AutoThrottle": None,
            "bgmrec.crawl.manners.KeptDelays": 0,
            "scrapy.extensions.logstats.LogStats": None,  # the board tells more
        },
        "TWISTED_DNS_RESOLVER": "bgmrec.crawl.addresses.GuardedResolver",
        "BGMREC_PRIVATE_HOSTS": plan.settings.private_hosts,
        # a proxy would resolve names itself, behind the guard's back
        "HTTPPROXY_ENABLED": False,
        "DOWNLOAD_HANDLERS": dict.fromkeys(("data", "file", "ftp", "s3")),
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "COOKIES_ENABLED": False,
        "REFERRER_POLICY": "no-referrer",  # an address may name a user
        # a page that refreshes itself is read as it is
        "METAREFRESH_ENABLED": False,
        "REDIRECT_MAX_TIMES": MOST_HOPS,
        "HTTPERROR_ALLOW_ALL": True,  # the spider accounts for every status
        # the throttle's slot needs a delay to pause by; a jitter would undercut the delay
        "DOWNLOAD_DELAY": max(manners.delay, 0.001),
        "DOWNLOAD_DELAY_JITTER": 0.0,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": manners.start_delay,
        "AUTOTHROTTLE_MAX_DELAY": max(manners.max_delay, manners.delay),
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(manners.concurrency_per_host),
        "CONCURRENT_REQUESTS": manners.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": manners.concurrency_per_host,
        "DOWNLOAD_TIMEOUT": manners.timeout,
        "DOWNLOAD_MAXSIZE": budget.page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "RETRY_TIMES": manners.retries,
        "RETRY_GIVE_UP_LOG_LEVEL": "DEBUG",  # the manifest counts them
        "BGMREC_RETRY_WAIT": manners.retry_wait,
        "HTTPCACHE_ENABLED": manners.cache_days > 0,
        "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy",
        "HTTPCACHE_STORAGE": "bgmrec.crawl.cache.SqliteCacheStorage",
        "BGMREC_CACHE": str(cache),
        "BGMREC_CACHE_DAYS": manners.cache_days,
        # doors into the process that nobody asked for
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "STATS_DUMP": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "LOG_VERSIONS": [],
    }


class _WithoutSecrets(logging.Filter):
    """Strikes the source's secrets out of log lines."""

    def __init__(self, secrets: tuple[str, ...]):
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        for secret in self._secrets:
            text = text.replace(secret, "***")
        record.msg, record.args = text, ()
        return True


def _hand_over_logs(plan: Plan) -> None:
    """Scrapy's and Twisted's errors go where ours go; their warnings are about single pages, which are counted."""
    for name in ("scrapy", "twisted"):
        theirs = logging.getLogger(name)
        theirs.handlers[:] = logger.handlers
        theirs.propagate = False
        theirs.setLevel(logging.ERROR)
    for handler in logger.handlers:
        handler.addFilter(_WithoutSecrets(plan.secrets))


@contextmanager
def _alone(lock: Path, what: str) -> Iterator[None]:
    """Holds a lock that dies with the process: two crawls at one host would halve the delay between requests."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another crawl is under way {what}",
                where=str(lock),
                expected="one crawl at a time for every host",
                cure="wait for it, or stop it; a killed one holds nothing",
            ) from None
        yield


def _forget_other_settings(settings: Settings, plan: Plan, where: Places) -> None:
    """Begins anew where the unfinished crawl had other settings: its records would not fit the new ones."""
    text = json.dumps({"version": bgmrec.__version__, **settings.crawl.model_dump(mode="json")}, sort_keys=True)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    mark = where.state / "settings.sha256"
    if mark.exists() and mark.read_text() != fingerprint:
        logger.info("crawl %s: begins anew, its settings have changed", plan.name)
        shutil.rmtree(where.state)
    where.state.mkdir(parents=True, exist_ok=True)
    mark.write_text(fingerprint)


def _expand(settings: Settings, ds: date) -> Callable[[str], str]:
    fill = {"{data}": settings.paths.data.rstrip("/"), "{root}": settings.paths.root.rstrip("/"), "{ds}": str(ds)}

    def expand(path: str) -> str:
        for name, value in fill.items():
            path = path.replace(name, value)
        return path

    return expand
