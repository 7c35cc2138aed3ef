"""A file's bytes as a stream's body, read piece by piece on the threads of the remote."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from proxy.upstream.errors import Truncated, UpstreamError
from proxy.upstream.folder import ORIGIN, Held, unreadable
from proxy.upstream.pace import Bandwidth
from proxy.upstream.stream import Span
from proxy.upstream.threads import Threads

T = TypeVar("T")

_PIECE_BYTES = 256 * 1024


class FileBody:
    """The bytes of a span of an open file, which it owns.

    A file that is written to meanwhile is two files in one: whatever was read of it counts as cut short.
    """

    #: No more is read than was announced.
    has_surplus = False

    def __init__(self, held: Held, span: Span, threads: Threads, bandwidth: Bandwidth) -> None:
        self._held = held
        self._at = span.start
        self._stop = span.start if span.stop is None else span.stop
        self._threads = threads
        self._bandwidth = bandwidth

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes; raise UpstreamError (Truncated, Silent, Unreachable) unless all of them came."""
        while self._at < self._stop:
            size = min(_PIECE_BYTES, self._stop - self._at)
            piece = await self._call(partial(self._held.read_at, self._at, size))
            if not piece:
                raise Truncated("origin", "the file became shorter while it was read", origin=ORIGIN)
            self._at += len(piece)
            await self._bandwidth.spend(len(piece))
            yield piece
        if await self._call(self._held.is_changed):
            raise Truncated("origin", "the file changed while it was read", origin=ORIGIN)

    def close(self) -> None:
        """Let the file go."""
        self._threads.let_go(self._held.close)

    async def _call(self, work: Callable[[], T]) -> T:
        failure: UpstreamError
        try:
            return await self._threads.call(work)
        except OSError as error:
            failure = unreadable(error)
        raise failure
