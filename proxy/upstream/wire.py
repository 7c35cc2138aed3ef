"""The wire: one request, one hop, one answer's header. The only place with an aiohttp.ClientSession.

Two sessions, neither shared with another upstream: one that keeps connections, for artifacts (their digest
tells foreign bytes) and for pages over TLS; and one that uses each connection once, for pages without TLS
or asked with credentials, because bytes that are still on their way cannot be seen by any check
(reliability, appendix). Neither stores cookies, follows redirects, decodes, reads the environment or
repeats a request: aiohttp would send a request again after a lost connection, which the middleware prevents
by translating the error before the session sees it.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from proxy.config.settings import Upstream
from proxy.model.clock import Clock
from proxy.model.redact import Secret
from proxy.upstream.connector import ATTEMPT, Attempt, CleanConnector
from proxy.upstream.errors import Unreachable
from proxy.upstream.guard import check_target
from proxy.upstream.names import Names
from proxy.upstream.reach import Reach
from proxy.upstream.route import OutboundProxy, choose
from proxy.upstream.target import Target
from proxy.upstream.tls import Tls
from proxy.upstream.translate import RAISED, translate

_MAX_HEADERS = 128
#: What pip and uv take, within reason: CDNs send long policies, and long signed addresses.
_MAX_FIELD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one hop, as it is sent. `credentials` are fields that only the own origin gets."""

    method: str
    target: Target
    headers: Mapping[str, str]
    credentials: tuple[tuple[str, Secret], ...] = ()
    #: True for the upstream's own origin: it gets the client certificate.
    is_own: bool = True
    #: True when the connection may come from the pool and go back to it.
    is_pooled: bool = True


class _LostError(Exception):
    """A pooled connection turned out to be closed; nothing is known of the origin."""


class Wire:
    """The sessions of one upstream."""

    def __init__(self, upstream: Upstream, names: Names, environ: Mapping[str, str], clock: Clock) -> None:
        self._upstream = upstream
        self._names = names
        self._environ = environ
        self._tls = Tls(upstream, clock)
        self._reach = Reach(upstream)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._is_closed = False

    def proxy_for(self, target: Target) -> OutboundProxy | None:
        """Return the outbound proxy that a request for the target goes through."""
        return choose(self._upstream.route, self._environ, target)

    async def context_for(self, *, is_own: bool) -> ssl.SSLContext:
        """Return the TLS context of requests to the own origin, or to others (doctor)."""
        return await self._tls.context(is_own=is_own)

    async def send(self, request: Request) -> aiohttp.ClientResponse:
        """Return the answer, its body unread; the caller closes it. Raises UpstreamError."""
        proxy = self.proxy_for(request.target)
        check_target(request.target, allow_private=self._reach.is_private_allowed(request.target.host))
        try:
            return await self._send(request, proxy)
        except _LostError:
            pass
        # Once more, and this time the pool's other connections are just as old: take a new one.
        return await self._send(request, proxy, is_pooled=False)

    async def _send(
        self, request: Request, proxy: OutboundProxy | None, *, is_pooled: bool | None = None
    ) -> aiohttp.ClientResponse:
        session = self._session(request.is_pooled if is_pooled is None else is_pooled)
        context = await self._context(request, proxy)
        attempt = Attempt(
            is_proxied=proxy is not None,
            allow_private=self._reach.is_private_allowed(request.target.host),
            proxy_context=await self._proxy_context(proxy),
        )
        token = ATTEMPT.set(attempt)
        headers, proxy_headers = _fields(request, proxy)
        try:
            # Bounds the header as a whole: bytes that drip, or 1xx answers without end, keep sock_read quiet.
            async with asyncio.timeout(self._upstream.connect_timeout_s + self._upstream.read_timeout_s):
                return await session.request(
                    request.method,
                    URL(request.target.url, encoded=True),
                    headers=headers,
                    proxy=None if proxy is None else proxy.url,
                    proxy_headers=proxy_headers,
                    ssl=True if context is None else context,
                    allow_redirects=False,
                )
        except RAISED as error:
            failure = translate(error, attempt, request.target.origin)
        finally:
            ATTEMPT.reset(token)
        raise failure

    async def _context(self, request: Request, proxy: OutboundProxy | None) -> ssl.SSLContext | None:
        if "https" not in (request.target.scheme, None if proxy is None else proxy.target.scheme):
            return None
        return await self._tls.context(is_own=request.is_own)

    async def _proxy_context(self, proxy: OutboundProxy | None) -> ssl.SSLContext | None:
        if proxy is None or proxy.target.scheme != "https":
            return None
        return await self._tls.context(is_own=False)

    async def close(self) -> None:
        """Drop every connection; requests under way fail, later ones are refused."""
        self._is_closed = True
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    def _session(self, is_pooled: bool) -> aiohttp.ClientSession:
        if self._is_closed:
            raise Unreachable("guard", "this upstream is being closed")
        if is_pooled not in self._sessions:
            upstream = self._upstream
            self._sessions[is_pooled] = aiohttp.ClientSession(
                connector=CleanConnector(self._names, is_pooled=is_pooled),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                middlewares=(_translated,),
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=upstream.connect_timeout_s,
                    sock_connect=upstream.connect_timeout_s,
                    sock_read=upstream.read_timeout_s,
                ),
                max_headers=_MAX_HEADERS,
                max_field_size=_MAX_FIELD_BYTES,
            )
        return self._sessions[is_pooled]


def _fields(request: Request, proxy: OutboundProxy | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields for the origin and those of a CONNECT.

    Through a plain-http proxy the proxy reads the request itself, so its credentials go there; into a
    tunnel they never go, or the origin would see them.
    """
    headers = {**request.headers, **{name: secret.reveal() for name, secret in request.credentials}}
    if proxy is None:
        return headers, {}
    tunnel = {"User-Agent": request.headers.get("User-Agent", "feedgate")}
    if proxy.authorization is not None:
        carrier = tunnel if request.target.scheme == "https" else headers
        carrier["Proxy-Authorization"] = proxy.authorization.reveal()
    return headers, tunnel


async def _translated(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Translate a lost connection before the session can repeat the request on its own."""
    failure: Exception
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        attempt = ATTEMPT.get()
        if attempt.is_new or isinstance(error, aiohttp.ClientConnectorError):
            failure = translate(error, attempt, str(request.url.origin()))
        else:
            failure = _LostError()
    raise failure
