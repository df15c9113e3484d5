"""Which addresses a source may ask for, and when two of them are one page."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlsplit

from w3lib.url import canonicalize_url, url_query_cleaner

LONGEST = 2083  # characters, Scrapy's own limit: a longer address is a trap


class Scope:
    """The hosts of a source and their subdomains.

    Scrapy's OffsiteMiddleware drops a redirect without saying which page it belonged to; here the page is finished
    with its reason, so that every page is accounted for.
    """

    def __init__(self, hosts: Sequence[str]):
        self._hosts = tuple(host.lower() for host in hosts)

    def refusal(self, url: str) -> str | None:
        """Why the address may not be asked for; none where it may."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port  # both raise where they make no sense
        except ValueError:
            return "broken address"
        if parts.scheme not in ("http", "https"):
            return "not http"
        if parts.username is not None or parts.password is not None or len(url) > LONGEST:
            return "suspicious address"
        return None if host and self._holds(host) else "offsite"

    def _holds(self, host: str) -> bool:
        return any(host == known or host.endswith(f".{known}") for known in self._hosts)


def host_of(url: str) -> str:
    """The host, which is also the name of Scrapy's download slot."""
    return urlsplit(url).hostname or ""


def key_of(url: str) -> str:
    """Equal for addresses of one page: the order of the query and the fragment make no difference."""
    return hashlib.sha256(canonicalize_url(url).encode()).hexdigest()[:32]


def without_parameters(url: str, names: Sequence[str]) -> str:
    """The address without these parameters of its query."""
    return url_query_cleaner(url, list(names), remove=True, unique=False) if names and "?" in url else url
