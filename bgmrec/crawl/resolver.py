"""A DNS resolver without private, loopback and link-local addresses.

Twisted's reactor calls it before every new connection (pages, redirects, robots.txt) and connects to the addresses that
it returns. No second DNS look-up follows, so that a changed answer (DNS rebinding) cannot pass the check.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from scrapy.resolver import CachingHostnameResolver
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from bgmrec.crawl.urls import ascii_host

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from twisted.internet.base import ReactorBase

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# host → refused address, for the manifest: Twisted reports only that no address was found. A global, as the reactor,
# which owns the resolver, is a global, too.
REFUSED_ADDRESSES: dict[str, str] = {}


def is_public(address: str) -> bool:
    """Whether the address is a public one; an IPv4 address inside an IPv6 address is checked, too.

    Args:
        address: IPv4 or IPv6, perhaps with a zone.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = _embedded(ip) if isinstance(ip, ipaddress.IPv6Address) else []
    if inner:
        return all(is_public(str(part)) for part in inner)
    return ip.is_global and not ip.is_multicast


def _embedded(ip: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    if ip in _NAT64:
        return [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)]
    return [part for part in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if part is not None]


@implementer(IResolutionReceiver)
class _PublicOnly:
    """Passes public addresses on, and all addresses of a host in `crawl.private_hosts`."""

    def __init__(self, receiver: Any, host: str, trusted: bool):
        self._receiver, self._host, self._trusted = receiver, host, trusted

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: IAddress) -> None:
        resolved = str(getattr(address, "host", ""))
        if self._trusted or is_public(resolved):
            self._receiver.addressResolved(address)
        else:
            REFUSED_ADDRESSES[self._host] = resolved

    def resolutionComplete(self) -> None:
        self._receiver.resolutionComplete()


@implementer(IHostnameResolver)
class PublicResolver:
    """Scrapy's caching resolver for IPv4 and IPv6, with the check on every answer, cached or not.

    Args:
        reactor: Twisted's.
        inner: Scrapy's resolver.
        private_hosts: hosts that may have private addresses.
    """

    def __init__(self, reactor: ReactorBase, inner: CachingHostnameResolver, private_hosts: Iterable[str]):
        self._reactor, self._inner = reactor, inner
        self._private_hosts = set(map(ascii_host, private_hosts))

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: ReactorBase) -> PublicResolver:
        """Called by Scrapy.

        Args:
            crawler: its settings name the private hosts.
            reactor: Twisted's.
        """
        inner = CachingHostnameResolver.from_crawler(crawler, reactor)
        return cls(reactor, inner, crawler.settings.getlist("BGMREC_PRIVATE_HOSTS"))

    def install_on_reactor(self) -> None:
        """Called by Scrapy."""
        self._reactor.installNameResolver(cast(IHostnameResolver, self))  # zope's declaration says so

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Called by the reactor; the names are those of `IHostnameResolver`.

        Args:
            resolutionReceiver: gets the addresses.
            hostName: the host.
            portNumber: of the connection.
            addressTypes: IPv4, IPv6, or both.
            transportSemantics: of the connection.
        """
        guarded: Any = _PublicOnly(resolutionReceiver, hostName, ascii_host(hostName) in self._private_hosts)
        return self._inner.resolveHostName(guarded, hostName, portNumber, addressTypes, transportSemantics)
