"""The allowed addresses of a source, and the equality of addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from urllib.parse import urlsplit

from w3lib.url import canonicalize_url, url_query_cleaner

MAX_LENGTH = 2083  # characters, Scrapy's limit; a longer address is probably a trap


class Scope:
    """The hosts of a source and their subdomains.

    Scrapy's OffsiteMiddleware drops a redirect without its page; here the page is finished with a reason, so that the
    manifest counts every page.

    Args:
        hosts: names.
    """

    def __init__(self, hosts: Sequence[str]):
        self._hosts = tuple(host.lower() for host in hosts)

    def refusal(self, url: str) -> str | None:
        """Why the address may not be requested; None if it may.

        Args:
            url: the address.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port  # both raise if they are not valid
        except ValueError:
            return "broken address"
        if parts.scheme not in ("http", "https"):
            return "not http"
        if parts.username is not None or parts.password is not None or len(url) > MAX_LENGTH:
            return "suspicious address"
        return None if host and self._contains(host) else "offsite"

    def _contains(self, host: str) -> bool:
        return any(host == allowed or host.endswith(f".{allowed}") for allowed in self._hosts)


def host_of(url: str) -> str:
    """The host, which is also the name of Scrapy's download slot.

    Args:
        url: the address.
    """
    return urlsplit(url).hostname or ""


def key_of(url: str) -> str:
    """A key that is equal for addresses of one page: fragment and order of the query are ignored.

    Args:
        url: the address.
    """
    return hashlib.sha256(canonicalize_url(url).encode()).hexdigest()[:32]


def without_parameters(url: str, names: Sequence[str]) -> str:
    """The address without some parameters of its query.

    Args:
        url: the address.
        names: of the parameters.
    """
    return url_query_cleaner(url, list(names), remove=True, unique=False) if names and "?" in url else url
