"""One client's connection: what it is doing, and how it is ended. Bytes are written by `sending.py`.

aiohttp parses and keeps the requests of a connection in order; this subclass adds what it lacks: the state
that the deadlines are judged by, a way to end a connection that works in every state, and refusals as
problems instead of a page that repeats the input. Only hooks of `RequestHandler` that have a public name
are overridden.

A client may end its side of the connection once it has asked (RFC 9112, 9.6): what it asked is answered. Whether it
only half-closed or is gone shows when bytes are sent to it. asyncio ends a TLS connection with its client's side.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from socket import IPPROTO_TCP
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from proxy.web.exchange import CLOSE, LEFT, STALLED, Exchange

if TYPE_CHECKING:
    from proxy.web.server import Listener

#: A write that leaves anything unsent pauses the sender: at most one piece per connection is kept in memory.
WRITE_HIGH_WATER_BYTES = 1
_TCP_INFO = 11
_BYTES_ACKED_AT = 120


class ClientGoneError(Exception):
    """There is nobody to send to any more: the client left, or was cut off for not reading."""

    def __init__(self, how: str = LEFT) -> None:
        super().__init__(how)
        self.how = how


class Phase(Enum):
    """What a connection is waiting for."""

    IDLE = "idle"
    HEAD = "head"
    HANDLER = "handler"
    CLIENT = "client"


class Connection(web.RequestHandler):
    """A connection and its state. Times are monotonic seconds; 0.0 stands for 'not'.

    `head_since` and `stuck_since` are stamped by the walk that judges them, so that no request pays for a clock.
    """

    __slots__ = (
        "_how",
        "_listener",
        "_progress",
        "_scope",
        "base_url",
        "client",
        "exchange",
        "has_head",
        "head_since",
        "idle_since",
        "is_blocked",
        "is_half_closed",
        "is_secure",
        "is_trusted",
        "stuck_since",
        "wire",
    )

    def __init__(self, manager: "Listener", *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._listener = manager
        self._scope: asyncio.Timeout | None = None
        self._how = LEFT
        self._progress = 0
        self.wire: asyncio.Transport | None = None
        self.exchange: Exchange | None = None
        self.head_since = self.idle_since = self.stuck_since = 0.0
        self.client = self.base_url = ""
        self.is_secure = self.is_trusted = self.is_blocked = self.is_half_closed = False
        self.has_head = True

    def follow(self, body_timeout_s: float) -> None:
        """Take another time for the rest of a body that nobody wants."""
        self._lingering_time = body_timeout_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast(asyncio.Transport, transport)
        self.wire.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)
        self.is_secure = self.wire.get_extra_info("sslcontext") is not None
        self.idle_since = self._listener.monotonic()
        super().connection_made(transport)
        self._listener.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._listener.closed(self)
        self._wake()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.exchange is None:
            self.has_head = True
        web.RequestHandler.data_received(self, data)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # aiohttp leaves asyncio's True out
        """Keep the connection for the answers that are due; without any, or over TLS, it ends here."""
        waiting = self._messages[-1][1] if self._messages else self.exchange and self.exchange.payload
        if not waiting or self.is_secure:
            return None
        self.is_half_closed = True
        if not waiting.is_eof():
            waiting.set_exception(web.RequestPayloadError("the client ended its side within the body"))
        return True

    @property
    def is_last(self) -> bool:
        """Whether the client asks nothing after the request at hand."""
        return self.is_half_closed and not self._messages

    def begin(self, exchange: Exchange) -> None:
        """Note that a request has been read up to its body."""
        self.exchange = exchange
        self.has_head = False
        self.head_since = 0.0

    def finish(self, ended: float) -> None:
        """Note that the request has been answered, or that there is nobody to answer."""
        # A body that nobody read is discarded by aiohttp for as long as `lingering_time`, and then the
        # connection is closed: it is never idle again.
        exchange = self.exchange
        if exchange is None or not exchange.has_body or exchange.is_body_read:
            self.exchange = None
        self.idle_since = ended

    @property
    def phase(self) -> Phase:
        if self.is_blocked or (self.wire is not None and self.wire.get_write_buffer_size()):
            return Phase.CLIENT
        if self.exchange is not None:
            return Phase.HANDLER
        return Phase.HEAD if self.has_head else Phase.IDLE

    def has_progressed(self) -> bool:
        """Return whether the client has taken bytes since the last call.

        The kernel's count of acknowledged bytes sees what a sendfile sends too; where there is none (not
        Linux), the bytes left in our own buffer must do.
        """
        wire = self.wire
        if wire is None:
            return False
        progress = _acknowledged(wire)
        if progress is None:
            progress = -wire.get_write_buffer_size()
        has_moved, self._progress = progress != self._progress, progress
        return has_moved

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Run a sending that `cut` or the client's leaving ends at once, as ClientGoneError."""
        try:
            async with asyncio.timeout(None) as scope:
                self._scope = scope
                try:
                    yield
                finally:
                    self._scope = None
        except TimeoutError:
            if scope.expired():
                raise ClientGoneError(self._how) from None
            raise

    async def drained(self) -> None:
        """Wait until the client has taken all but what the kernel keeps."""
        if not self.writing_paused or self.exchange is None:
            return
        self.is_blocked = True
        try:
            await self.exchange.writer.drain()
        except ConnectionError as error:
            raise ClientGoneError from error
        finally:
            self.is_blocked = False

    def cut(self) -> None:
        """End the connection now, whatever it is doing; unsent bytes are dropped."""
        self._how = STALLED
        # A sendfile must be cancelled before its descriptor goes, or its future never ends.
        if not self._wake():
            self.abort()

    def abort(self) -> None:
        """Drop the connection without completing anything; nothing may be sending."""
        if self.wire is not None:
            self.wire.abort()

    def _wake(self) -> bool:
        """End the scope of a sending, once; return whether there was one."""
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.reschedule(0.0)
        return scope is not None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        self._listener.failed(cast(Exchange, request), status, exc)
        return CLOSE

    def log_exception(self, *args: Any, **kw: Any) -> None:
        # What a malformed body raises after its answer: at debug, so that no client can fill the log.
        self.logger.debug(*args, **kw)


def _acknowledged(wire: asyncio.Transport) -> int | None:
    sock = wire.get_extra_info("socket")
    try:
        info = sock.getsockopt(IPPROTO_TCP, _TCP_INFO, 256)
        return cast(int, struct.unpack_from("=Q", info, _BYTES_ACKED_AT)[0])
    except (AttributeError, OSError, struct.error):
        return None
