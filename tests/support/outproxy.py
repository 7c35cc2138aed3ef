"""A fake outbound proxy: plain requests in absolute form and CONNECT tunnels, with faults and records.

    async with OutboundProxy(user="u", password="p") as proxy:
        environ = {"HTTP_PROXY": proxy.url}
        ...
        assert proxy.requests[0].target == "CONNECT 127.0.0.1:443"

It is told where names lead (`hosts`), so that a test may use any host name without a resolver.
"""

import asyncio
import base64
import contextlib
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.support.answers import Received


class OutboundProxy:
    """An HTTP proxy on 127.0.0.1 and a port of its own."""

    def __init__(
        self,
        *,
        user: str | None = None,
        password: str = "",
        hosts: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        self._wanted = None if user is None else _basic(user, password)
        self._hosts = dict(hosts or {})
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        #: Requests as they arrived; `target` is the absolute URL, or 'CONNECT host:port'.
        self.requests: list[Received] = []
        #: A18: reads the request and never answers.
        self.hangs = False
        #: A18: answers CONNECT with this in place of a tunnel (a whole HTTP answer).
        self.instead: bytes | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, headers = _parsed(head)
        shown = f"CONNECT {target}" if method == "CONNECT" else target
        self.requests.append(Received(method, shown, headers, time.monotonic()))
        if self.hangs:
            await reader.read()
        elif self._wanted is not None and headers.get("proxy-authorization") != self._wanted:
            await _answer(
                writer, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="out"'
            )
        elif method == "CONNECT":
            await self._tunnel(target, reader, writer)
        else:
            await self._forward(method, target, head, reader, writer)

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.instead is not None:
            writer.write(self.instead)
            await writer.drain()
            return
        host, _, port = target.rpartition(":")
        far = await self._dial(host.strip("[]"), int(port), writer)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _joined(reader, writer, *far)

    async def _forward(
        self,
        method: str,
        target: str,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Send one request on in origin form, without what was meant for the proxy, and pipe the rest."""
        parts = urlsplit(target)
        far = await self._dial(parts.hostname or "", parts.port or 80, writer)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            line
            for line in head.split(b"\r\n")[1:]
            if not line.lower().startswith((b"proxy-", b"connection:"))
        ]
        lines.insert(0, b"Connection: close")
        far[1].write(f"{method} {path} HTTP/1.1\r\n".encode() + b"\r\n".join(lines))
        await _joined(reader, writer, *far)

    async def _dial(
        self, host: str, port: int, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._hosts.get(host, (host, port))
        try:
            return await asyncio.open_connection(host, port)
        except OSError:
            await _answer(writer, "502 Bad Gateway")
            raise


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _parsed(head: bytes) -> tuple[str, str, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    pairs = (line.partition(":") for line in lines[1:-2])
    return method, target, {name.lower(): value.strip() for name, _, value in pairs}


async def _answer(writer: asyncio.StreamWriter, status: str, *fields: str) -> None:
    lines = [f"HTTP/1.1 {status}", *fields, "Content-Length: 0", "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    await writer.drain()


async def _joined(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    """Pipe both ways until the far side has ended its answer or the near side left."""
    ways = [
        asyncio.ensure_future(_pipe(reader, far_writer)),
        asyncio.ensure_future(_pipe(far_reader, writer)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        # First, because the next lines may be cancelled too when the proxy is ended.
        far_writer.close()
        await asyncio.gather(*ways, return_exceptions=True)
        with contextlib.suppress(OSError):
            await far_writer.wait_closed()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
