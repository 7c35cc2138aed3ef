"""A client that sends exactly the bytes it is told and reads answers without being polite about them.

    async with Raw(port) as raw:
        reply = await raw.ask("GET", "/healthz", "Range: bytes=0-1")
        await raw.send(b"GET / HTTP/1.1\\r\\n")          # and leave it there

An answer that ends before its announced length raises asyncio.IncompleteReadError, as it should for a client.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Self

LIMIT_S = 30.0


@dataclass(frozen=True)
class Reply:
    """One answer: header names in lower case, in the order they came."""

    status: int
    reason: str
    version: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header that may be there once."""
        found = [value for key, value in self.fields if key == name.lower()]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.fields)


class Raw:
    """One connection. `receive_buffer` shrinks the kernel's, for clients that hardly read."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None, receive_buffer: int = 0) -> None:
        self._port = port
        self._context = context
        self._receive_buffer = receive_buffer

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        if self._receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        try:
            await loop.sock_connect(sock, ("127.0.0.1", self._port))
        except OSError:
            sock.close()
            raise
        name = "localhost" if self._context else None
        limit = self._receive_buffer or 2**16
        opened = asyncio.open_connection(sock=sock, ssl=self._context, server_hostname=name, limit=limit)
        self.reader, self.writer = await opened
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def stop_reading(self) -> None:
        """Leave in the kernel whatever the server sends from now on."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    async def ask(self, method: str, target: str, *headers: str, body: bytes = b"") -> Reply:
        """Send a request with a Host and exactly these header lines, and read its answer."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *headers, "", ""]
        await self.send("\r\n".join(lines).encode("latin-1") + body)
        return await self.read(method)

    async def read(self, method: str = "GET") -> Reply:
        """Read one answer to a request of that method."""
        async with asyncio.timeout(LIMIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            reply = _head(head)
            if method == "HEAD" or reply.status in {204, 304} or reply.status < 200:
                return reply
            return Reply(*_parts(reply), await self._body(reply))

    async def read_to_end(self) -> bytes:
        """Read until the server closes; raises ConnectionResetError if it aborts."""
        async with asyncio.timeout(LIMIT_S):
            return await self.reader.read(-1)

    async def _body(self, reply: Reply) -> bytes:
        if reply.header("transfer-encoding") == "chunked":
            return await self._chunks()
        length = reply.header("content-length")
        return await self.reader.readexactly(int(length)) if length is not None else await self.reader.read()

    async def _chunks(self) -> bytes:
        body = b""
        while size := int((await self.reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body


async def ask(port: int, method: str, target: str, *headers: str, body: bytes = b"") -> Reply:
    """Ask once on a connection of its own."""
    async with Raw(port) as raw:
        return await raw.ask(method, target, *headers, body=body)


async def exchange(port: int, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the server closes; what it aborts ends there too."""
    async with Raw(port) as raw:
        received = b""
        try:
            await raw.send(data)
            async with asyncio.timeout(LIMIT_S):
                while piece := await raw.reader.read(2**16):
                    received += piece
        except ConnectionError:
            return received
        return received


def _head(data: bytes) -> Reply:
    first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    version, status, reason = first.split(" ", 2)
    fields = tuple(
        (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
    )
    return Reply(int(status), reason, version, fields, b"")


def _parts(reply: Reply) -> tuple[int, str, str, tuple[tuple[str, str], ...]]:
    return reply.status, reply.reason, reply.version, reply.fields
