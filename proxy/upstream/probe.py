"""The probe: the way to an upstream hop by hop, for `feedgate doctor`.

It walks the way on connections of its own (name, TCP, the outbound proxy's answer to CONNECT and its authentication,
TLS and who signed it), so that it can say which step fails, and ends with a real request, whose answer tells whether
an index is there and what time it is. It changes no breaker and no health.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from proxy.config.settings import Upstream
from proxy.model.certificate import Certificate
from proxy.model.clock import Clock
from proxy.upstream import chains_seen, tunnel
from proxy.upstream.authorities import authorities_of
from proxy.upstream.connector import Attempt
from proxy.upstream.errors import ProxyAuthRefused, UpstreamError
from proxy.upstream.guard import check_target, is_literal, refusal
from proxy.upstream.hop import Hop, HopStep, StepFailed
from proxy.upstream.looks import DOUBT
from proxy.upstream.names import Names
from proxy.upstream.reach import Reach
from proxy.upstream.route import OutboundProxy
from proxy.upstream.sight import Sight, Whole, clock_hop
from proxy.upstream.target import Target
from proxy.upstream.translate import translate, unwrapped
from proxy.upstream.wire import Wire

#: X509_V_ERR_HOSTNAME_MISMATCH, …EMAIL…, …IP_ADDRESS…
_OTHER_NAME = frozenset({62, 63, 64})

Look = Callable[[Target], Awaitable[Sight]]
#: Why the first bytes of an answer cannot be what is looked for, or None.
Judge = Callable[[bytes], str | None]


@dataclass(frozen=True, slots=True)
class _Line:
    """A connection on its way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def drop(self) -> None:
        self.writer.transport.abort()


class Probe:
    """The walks to one upstream."""

    def __init__(self, upstream: Upstream, names: Names, wire: Wire, clock: Clock) -> None:
        self._upstream = upstream
        self._reach = Reach(upstream)
        self._names = names
        self._wire = wire
        self._clock = clock

    async def walk(
        self, target: Target, look: Look, judge: Judge | None = None, whole: Whole | None = None
    ) -> list[Hop]:
        """Return the steps up to the first that fails. Raises nothing of the network's."""
        hops: list[Hop] = []
        try:
            async for hop in self._steps(target):
                hops.append(hop)
            async for hop in self._ends(target, look, judge, whole):
                hops.append(hop)
        except StepFailed as failed:
            hops.append(failed.hop)
        return hops

    async def _steps(self, target: Target) -> AsyncIterator[Hop]:
        proxy = self._route(target)
        yield Hop("route", True, "direct" if proxy is None else f"through {proxy.url}")
        first = target if proxy is None else proxy.target
        addresses = await self._addresses(first, is_proxy=proxy is not None)
        yield Hop("name", True, f"{first.host} is {', '.join(addresses)}")
        line = await self._connect(first, addresses, is_proxy=proxy is not None)
        try:
            yield Hop("tcp", True, f"connected to port {first.port}")
            if proxy is not None and proxy.target.scheme == "https":
                yield await self._agree(line, "proxy tls", proxy.target, proxy, target, addresses)
            if target.scheme == "https":
                if proxy is not None:
                    for hop in await self._tunnel(line, proxy, target):
                        yield hop
                yield await self._agree(line, "tls", target, proxy, target, addresses)
        finally:
            line.drop()

    # -- the way to a connection

    def _route(self, target: Target) -> OutboundProxy | None:
        try:
            check_target(target, allow_private=self._reach.is_private_allowed(target.host))
            return self._wire.proxy_for(target)
        except UpstreamError as error:
            failed = StepFailed("route", error.detail)
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
            whose = "the outbound proxy's name" if is_proxy else "this name"
            raise StepFailed("name", f"{first.host} cannot be resolved ({whose})")
        why = (
            None if is_proxy else refusal(found[0], allow_private=self._reach.is_private_allowed(first.host))
        )
        if why is not None:
            raise StepFailed("name", f"{first.host} is {why}")
        return found

    async def _connect(self, first: Target, addresses: Sequence[str], *, is_proxy: bool) -> _Line:
        try:
            async with asyncio.timeout(self._upstream.connect_timeout_s):
                return _Line(*await asyncio.open_connection(addresses[0], first.port))
        except OSError as error:
            advice = "check the outbound proxy's address, and that it runs" if is_proxy else ""
            failed = StepFailed("tcp", f"{first.host}, port {first.port}: {_told(error, first)}", advice)
        raise failed

    async def _tunnel(self, line: _Line, proxy: OutboundProxy, target: Target) -> list[Hop]:
        asked = tunnel.request(target, proxy)
        answer = b""
        try:
            async with asyncio.timeout(self._upstream.connect_timeout_s):
                line.writer.write(asked)
                answer = await line.reader.readuntil(b"\r\n\r\n")
        except TimeoutError:
            raise StepFailed(
                "proxy", f"{proxy.url} took the connection and did not answer CONNECT in time"
            ) from None
        except asyncio.IncompleteReadError as error:
            answer = error.partial
        except (OSError, asyncio.LimitOverrunError):
            answer = b""
        return tunnel.hops(answer, proxy, target)

    # -- TLS

    async def _agree(
        self, line: _Line, step: HopStep, other: Target, proxy: OutboundProxy | None, target: Target,
        addresses: Sequence[str],
    ) -> Hop:  # fmt: skip
        """Agree on TLS with the proxy or the origin, and say who signed its certificate."""
        try:
            context = await self._wire.context_for(is_own=step == "tls")
            await self._start_tls(line, context, other)
        except UpstreamError as error:
            failed = StepFailed(step, error.detail)
        except (OSError, TypeError) as error:
            attempt = Attempt(proxy is not None, "tcp", is_at_proxy=step == "proxy tls")
            told = translate(error, attempt, other.origin).detail
            failed = await self._refused(step, told, unwrapped(error), proxy, target, addresses)
        else:
            return await self._accepted(line, step)
        raise failed

    async def _accepted(self, line: _Line, step: HopStep) -> Hop:
        tls: ssl.SSLObject = line.writer.get_extra_info("ssl_object")
        if not self._upstream.route.verify:
            advice = "set verify = true, and name the CA in ca_files of the route"
            return Hop(
                step, True, f"{tls.version()}; any certificate is taken (verify = false)", advice, True
            )
        own = await asyncio.to_thread(authorities_of, self._upstream.route)
        told = chains_seen.accepted(chains_seen.verified(tls), own, self._clock.now())
        return Hop(step, True, f"{tls.version()}, {told}")

    async def _refused(
        self, step: HopStep, told: str, error: BaseException, proxy: OutboundProxy | None, target: Target,
        addresses: Sequence[str],
    ) -> StepFailed:  # fmt: skip
        """Return the failure; for a refused certificate with who signed it, from a second look that trusts anybody."""
        if not isinstance(error, ssl.SSLCertVerificationError):
            return StepFailed(step, told)
        if error.verify_code in _OTHER_NAME:
            return StepFailed(step, told, "check the host name in the url: the certificate is another's")
        try:
            chain = await self._seen(step, proxy, target, addresses)
        except (OSError, StepFailed, UpstreamError):
            chain = []
        detail, advice = chains_seen.refused(chain, self._clock.now())
        return StepFailed(step, f"{told}; {detail}" if detail else told, advice)

    async def _seen(
        self, step: HopStep, proxy: OutboundProxy | None, target: Target, addresses: Sequence[str]
    ) -> list[Certificate]:
        """Return what the other side shows; nothing is sent to it."""
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        first = target if proxy is None else proxy.target
        line = await self._connect(first, addresses, is_proxy=proxy is not None)
        try:
            if proxy is not None and step == "tls":
                if proxy.target.scheme == "https":
                    await self._start_tls(line, await self._wire.context_for(is_own=False), proxy.target)
                await self._tunnel(line, proxy, target)
            other = target if proxy is None or step == "tls" else proxy.target
            await self._start_tls(line, anybody, other)
            return chains_seen.shown(line.writer.get_extra_info("ssl_object"))
        finally:
            line.drop()

    async def _start_tls(self, line: _Line, context: ssl.SSLContext, other: Target) -> None:
        async with asyncio.timeout(self._upstream.connect_timeout_s):
            await line.writer.start_tls(context, server_hostname=other.host)

    # -- the answer

    async def _ends(
        self, target: Target, look: Look, judge: Judge | None, whole: Whole | None
    ) -> AsyncIterator[Hop]:
        sight = await _saw(target, look)
        if sight.is_proxy_refusal:
            raise StepFailed("proxy authentication", tunnel.refusal(sight.challenge, self._route(target)))
        yield sight.origin_hop()
        if sight.status < 400 and judge is not None:
            yield await content(sight, judge, whole)
        clock = clock_hop(sight, self._clock.now())
        if clock is not None:
            yield clock


async def content(sight: Sight, judge: Judge, whole: Whole | None) -> Hop:
    """Return what an answer is: nothing is read whole whose beginning already says that it is no index."""
    why = judge(sight.head)
    return content_hop(why) if whole is None or why is not None else await whole.read(sight)


def content_hop(why: str | None) -> Hop:
    """Return the step that a judge's word makes."""
    return Hop("content", why in (None, DOUBT), why or "looks like an index", is_warning=why is not None)


async def _saw(target: Target, look: Look) -> Sight:
    try:
        return await look(target)
    except ProxyAuthRefused as error:
        failed = StepFailed("proxy authentication", error.detail)
    except UpstreamError as error:
        failed = StepFailed(_step_of(error), error.detail)
    raise failed


def _step_of(error: UpstreamError) -> HopStep:
    match error.hop:
        case "guard":
            return "origin"
        case step:
            return step


def _told(error: OSError, first: Target) -> str:
    return translate(error, Attempt(is_proxied=False, hop="tcp"), first.origin).detail
