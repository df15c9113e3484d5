"""The allowed addresses of a source, and the equality of hosts and addresses.

Decided here: the one form of a host, in which settings, seeds, links, redirects and sitemaps are compared: ASCII (IDNA,
as browsers encode it), lower case, without a dot at the end. The default port of the scheme is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import idna
from w3lib.url import canonicalize_url, url_query_cleaner

MAX_LENGTH = 2083  # characters, Scrapy's limit; a longer address is probably a trap
_PORTS = {"http": 80, "https": 443}


@lru_cache(maxsize=4096)
def ascii_host(host: str) -> str:
    """The one form of a host.

    Args:
        host: as it is written: in Unicode, Punycode or percent-encoded.
    """
    name = unquote(host).strip().lower().rstrip(".")
    if name.isascii():
        return name
    try:
        return idna.encode(name, uts46=True).decode()
    except UnicodeError:
        pass  # IDNA 2008 refuses underscores and emoji, which some hosts have
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def with_ascii_host(url: str) -> str:
    """The address with its host in the one form; one that is not valid stays as it is.

    Args:
        url: the address.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if parts.scheme not in _PORTS or not host or ":" in host or "@" in parts.netloc:
        return url
    suffix = "" if port is None or port == _PORTS[parts.scheme] else f":{port}"
    return parts._replace(netloc=f"{ascii_host(host)}{suffix}").geturl()


class Scope:
    """The hosts of a source and their subdomains.

    Scrapy's OffsiteMiddleware drops a redirect without its page; here the page is finished with a reason, so that the
    manifest counts every page.

    Args:
        hosts: names.
    """

    def __init__(self, hosts: Sequence[str]):
        self._hosts = tuple(map(ascii_host, hosts))

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
        return None if host and self._contains(ascii_host(host)) else "offsite"

    def _contains(self, host: str) -> bool:
        return any(host == allowed or host.endswith(f".{allowed}") for allowed in self._hosts)


def host_of(url: str) -> str:
    """The host, which is also the name of Scrapy's download slot.

    Args:
        url: the address.
    """
    try:
        return ascii_host(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def same_page_key(url: str) -> str:
    """A text that is equal for addresses of one page, whatever scheme, fragment and slash at the end they have.

    Args:
        url: the address.
    """
    try:
        text = canonicalize_url(with_ascii_host(url))
    except ValueError:
        return url
    return text.partition("://")[2].partition("#")[0].rstrip("/")


def key_of(url: str) -> str:
    """A key that is equal for addresses of one page: fragment and order of the query are ignored.

    Args:
        url: the address.
    """
    try:
        text = canonicalize_url(url)
    except ValueError:  # a broken address is a page that is refused
        text = url
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def without_parameters(url: str, names: Sequence[str]) -> str:
    """The address without some parameters of its query.

    Args:
        url: the address.
        names: of the parameters.
    """
    return url_query_cleaner(url, list(names), remove=True, unique=False) if names and "?" in url else url
