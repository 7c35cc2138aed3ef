"""Writing one answer to one client: small ones in one write, files by sendfile, streams piece by piece.

A client that does not read keeps at most one piece of 64 KiB here (C05). An answer whose source fails or
ends early is never completed: the connection is aborted, so that nobody takes a part for the whole.
`exchange.end` tells which way it went; errors of the source are raised on, for the log.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from io import FileIO

from proxy.model.problem import Problem
from proxy.web.compose import FilePart, StreamPart
from proxy.web.connection import ClientGoneError
from proxy.web.exchange import ABORTED, COMPLETE, Exchange

PIECE_BYTES = 64 * 1024
#: What the kernel keeps of a stream before it can be sent.
UNSENT_BYTES = 128 * 1024
#: What is read of a file at once where sendfile cannot be used (TLS).
READ_BYTES = 256 * 1024


def write_at_once(exchange: Exchange, head: bytes, body: bytes) -> bool:
    """Write a small answer in one call and return True; False if unread bytes stand in the way.

    What the kernel does not take at once holds up the connection's next answer, not this one.
    """
    connection = exchange.connection
    wire = connection.wire
    if wire is None or len(body) > PIECE_BYTES or connection.writing_paused or wire.is_closing():
        return False
    exchange.has_answered = True
    exchange.sent_bytes = len(body)
    wire.write(head + body if body else head)
    return True


async def send_bytes(exchange: Exchange, head: bytes, body: bytes) -> None:
    """Send bytes of any length, at the client's pace."""
    async with _delivery(exchange):
        await _write(exchange, head)
        await _write(exchange, body)
        exchange.sent_bytes = len(body)


async def send_file(exchange: Exchange, head: bytes, part: FilePart) -> None:
    """Send a part of a file; raise Problem before anything is sent if the file is not there as announced."""
    file = await asyncio.to_thread(_open, part)
    try:
        async with _delivery(exchange):
            await _write(exchange, head)
            length = part.stop - part.start
            way = _copy if exchange.connection.is_secure else _sendfile
            exchange.sent_bytes = await way(exchange, file, part.start, length) if length else 0
            if exchange.sent_bytes != length:
                raise EOFError("a file became shorter while it was sent")
    finally:
        file.close()


async def send_stream(
    exchange: Exchange, head: Callable[[], bytes], part: StreamPart, length: int | None
) -> None:
    """Send a stream; a Problem before its first chunk is raised with nothing sent yet.

    `head` is asked once that chunk is there: only then is it known what becomes of the bytes.
    """
    chunks = part.open(part.start, part.stop)
    framing = _Framing(length, is_chunked=length is None and not exchange.is_http_1_0)
    try:
        async with _delivery(exchange), _little_unsent(exchange):
            first = await anext(chunks, b"")
            await _write(exchange, head())
            await _write(exchange, framing.frame(first))
            async for chunk in chunks:
                await _write(exchange, framing.frame(chunk))
            await _write(exchange, framing.end())
    finally:
        exchange.sent_bytes = framing.passed_bytes
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


class _Framing:
    """How a stream is framed: by the length announced, in HTTP chunks, or by the connection's end."""

    def __init__(self, length: int | None, *, is_chunked: bool) -> None:
        self._length = length
        self._is_chunked = is_chunked
        self.passed_bytes = 0

    def frame(self, chunk: bytes) -> bytes:
        self.passed_bytes += len(chunk)
        if self._length is not None and self.passed_bytes > self._length:
            raise EOFError("a stream is longer than announced")
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._is_chunked and chunk else chunk

    def end(self) -> bytes:
        if self._length is not None and self.passed_bytes != self._length:
            raise EOFError("a stream is shorter than announced")
        return b"0\r\n\r\n" if self._is_chunked else b""


@asynccontextmanager
async def _delivery(exchange: Exchange) -> AsyncIterator[None]:
    """Hold the connection for one sending; one that is not completed ends the connection with it."""
    is_done = False
    try:
        async with exchange.connection.held():
            yield
        is_done = True
    except ClientGoneError as gone:
        exchange.end = gone.how
        exchange.connection.abort()
    finally:
        if not is_done and exchange.has_answered and exchange.end == COMPLETE:
            exchange.end = ABORTED
            exchange.connection.abort()


@asynccontextmanager
async def _little_unsent(exchange: Exchange) -> AsyncIterator[None]:
    """Let the kernel keep little of a stream that the client is not ready for, rather than some MiB.

    Else hundreds of slow readers of an arriving file take in a gigabyte as fast as it can be copied, and everybody
    waits for that. What is on its way to the client is not limited, so no distance makes this slower.
    """
    wire = exchange.connection.wire
    connection = wire.get_extra_info("socket") if wire is not None else None
    _limit_unsent(connection, UNSENT_BYTES)
    try:
        yield
    finally:
        _limit_unsent(connection, 0)


def _limit_unsent(connection: socket.socket | None, size: int) -> None:
    """Set the limit, 0 for the system's own; not every system has one, and the client may have gone."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if connection is not None and option is not None:
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, option, size)


async def _write(exchange: Exchange, data: bytes) -> None:
    connection = exchange.connection
    view = memoryview(data)
    for start in range(0, len(view), PIECE_BYTES):
        await connection.drained()
        wire = connection.wire
        if wire is None or wire.is_closing():
            raise ClientGoneError
        exchange.has_answered = True
        wire.write(view[start : start + PIECE_BYTES])
    await connection.drained()


async def _sendfile(exchange: Exchange, file: FileIO, start: int, length: int) -> int:
    """Let the kernel copy; return how many bytes it sent."""
    connection = exchange.connection
    if connection.wire is None or connection.wire.is_closing():
        raise ClientGoneError
    connection.is_blocked = True
    try:
        loop = asyncio.get_running_loop()
        return await loop.sendfile(connection.wire, file, start, length, fallback=False)
    except asyncio.SendfileNotAvailableError:
        # Also what asyncio makes of a client that went before the first byte: the copy finds that out.
        return await _copy(exchange, file, start, length)
    except ConnectionError as error:
        raise ClientGoneError from error
    finally:
        connection.is_blocked = False


async def _copy(exchange: Exchange, file: FileIO, start: int, length: int) -> int:
    """Read and write; return how many bytes went."""
    stop, at = start + length, start
    while at < stop:
        data = await asyncio.to_thread(os.pread, file.fileno(), min(READ_BYTES, stop - at), at)
        if not data:
            break
        await _write(exchange, data)
        at += len(data)
    return at - start


def _open(part: FilePart) -> FileIO:
    try:
        file = FileIO(part.path)
    except OSError as error:
        raise Problem("busy", "the stored file cannot be opened just now; ask again") from error
    if os.fstat(file.fileno()).st_size != part.size:
        file.close()
        raise Problem("busy", "the stored file is being replaced; ask again")
    return file
