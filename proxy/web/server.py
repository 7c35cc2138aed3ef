"""The listening server: sockets, TLS, connections, and a stop that lets answers finish.

aiohttp's low-level `Server` under our own connections; its defaults for time (an hour for a header, none
for the rest) are replaced by the settings' (reliability, section 0 item 11). Stopping: no new connection,
idle ones end, the rest finish within `stop_timeout`, what is left then is aborted.
"""

import asyncio
import errno
import itertools
import re
import secrets
import ssl
from pathlib import Path
from typing import cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from proxy.config.settings import Server as ServerSettings
from proxy.model.clock import Clock
from proxy.web.connection import Connection, Phase
from proxy.web.deadlines import Limits, Watch
from proxy.web.door import Door
from proxy.web.exchange import Exchange
from proxy.web.metrics import Metrics
from proxy.web.respond import Responder
from proxy.web.trust import Trust

MAX_LINE_BYTES = 8190
MAX_HEADER_FIELDS = 100
BACKLOG = 1024
#: How long handlers may take to unwind once they are cancelled.
UNWIND_S = 2.0
#: How long a stop waits for answers to clients that have closed their sending side: most of these are gone.
HALF_CLOSED_S = 2.0
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


class CannotListen(OSError):
    """The address cannot be listened on; the text names the setting to change."""


class Listener(web.Server):
    """Makes a `Connection` per client and an `Exchange` per request."""

    def __init__(
        self, door: Door, watch: Watch, trust: Trust, settings: ServerSettings, clock: Clock
    ) -> None:
        super().__init__(
            door.handle,
            request_factory=self._exchange,
            keepalive_timeout=settings.idle_timeout_s,
            lingering_time=settings.body_timeout_s,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADER_FIELDS,
            access_log=None,
            auto_decompress=False,
        )
        self._door = door
        self._watch = watch
        self._trust = trust
        self.follow(settings)
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self.monotonic = clock.monotonic

    def follow(self, settings: ServerSettings) -> None:
        """Take these times for connections to come, and for the bodies of all."""
        self._body_timeout_s = settings.body_timeout_s
        self._kwargs |= {
            "keepalive_timeout": settings.idle_timeout_s,
            "lingering_time": settings.body_timeout_s,
        }

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)

    def opened(self, connection: Connection) -> None:
        self.judge(connection)
        self._watch.opened(connection)

    def judge(self, connection: Connection) -> None:
        """Note whose the connection is, and under which URL it reaches the server."""
        wire = connection.wire
        peer, own = (wire.get_extra_info("peername"), wire.get_extra_info("sockname")) if wire else ("", "")
        connection.client = str(peer[0]) if peer else ""
        connection.is_trusted = self._trust.is_trusted(connection.client)
        scheme = "https" if connection.is_secure else "http"
        connection.base_url = self._trust.local_url(scheme, str(own[0]), int(own[1])) if own else ""

    def closed(self, connection: Connection) -> None:
        self._watch.closed(connection)

    def failed(self, exchange: Exchange, status: int, error: BaseException | None) -> None:
        self._door.fail(exchange, status, error)

    def _exchange(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        connection = cast(Connection, protocol)
        request_id = f"{self._run}-{next(self._numbers):x}"
        exchange = Exchange(
            message, payload, connection, writer, task, self.monotonic(), request_id, self._body_timeout_s
        )
        connection.begin(exchange)
        return cast(web.BaseRequest, exchange)


class WebServer:
    """Listens from `start` to `stop`."""

    def __init__(
        self,
        settings: ServerSettings,
        door: Door,
        responder: Responder,
        trust: Trust,
        metrics: Metrics,
        clock: Clock,
        *,
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._door = door
        self._responder = responder
        self._trust = trust
        self._clock = clock
        self._watch = Watch(limits or Limits.of(settings), clock, metrics)
        self._listener: Listener | None = None
        self._listening: asyncio.Server | None = None
        self._certificate: str | None = None

    async def start(self) -> None:
        """Bind and accept; raises CannotListen, or ssl.SSLError for a certificate that cannot be used."""
        settings = self._settings
        context = await asyncio.to_thread(_tls, settings) if settings.tls_cert else None
        self._certificate = await asyncio.to_thread(_leaf, settings.tls_cert) if settings.tls_cert else None
        self._listener = Listener(self._door, self._watch, self._trust, settings, self._clock)
        try:
            self._listening = await self._bind(self._listener, context)
        except OSError as error:
            raise CannotListen(_words(settings, error)) from error
        self._watch.start()

    def follow(self, settings: ServerSettings) -> None:
        """Put changed settings in force, on open connections too; where to listen, and TLS, stay as they were."""
        self._settings = settings
        self._trust.follow(settings)
        self._watch.limits = Limits.of(settings)
        if self._listener is None:
            return
        self._listener.follow(settings)
        for connection in self._watch.connections:
            self._listener.judge(connection)
            connection.follow(settings.body_timeout_s)

    async def _bind(self, listener: Listener, context: ssl.SSLContext | None) -> asyncio.Server:
        settings = self._settings
        return await asyncio.get_running_loop().create_server(
            listener,
            settings.host,
            settings.port,
            ssl=context,
            backlog=BACKLOG,
            reuse_address=True,
            ssl_handshake_timeout=settings.header_timeout_s if context else None,
            ssl_shutdown_timeout=settings.header_timeout_s if context else None,
        )

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        if self._listening is None:
            return self._settings.port
        return int(self._listening.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Return the server's own URL, without a trailing slash."""
        scheme = "https" if self._settings.tls_cert else "http"
        return self._trust.local_url(scheme, self._settings.host, self.port)

    @property
    def listening_url(self) -> str:
        """Return where this machine's own programs reach the server, without a trailing slash; never `public_url`.

        The address that is really listened on, loopback where that is every address.
        """
        host = str(self._listening.sockets[0].getsockname()[0]) if self._listening else self._settings.host
        host = f"[{host}]" if ":" in host else host
        host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
        scheme = "https" if self._settings.tls_cert else "http"
        return f"{scheme}://{host}:{self.port}{self._settings.path_prefix.rstrip('/')}"

    @property
    def certificate(self) -> str | None:
        """Return the certificate that clients are shown, in PEM without the chain above it; None without TLS."""
        return self._certificate

    @property
    def connections(self) -> frozenset[Connection]:
        """Return the connections that are open now."""
        return frozenset(self._watch.connections)

    async def stop(self) -> None:
        """Stop accepting, let answers finish, end the rest."""
        if self._listening is None or self._listener is None:
            return
        self._responder.is_draining = True
        self._listening.close()
        for connection in tuple(self._watch.connections):
            if connection.phase is Phase.IDLE:
                connection.force_close()
            elif connection.phase is Phase.HANDLER:
                connection.close()
        patience = asyncio.get_running_loop().call_later(HALF_CLOSED_S, self._end_half_closed)
        try:
            async with asyncio.timeout(self._settings.stop_timeout_s):
                await self._watch.is_empty.wait()
        except TimeoutError:
            await self._end_the_rest()
        finally:
            patience.cancel()
        await self._watch.stop()
        self._listening = None

    def _end_half_closed(self) -> None:
        """Give up the answers that have not begun, of clients that have closed their sending side."""
        for connection in tuple(self._watch.connections):
            exchange = connection.exchange
            if connection.is_half_closed and exchange is not None and not exchange.has_answered:
                exchange.cancel()

    async def _end_the_rest(self) -> None:
        for connection in tuple(self._watch.connections):
            if connection.exchange is not None:
                connection.exchange.cancel()
            else:
                connection.abort()
        try:
            async with asyncio.timeout(UNWIND_S):
                await self._watch.is_empty.wait()
        except TimeoutError:
            for connection in tuple(self._watch.connections):
                connection.abort()


def _words(settings: ServerSettings, error: OSError) -> str:
    host, port = settings.host, settings.port
    match error.errno:
        case errno.EADDRINUSE:
            return f"server.port: {port} on {host} is in use by another program; stop it or set another port"
        case errno.EACCES | errno.EPERM:
            return f"server.port: this user may not listen on port {port}; set one above 1023"
    return f"server.host: {host} port {port} cannot be listened on: {error.strerror or error}"


def _leaf(path: Path) -> str | None:
    """Return the first certificate of a PEM file, which is the server's own; what else is in it stays there."""
    found = _CERTIFICATE.search(path.read_text("ascii", errors="replace"))
    return found[0] if found else None


def _tls(settings: ServerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if settings.tls_cert is not None:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    return context
