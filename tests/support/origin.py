"""The fake origin: a raw asyncio TCP or TLS server that can misbehave in every way a real one was seen to.

It is not built on aiohttp, whose server is too polite to send a wrong length. It keeps what tests assert
beside the result: every request as it arrived, hits per path, how many were in flight at once, what clients
abandoned.

    async with Origin() as origin:
        origin.add("/a.whl", body, etag='"1"', faults=Fault(reset_at=100))
        assert origin.hits("/a.whl") == 1
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import formatdate
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from tests.support.answers import NOT_FOUND, Body, Received, Resource, answer
from tests.support.faults import HONEST, Fault
from tests.support.receive import receive
from tests.support.send import GoneError, follow, send

#: A handler answers for every path below its prefix; None means "not mine".
Handler = Callable[[Received], Resource | None]

_MAX_HEAD = 1 << 20


class Origin:
    """A server on 127.0.0.1 and a port of its own, with scripted answers."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self._tls = tls
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._resources: dict[str, Resource] = {}
        self._turns: dict[str, list[Resource]] = {}
        self._handlers: list[tuple[str, Handler]] = []
        self._always: dict[str, Fault] = {}
        self._scripts: dict[str, list[Fault]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._active: Counter[str] = Counter()
        self._peaks: Counter[str] = Counter()
        self._aborted: Counter[str] = Counter()
        self.connections = 0
        self.requests: list[Received] = []

    # -- life

    async def __aenter__(self) -> Self:
        await self.on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.off()
        if self._held is not None:
            self._held.close()
            self._held = None

    async def on(self) -> None:
        """Listen, on the port it had before if it was off."""
        if self._server is not None:
            return
        listener, self._held = self._held or self._bound(), None
        self._server = await asyncio.start_server(
            self._connected, sock=listener, ssl=self._tls, limit=_MAX_HEAD
        )

    async def off(self) -> None:
        """Drop every connection and refuse new ones; the port stays ours."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        await self.drop_connections()
        # Bound and not listening: connects are refused and nobody else gets the port.
        self._held = self._bound()

    async def drop_connections(self) -> None:
        """Cut every open connection, answers under way included."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _bound(self) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((self._host, self._port))
        self._port = listener.getsockname()[1]
        return listener

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    # -- what it has

    def add(
        self,
        path: str,
        body: Body,
        *,
        content_type: str = "application/octet-stream",
        etag: str | None = None,
        last_modified: str | None = None,
        headers: Mapping[str, str] | None = None,
        ranges: bool = True,
        status: int = 200,
        faults: Fault | Sequence[Fault] = HONEST,
    ) -> str:
        """Put a resource at a path and return its URL; `faults` is one for every request, or a script."""
        self._turns.pop(path, None)
        self._resources[path] = Resource(
            body, content_type, etag, last_modified, dict(headers or {}), ranges, status
        )
        if isinstance(faults, Fault):
            self.always(path, faults)
        else:
            self.script(path, *faults)
        return self.url + path

    def put(self, path: str, resource: Resource) -> str:
        """Put a resource that is made already."""
        self._turns.pop(path, None)
        self._resources[path] = resource
        return self.url + path

    def remove(self, path: str) -> None:
        """Forget the path: 404 from now on."""
        self._resources.pop(path, None)
        self._turns.pop(path, None)

    def alternate(self, path: str, *resources: Resource) -> str:
        """Answer with each of these in turn, over and over: two CDN nodes with different content (A19)."""
        self._turns[path] = list(resources)
        return self.url + path

    def serve(self, prefix: str, handler: Handler) -> None:
        """Let a handler answer for the paths below a prefix that have no resource of their own."""
        self._handlers.append((prefix, handler))

    # -- how it misbehaves

    def always(self, path: str, fault: Fault) -> None:
        """Answer every request for the path ('*': for every path) with this fault; HONEST heals it."""
        self._always[path] = fault

    def script(self, path: str, *faults: Fault) -> None:
        """Answer the next requests for the path ('*': for any path) with these, one each, then as before."""
        self._scripts.setdefault(path, []).extend(faults)

    def heal(self) -> None:
        """Forget every fault."""
        self._always.clear()
        self._scripts.clear()

    # -- what it saw

    def hits(self, path: str | None = None, *, method: str | None = None) -> int:
        """How often the path (or anything) was asked for, whatever the answer."""
        return len(self.received(path, method=method))

    def received(self, path: str | None = None, *, method: str | None = None) -> list[Received]:
        """Return the requests for the path (or all), oldest first."""
        return [
            request
            for request in self.requests
            if path in (None, request.path) and method in (None, request.method)
        ]

    def peak(self, path: str | None = None) -> int:
        """How many requests for the path (or in all) were in flight at once, at most."""
        return self._peaks["*" if path is None else path]

    def active(self, path: str | None = None) -> int:
        """How many requests for the path (or in all) are in flight now."""
        return self._active["*" if path is None else path]

    def aborted(self, path: str) -> int:
        """How many answers for the path the client left before their end."""
        return self._aborted[path]

    def forget(self) -> None:
        """Start counting anew."""
        self.requests.clear()
        self._peaks.clear()
        self._aborted.clear()

    # -- the wire

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        # Not 0: asyncio's TLS transport pauses at a size >= high, and an empty buffer would never resume.
        writer.transport.set_write_buffer_limits(high=1, low=0)
        try:
            await self._converse(reader, writer, self.connections)
        except (GoneError, OSError, EOFError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # cancelled: by drop_connections, and asyncio would complain of a connection that ends so
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        while True:
            request = await receive(reader, connection)
            self.requests.append(request)
            fault = self._fault(request)
            # In flight until its answer is whole: what comes behind it, perhaps later, is no part of it.
            with self._counted(request.path):
                await self._reply(request, fault, reader, writer)
            await follow(fault, writer)
            if request.headers.get("connection", "").lower() == "close":
                return

    async def _reply(
        self, request: Received, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        reply = answer(self.resource(request), request, fault)
        dated = (("Date", formatdate(usegmt=True)), *reply.headers)
        try:
            await send(type(reply)(reply.status, dated, reply.body, reply.has_body), fault, reader, writer)
        except OSError:
            self._aborted[request.path] += 1
            raise

    def resource(self, request: Received) -> Resource:
        """Return what an honest answer to the request is made from."""
        path = request.path
        turns = self._turns.get(path)
        if turns:
            turns.append(turns.pop(0))
            return turns[-1]
        found = self._resources.get(path) or self._resources.get(unquote(path))
        if found is not None:
            return found
        for prefix, handler in self._handlers:
            made = handler(request) if path.startswith(prefix) else None
            if made is not None:
                return made
        return NOT_FOUND

    def _fault(self, request: Received) -> Fault:
        for key in (request.path, "*"):
            script = self._scripts.get(key)
            if script:
                fault = script.pop(0)
                return fault if request.method in fault.methods else HONEST
        fault = self._always.get(request.path) or HONEST
        if fault is HONEST:
            fault = self._always.get("*", HONEST)
        return fault if request.method in fault.methods else HONEST

    @contextlib.contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        for key in (path, "*"):
            self._active[key] += 1
            self._peaks[key] = max(self._peaks[key], self._active[key])
        try:
            yield
        finally:
            for key in (path, "*"):
                self._active[key] -= 1
