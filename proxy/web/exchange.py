"""One request as the door sees it, between aiohttp and the handlers.

It stands in for aiohttp's request, which computes a URL, a scheme and a peer for every request that the door
never asks for: 2 µs of 28. aiohttp's protocol wants three names of it, `_finish`, `_cancel` and `_task`; the rest
is ours. `Sent` is the response that aiohttp is given: the bytes have left already, all it tells is whether the
connection stays open.
"""

import asyncio
from typing import TYPE_CHECKING

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from multidict import CIMultiDictProxy

from proxy.model.actor import Actor
from proxy.model.problem import Problem
from proxy.web.fields import joined
from proxy.web.routes import Found

if TYPE_CHECKING:
    from proxy.web.connection import Connection

#: How an answer ended.
COMPLETE, LEFT, STALLED, ABORTED = "complete", "left", "stalled", "aborted"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange:
    """A request and what became of it."""

    __slots__ = (
        "_task",
        "actor",
        "body_timeout_s",
        "cache",
        "client",
        "connection",
        "described",
        "end",
        "found",
        "has_answered",
        "headers",
        "is_http_1_0",
        "is_known_version",
        "method",
        "payload",
        "request_id",
        "route",
        "sent_bytes",
        "shown_path",
        "started",
        "status",
        "stays_open",
        "target",
        "writer",
    )

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        connection: "Connection",
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
        started: float,
        request_id: str,
        body_timeout_s: float,
    ) -> None:
        self.payload = payload
        self.connection = connection
        self.writer = writer
        self._task: asyncio.Task[None] | None = task
        self.started = started
        self.request_id = request_id
        self.body_timeout_s = body_timeout_s
        self.method: str = message.method
        self.target: str = message.path
        self.headers: CIMultiDictProxy[str] = message.headers
        self.is_http_1_0 = message.version != HttpVersion11
        self.is_known_version = not self.is_http_1_0 or message.version == HttpVersion10
        self.stays_open: bool = not message.should_close
        self.client = connection.client
        self.route = self.shown_path = self.described = self.cache = ""
        self.end = COMPLETE
        self.status = self.sent_bytes = 0
        self.has_answered = False
        #: What is asked for and who asks, once both are known.
        self.found: Found | None = None
        self.actor: Actor | None = None

    def cancel(self) -> None:
        """Cancel the handler, or the sending of its answer."""
        if self._task is not None:
            self._task.cancel()

    def _finish(self) -> None:
        """Do nothing: aiohttp frees parts of forms here."""

    def _cancel(self, exc: BaseException) -> None:
        """Tell whoever reads the body that the client has gone."""
        self.payload.set_exception(exc)

    @property
    def has_body(self) -> bool:
        return self.payload is not EMPTY_PAYLOAD

    @property
    def is_body_read(self) -> bool:
        return self.payload.is_eof()

    async def read_body(self, max_bytes: int) -> bytes:
        """Return the body; raise Problem for one that is larger, later or not what its framing says."""
        if not self.has_body:
            return b""
        if (
            "100-continue" in (joined(self.headers, hdrs.EXPECT) or "").lower()
            and self.connection.wire is not None
        ):
            self.connection.wire.write(CONTINUE)
        try:
            async with asyncio.timeout(self.body_timeout_s):
                return await self._read_all(max_bytes)
        except TimeoutError as error:
            detail = f"the body did not arrive within {self.body_timeout_s:g} s"
            raise Problem("request-timeout", detail) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise Problem("bad-request", "the body is not framed as its headers say") from error

    async def _read_all(self, max_bytes: int) -> bytes:
        pieces: list[bytes] = []
        total = 0
        while piece := await self.payload.readany():
            total += len(piece)
            if total > max_bytes:
                raise Problem("too-large", f"the body of this request may have at most {max_bytes} bytes")
            pieces.append(piece)
        return b"".join(pieces)


class Sent(web.StreamResponse):
    """The response that has left already."""

    def __init__(self, *, stays_open: bool) -> None:
        super().__init__()
        self._keep_alive = stays_open

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        return None


#: Shared: aiohttp asks them nothing but `keep_alive`.
KEEP = Sent(stays_open=True)
CLOSE = Sent(stays_open=False)
