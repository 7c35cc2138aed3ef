"""Whom to believe about a client (design, law 1): forwarding headers and Host count from listed proxies.

For anybody else the client's address is the peer's, and the server's own URL is the configured one or the
address it listens on. From a listed proxy, the client is the last address of X-Forwarded-For (else of
Forwarded) that is not a listed proxy itself, and the URL is what X-Forwarded-Proto and X-Forwarded-Host
(else Host) say, if they say it well; of several values the last, which the nearest proxy has added.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from multidict import MultiMapping, istr

from proxy.config.settings import Server
from proxy.web.fields import last_of

X_FORWARDED_FOR = istr("X-Forwarded-For")
X_FORWARDED_PROTO = istr("X-Forwarded-Proto")
X_FORWARDED_HOST = istr("X-Forwarded-Host")
FORWARDED = istr("Forwarded")
HOST = istr("Host")

_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z")
_FORWARDED_FOR = re.compile(r"for=(?:\"([^\"]{1,64})\"|([^;,\s]{1,64}))", re.IGNORECASE)
_Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """A client's address for the log, and the server's URL as that client sees it."""

    address: str
    base_url: str


class Trust:
    """The listed proxies."""

    def __init__(self, settings: Server) -> None:
        self.follow(settings)

    def follow(self, settings: Server) -> None:
        """Believe what these settings say from now on."""
        self._networks = tuple(ip_network(text, strict=False) for text in settings.trusted_proxies)
        self._public_url = settings.public_url.rstrip("/") if settings.public_url else None
        self._prefix = settings.path_prefix.rstrip("/")

    def is_trusted(self, peer: str) -> bool:
        """Return whether the peer is a listed proxy."""
        address = _parse(peer)
        return address is not None and any(address in network for network in self._networks)

    def local_url(self, scheme: str, host: str, port: int) -> str:
        """Return the server's URL for a client that speaks to it directly."""
        shown = f"[{host}]" if ":" in host else host
        return self._public_url or f"{scheme}://{shown}:{port}{self._prefix}"

    def judge(self, peer: str, base_url: str, headers: MultiMapping[str]) -> Client:
        """Return what a request that came through a listed proxy says of its client."""
        return Client(self._origin(peer, headers), self._public_url or self._told_url(base_url, headers))

    def _origin(self, peer: str, headers: MultiMapping[str]) -> str:
        for address in reversed(list(_forwarded(headers))):
            parsed = _parse(address)
            if parsed is None:
                return peer
            if not self.is_trusted(str(parsed)):
                return str(parsed)
        return peer

    def _told_url(self, base_url: str, headers: MultiMapping[str]) -> str:
        scheme = (last_of(headers, X_FORWARDED_PROTO) or "").lower()
        told = last_of(headers, X_FORWARDED_HOST)
        host = headers.get(HOST, "").strip() if told is None else told
        if scheme not in {"http", "https"} or not _HOST.match(host):
            return base_url
        return f"{scheme}://{host}{self._prefix}"


def _forwarded(headers: MultiMapping[str]) -> Iterable[str]:
    lines = headers.getall(X_FORWARDED_FOR, ())
    if lines:
        return [part.strip() for line in lines for part in line.split(",")]
    found = (pair for line in headers.getall(FORWARDED, ()) for pair in _FORWARDED_FOR.findall(line))
    return [quoted or plain for quoted, plain in found]


def _parse(text: str) -> _Address | None:
    """Return an address that may carry a port or brackets; an IPv4 one mapped into IPv6 as itself."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
