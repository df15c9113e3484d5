"""No connection to private, loopback or link-local addresses: checked after DNS, where every connection begins.

The reactor asks this resolver before each new connection, whether a start page, a redirect or robots.txt wants it,
and connects to what it answers: nothing lies between the check and the use that another DNS answer could slip into.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from scrapy.resolver import CachingHostnameResolver
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from twisted.internet.base import ReactorBase

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# hosts of which an address was refused, for the reason in the manifest: Twisted tells only that nothing was found.
# A module's global because the reactor, which owns the resolver, is one too.
REFUSED: dict[str, str] = {}


def is_public(address: str) -> bool:
    """Whether anybody on the Internet could be meant; an IPv4 address inside an IPv6 one is looked at too."""
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
    """Passes on public addresses, and all those of a host that the settings name."""

    def __init__(self, receiver: Any, host: str, trusted: bool):
        self._receiver, self._host, self._trusted = receiver, host, trusted

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: IAddress) -> None:
        found = str(getattr(address, "host", ""))
        if self._trusted or is_public(found):
            self._receiver.addressResolved(address)
        else:
            REFUSED[self._host] = found

    def resolutionComplete(self) -> None:
        self._receiver.resolutionComplete()


@implementer(IHostnameResolver)
class GuardedResolver:
    """Scrapy's resolver of IPv4 and IPv6 names behind the guard; its cache holds answers, not judgements."""

    def __init__(self, reactor: ReactorBase, inner: CachingHostnameResolver, private_hosts: Iterable[str]):
        self._reactor, self._inner = reactor, inner
        self._private_hosts = {host.lower() for host in private_hosts}

    @classmethod
    def from_crawler(cls, crawler: Crawler, reactor: ReactorBase) -> GuardedResolver:
        inner = CachingHostnameResolver.from_crawler(crawler, reactor)
        return cls(reactor, inner, crawler.settings.getlist("BGMREC_PRIVATE_HOSTS"))

    def install_on_reactor(self) -> None:
        self._reactor.installNameResolver(cast(IHostnameResolver, self))  # zope's declaration says so

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        guarded: Any = _PublicOnly(resolutionReceiver, hostName, hostName.lower() in self._private_hosts)
        return self._inner.resolveHostName(guarded, hostName, portNumber, addressTypes, transportSemantics)
