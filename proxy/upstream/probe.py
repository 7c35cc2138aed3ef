"""The probe: the way to an upstream hop by hop, for `feedgate doctor`.

It walks the way on connections of its own (name, TCP, the outbound proxy's answer to CONNECT, TLS), so that
it can say which step fails, and ends with a real request. It changes no breaker and no health. An https
outbound proxy is only walked to its TCP connection; the real request tells the rest.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from proxy.config.settings import Upstream
from proxy.upstream.connector import Attempt
from proxy.upstream.errors import UpstreamError
from proxy.upstream.guard import check_target, is_literal, refusal
from proxy.upstream.names import Names
from proxy.upstream.reach import Reach
from proxy.upstream.route import OutboundProxy
from proxy.upstream.target import Target
from proxy.upstream.translate import translate
from proxy.upstream.wire import Wire

_MAX_HEAD_BYTES = 16 * 1024

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of the way: 'route', 'name', 'tcp', 'proxy', 'tls' or 'origin'."""

    name: str
    ok: bool
    detail: str


class _Failed(Exception):
    """A step failed, and with it the walk."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(name)
        self.hop = Hop(name, False, detail)


class Probe:
    """The walks to one upstream."""

    def __init__(self, upstream: Upstream, names: Names, wire: Wire) -> None:
        self._upstream = upstream
        self._reach = Reach(upstream)
        self._names = names
        self._wire = wire

    async def walk(self, target: Target, status_of: Callable[[Target], Awaitable[int]]) -> list[Hop]:
        """Return the steps up to the first that fails. Raises nothing of the network's."""
        hops: list[Hop] = []
        try:
            async for hop in self._steps(target, status_of):
                hops.append(hop)
        except _Failed as failed:
            hops.append(failed.hop)
        return hops

    async def _steps(
        self, target: Target, status_of: Callable[[Target], Awaitable[int]]
    ) -> AsyncIterator[Hop]:
        proxy = self._route(target)
        yield Hop("route", True, "direct" if proxy is None else f"through {proxy.url}")
        first = target if proxy is None else proxy.target
        addresses = await self._addresses(first, is_proxy=proxy is not None)
        yield Hop("name", True, f"{first.host} is {', '.join(addresses)}")
        reader, writer = await self._connect(first, addresses)
        try:
            yield Hop("tcp", True, f"connected to port {first.port}")
            if target.scheme == "https" and (proxy is None or proxy.target.scheme == "http"):
                if proxy is not None:
                    yield Hop("proxy", True, await self._tunnel(reader, writer, proxy, target))
                yield Hop("tls", True, await self._handshake(writer, target, is_proxied=proxy is not None))
        finally:
            writer.transport.abort()
        yield await self._status(target, status_of)

    def _route(self, target: Target) -> OutboundProxy | None:
        try:
            check_target(target, allow_private=self._reach.is_private_allowed(target.host))
            return self._wire.proxy_for(target)
        except UpstreamError as error:
            failed = _Failed("route", error.detail)
        raise failed

    async def _addresses(self, first: Target, *, is_proxy: bool) -> Sequence[str]:
        if is_literal(first.host):
            return [first.host]
        try:
            async with asyncio.timeout(self._upstream.connect_timeout_s):
                found = await self._names.addresses(first.host, first.port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise _Failed("name", f"{first.host} cannot be resolved")
        why = (
            None if is_proxy else refusal(found[0], allow_private=self._reach.is_private_allowed(first.host))
        )
        if why is not None:
            raise _Failed("name", f"{first.host} is {why}")
        return found

    async def _connect(self, first: Target, addresses: Sequence[str]) -> Connection:
        try:
            async with asyncio.timeout(self._upstream.connect_timeout_s):
                return await asyncio.open_connection(addresses[0], first.port)
        except OSError as error:
            failed = _Failed("tcp", _told(error, first))
        raise failed

    async def _tunnel(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: OutboundProxy, target: Target
    ) -> str:
        host = f"[{target.host}]" if ":" in target.host else target.host
        lines = [f"CONNECT {host}:{target.port} HTTP/1.1", f"Host: {host}:{target.port}"]
        if proxy.authorization is not None:
            lines.append(f"Proxy-Authorization: {proxy.authorization.reveal()}")
        try:
            async with asyncio.timeout(self._upstream.connect_timeout_s):
                writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
                answer = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            answer = b""
        code = answer[:_MAX_HEAD_BYTES].split(b"\r\n")[0].split(b" ")[1:2]
        if code != [b"200"]:
            told = code[0].decode("ascii", "replace")[:3] if code else "nothing"
            raise _Failed("proxy", f"the outbound proxy answered {told} to CONNECT")
        return "the outbound proxy opened a tunnel"

    async def _handshake(self, writer: asyncio.StreamWriter, target: Target, *, is_proxied: bool) -> str:
        try:
            context = await self._wire.context_for(is_own=True)
            async with asyncio.timeout(self._upstream.connect_timeout_s):
                await writer.start_tls(context, server_hostname=target.host)
        except UpstreamError as error:
            failed = _Failed("tls", error.detail)
        except OSError as error:
            failed = _Failed("tls", translate(error, Attempt(is_proxied, "tcp"), target.origin).detail)
        else:
            return f"{writer.get_extra_info('ssl_object').version()}, certificate accepted"
        raise failed

    async def _status(self, target: Target, status_of: Callable[[Target], Awaitable[int]]) -> Hop:
        try:
            status = await status_of(target)
        except UpstreamError as error:
            return Hop(error.hop, False, error.detail)
        return Hop("origin", status < 400, f"answered {status}")


def _told(error: OSError, first: Target) -> str:
    return translate(error, Attempt(is_proxied=False, hop="tcp"), first.origin).detail
