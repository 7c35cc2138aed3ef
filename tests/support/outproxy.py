"""A fake outbound proxy: plain requests in absolute form and CONNECT tunnels, with faults and records.

    async with OutboundProxy(user="u", password="p") as proxy:
        environ = {"HTTP_PROXY": proxy.url}
        ...
        assert proxy.requests[0].target == "CONNECT 127.0.0.1:443"

It is told where names lead (`hosts`), so that a test may use any host name without a resolver. With `tls` it is
an https proxy. With an `authority` it terminates TLS, as a company's does: it shows the client a certificate of
that CA for whatever host is asked, and asks the origin in plain.
"""

import asyncio
import base64
import contextlib
import datetime
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import trustme

from tests.support.answers import Received

PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class OutboundProxy:
    """An HTTP proxy on 127.0.0.1 and a port of its own."""

    def __init__(
        self,
        *,
        user: str | None = None,
        password: str = "",
        users: Mapping[str, str] | None = None,
        hosts: Mapping[str, tuple[str, int]] | None = None,
        tls: ssl.SSLContext | None = None,
        authority: trustme.CA | None = None,
    ) -> None:
        #: name -> password; everybody may pass if there are none.
        self.users = {**(users or {}), **({} if user is None else {user: password})}
        self.hosts = dict(hosts or {})
        self._tls = tls
        self._authority = authority
        self._connections = 0
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        #: Requests as they arrived; `target` is the absolute URL, or 'CONNECT host:port'.
        self.requests: list[Received] = []
        #: The client certificate of each connection to an https proxy; None where it had none.
        self.certificates: list[dict[str, object] | None] = []
        #: A18: reads the request and never answers.
        self.hangs = False
        #: Shows certificates that ended long ago (where it terminates TLS).
        self.shows_expired = False
        #: Waits so long before each answer.
        self.delay_s = 0.0
        #: A18: answers with this in place of a tunnel or the origin's answer (a whole HTTP answer).
        self.instead: bytes | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse_connections()

    async def drop_connections(self) -> None:
        """Cut every open connection; new ones are taken."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def refuse_connections(self) -> None:
        """Be dead: nothing listens any more."""
        assert self._server is not None
        self._server.close()
        await self.drop_connections()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.address}"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def log(self) -> list[tuple[str | None, str]]:
        """Who asked for what, oldest first: (user, target)."""
        return [(user_of(request), request.target) for request in self.requests]

    @property
    def users_by_connection(self) -> dict[int, set[str | None]]:
        """Who was seen on each connection; more than one there is a mix-up."""
        seen: dict[int, set[str | None]] = {}
        for request in self.requests:
            seen.setdefault(request.connection, set()).add(user_of(request))
        return seen

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._connections += 1
        self.certificates.append(writer.get_extra_info("peercert") or None)
        try:
            await self._serve(reader, writer, self._connections)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # cancelled: by the end of the proxy, and asyncio would complain of a connection that ends so
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        first = await reader.readexactly(1)
        if first == b"\x16":  # the client speaks TLS to a plain proxy
            await _answer(writer, "400 Bad Request")
            return
        head = first + await reader.readuntil(b"\r\n\r\n")
        method, target, headers = _parsed(head)
        shown = f"CONNECT {target}" if method == "CONNECT" else target
        request = Received(method, shown, headers, time.monotonic(), connection=connection)
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        if self.hangs:
            await reader.read()
        elif not self._is_known(request):
            await _answer(
                writer, "407 Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="out"'
            )
        elif self.instead is not None:
            writer.write(self.instead)
            await writer.drain()
        elif method == "CONNECT":
            await self._tunnel(target, reader, writer)
        else:
            await self._forward(method, target, head, reader, writer)

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        if self._authority is not None:
            writer.write(_OPEN)
            await self._terminate(self._authority, host.strip("[]"), writer)
            far = await self._dial(host.strip("[]"), int(port), writer)
        else:
            far = await self._dial(host.strip("[]"), int(port), writer)
            writer.write(_OPEN)
        await _joined(reader, writer, *far)

    async def _terminate(self, authority: trustme.CA, host: str, writer: asyncio.StreamWriter) -> None:
        """Be the origin, as far as the client can see."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        not_after = PAST if self.shows_expired else None
        authority.issue_cert(host, not_after=not_after).configure_cert(context)
        plain = writer.transport
        try:
            await writer.start_tls(context)
        except BaseException:
            plain.abort()
            raise

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

    def _is_known(self, request: Received) -> bool:
        if not self.users:
            return True
        return request.headers.get("proxy-authorization") in {_basic(*pair) for pair in self.users.items()}

    async def _dial(
        self, host: str, port: int, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self.hosts.get(host, (host, port))
        try:
            return await asyncio.open_connection(host, port)
        except OSError:
            await _answer(writer, "502 Bad Gateway")
            raise


def user_of(request: Received) -> str | None:
    """Return the user whose credentials a request carried."""
    coded = request.headers.get("proxy-authorization", "").removeprefix("Basic ")
    return base64.b64decode(coded).decode().partition(":")[0] if coded else None


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
