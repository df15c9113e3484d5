"""The settings of a source as settings of Scrapy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bgmrec.crawl.plan import PRODUCT, Plan
from bgmrec.crawl.spider import MAX_REDIRECTS

# Longest delay, in seconds, that the throttle chooses for a slow host: slower, a crawl would not end in its budget.
SLOWEST = 60.0


def scrapy_settings(plan: Plan, cache: Path) -> dict[str, Any]:
    """Scrapy's settings for a source; all others have Scrapy's defaults.

    Args:
        plan: of the source.
        cache: path of the HTTP cache.
    """
    politeness, budget = plan.settings.politeness, plan.settings.budget
    return {
        "USER_AGENT": plan.user_agent,
        "ROBOTSTXT_OBEY": True,
        "ROBOTSTXT_USER_AGENT": PRODUCT,
        "SCHEDULER": "bgmrec.crawl.scheduler.FrontierScheduler",
        "DOWNLOADER_MIDDLEWARES": {
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,  # bgmrec.crawl.urls.Scope
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
            "bgmrec.crawl.robots.RobotsMiddleware": 100,
            "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
            "bgmrec.crawl.politeness.RetryWithBackoff": 550,
            "bgmrec.crawl.budget.HostBudget": 950,
        },
        "EXTENSIONS": {
            "scrapy.extensions.throttle.AutoThrottle": None,
            "bgmrec.crawl.politeness.CrawlDelayThrottle": 0,
            "scrapy.extensions.logstats.LogStats": None,  # CrawlProgress shows more
        },
        "TWISTED_DNS_RESOLVER": "bgmrec.crawl.resolver.PublicResolver",
        "BGMREC_PRIVATE_HOSTS": plan.settings.private_hosts,
        # a proxy would resolve names itself, without the check of PublicResolver
        "HTTPPROXY_ENABLED": False,
        "DOWNLOAD_HANDLERS": dict.fromkeys(("data", "file", "ftp", "s3")),
        "DOWNLOAD_VERIFY_CERTIFICATES": True,
        "COOKIES_ENABLED": False,
        "REFERRER_POLICY": "no-referrer",  # an address may contain a user id
        # a page with a refresh header is read instead of its target
        "METAREFRESH_ENABLED": False,
        "REDIRECT_MAX_TIMES": MAX_REDIRECTS,
        "HTTPERROR_ALLOW_ALL": True,  # the spider counts every status
        # AutoThrottle needs a delay above 0 to pause a slot; jitter would go below the delay
        "DOWNLOAD_DELAY": max(politeness.delay, 0.001),
        "DOWNLOAD_DELAY_JITTER": 0.0,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": 2 * politeness.delay,
        "AUTOTHROTTLE_MAX_DELAY": max(SLOWEST, politeness.delay),
        "AUTOTHROTTLE_TARGET_CONCURRENCY": float(politeness.concurrency_per_host),
        "CONCURRENT_REQUESTS": politeness.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": politeness.concurrency_per_host,
        "DOWNLOAD_TIMEOUT": politeness.timeout,
        "DOWNLOAD_MAXSIZE": budget.page_bytes,
        "DOWNLOAD_WARNSIZE": 0,
        "RETRY_TIMES": politeness.retries,
        "RETRY_GIVE_UP_LOG_LEVEL": "DEBUG",  # the manifest counts them
        "BGMREC_RETRY_WAIT": politeness.retry_wait,
        "HTTPCACHE_ENABLED": politeness.cache_days > 0,
        "HTTPCACHE_POLICY": "scrapy.extensions.httpcache.RFC2616Policy",
        "HTTPCACHE_STORAGE": "bgmrec.crawl.cache.SqliteCacheStorage",
        "BGMREC_CACHE": str(cache),
        "BGMREC_CACHE_DAYS": politeness.cache_days,
        # no ports that control the process
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "STATS_DUMP": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "LOG_VERSIONS": [],
    }
