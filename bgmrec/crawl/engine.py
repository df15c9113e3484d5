"""A source's settings in Scrapy's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bgmrec.crawl.plan import PRODUCT, Plan
from bgmrec.crawl.spider import MOST_HOPS


def scrapy_settings(plan: Plan, cache: Path) -> dict[str, Any]:
    """Scrapy's settings for a source; what is not here is Scrapy's default."""
    politeness, budget = plan.settings.politeness, plan.settings.budget
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
            "bgmrec.crawl.politeness.PatientRetry": 550,
            "bgmrec.crawl.budget.HostBudget": 950,
        },
        "EXTENSIONS": {
            "scrapy.extensions.throttle.AutoThrottle": None,
            "bgmrec.crawl.politeness.KeptDelays": 0,
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
        "DOWNLOAD_DELAY": max(politeness.delay, 0.001),
        "DOWNLOAD_DELAY_JITTER": 0.0,
        "AUTOTHROTTLE_ENABLED": True,
        "AUTOTHROTTLE_START_DELAY": politeness.start_delay,
        "AUTOTHROTTLE_MAX_DELAY": max(politeness.max_delay, politeness.delay),
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
        # doors into the process that nobody asked for
        "TELNETCONSOLE_ENABLED": False,
        "REMOTE_CONTROL_ENABLED": False,
        "STATS_DUMP": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
        "LOG_VERSIONS": [],
    }
