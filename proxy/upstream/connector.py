"""The connector: connections that are clean and go where they may.

Clean: a pooled connection that received bytes while it was idle would give them out as the answer to the next
request (aiohttp #13656, still so in 3.14.5), so it is dropped (reliability, section 0, item 6).

Where they may: the guard looks at the address at the moment a socket for it is made, which is after every
cache and every redirect, so an answer of the name service that changes in between gains nothing (A17, E03).
A connection to an outbound proxy is exempt; `Attempt` says which it is. It travels in a context variable
because aiohttp has no other way from a request to its socket, and it comes back knowing how far the request
got.
"""

import errno
import socket
import ssl
from contextvars import ContextVar
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy.upstream.errors import HopName
from proxy.upstream.guard import refusal
from proxy.upstream.names import Names

_TRIES = 5
_IDLE_S = 30.0


@dataclass(slots=True)
class Attempt:
    """One request on its way to a connection."""

    is_proxied: bool
    hop: HopName = "name"
    #: False while the connection comes from the pool: its failure then says nothing about the origin.
    is_new: bool = False
    #: Why an address was refused, if one was.
    refused: str | None = None
    #: Whether the host that is asked may be at a private address.
    allow_private: bool = False
    #: TLS to an https outbound proxy: without the client certificate, which is the upstream's.
    proxy_context: ssl.SSLContext | None = None
    #: Whether TLS, where it comes to that, is the one with the outbound proxy itself.
    is_at_proxy: bool = False


ATTEMPT: ContextVar[Attempt] = ContextVar("ATTEMPT")


class CleanConnector(aiohttp.TCPConnector):
    """A connector that never hands out a connection that holds bytes nobody asked for."""

    def __init__(self, names: Names, *, is_pooled: bool) -> None:
        super().__init__(
            resolver=_Resolver(names),
            # The number of requests is bounded by slots; a second limit here would only hide waiting.
            limit=0,
            force_close=not is_pooled,
            keepalive_timeout=_IDLE_S if is_pooled else None,
            socket_factory=_guarded,
        )

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        for _ in range(_TRIES):
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        raise aiohttp.ClientConnectionError("no clean upstream connection")

    def _get_ssl_context(self, req: aiohttp.ClientRequest) -> ssl.SSLContext | None:
        """Return the context of a connection; the one to an outbound proxy has a request of its own, without proxy.

        Not public, but aiohttp (3.14.5) has no other way to give proxy and origin contexts of their own.
        """
        found = super()._get_ssl_context(req)
        attempt = ATTEMPT.get()
        attempt.is_at_proxy = attempt.is_proxied and req.proxy is None
        return attempt.proxy_context if found is not None and attempt.is_at_proxy else found


class AddressBarredError(OSError):
    """The guard refused an address; aiohttp goes on to the next one, as for any that does not connect."""


def _guarded(info: aiohttp.AddrInfoType) -> socket.socket:
    """Make a socket, after asking the guard."""
    family, kind, protocol, _, address = info
    attempt = ATTEMPT.get()
    attempt.hop = "proxy" if attempt.is_proxied else "tcp"
    attempt.is_new = True
    why = None if attempt.is_proxied else refusal(str(address[0]), allow_private=attempt.allow_private)
    if why is not None:
        attempt.refused = why
        raise AddressBarredError(errno.EACCES, why)
    return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """Our names behind aiohttp's interface."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._names.addresses(host, port)
        if not found:
            raise OSError(errno.ENOENT, "the name has no address")
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """The names belong to whoever made them."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=flags)
