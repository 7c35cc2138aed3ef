"""A body: the bytes of one answer, guarded while they arrive.

It ends in one of three ways: all of it came; an UpstreamError says why not; or it was closed early. The
length that the header promised is checked, the minimum rate is kept, our own bandwidth limit is obeyed. A
body without a promised length ends when the connection does, which proves nothing: whoever reads it needs a
digest or a grammar.
"""

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from proxy.config.settings import Rate
from proxy.model.clock import Clock
from proxy.upstream.errors import BadAnswer, Silent, TooLarge, Truncated, UpstreamError
from proxy.upstream.pace import Bandwidth, RateGuard
from proxy.upstream.translate import RAISED, translate_body

#: What the parser says of bytes after an answer.
_NOT_HTTP = aiohttp.http_exceptions.HttpProcessingError


class Body:
    """The body of one response, read once."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        *,
        origin: str,
        clock: Clock,
        rate: Rate,
        read_timeout_s: float,
        bandwidth: Bandwidth,
        expected: int | None,
        max_bytes: int | None = None,
    ) -> None:
        self._response = response
        self._origin = origin
        self._clock = clock
        self._guard = RateGuard(rate)
        has_rate = rate.bytes_per_s > 0 and rate.window_s > 0
        self._idle_s = min(read_timeout_s, rate.window_s) if has_rate else read_timeout_s
        self._bandwidth = bandwidth
        self._expected = expected
        self._max_bytes = max_bytes
        connection = response.connection
        self._protocol = None if connection is None else connection.protocol
        self.received_bytes = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come; raise UpstreamError unless all of them came."""
        while True:
            chunk = await self._read()
            if not chunk:
                break
            self._count(len(chunk))
            await self._bandwidth.spend(len(chunk))
            yield chunk
        if self._expected is not None and self.received_bytes < self._expected:
            raise Truncated("origin", "the connection ended before the body did", origin=self._origin)

    def close(self) -> None:
        """Let the connection go: back to the pool after a whole answer, else shut."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()

    @property
    def has_surplus(self) -> bool:
        """Tell whether bytes that are no part of the answer came right behind it: its length was wrong."""
        return self._protocol is not None and isinstance(self._protocol.exception(), _NOT_HTTP)

    async def _read(self) -> bytes:
        failure: UpstreamError
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(self._idle_s):
                chunk = await self._response.content.readany()
        except RAISED as error:
            failure = translate_body(error, self._origin)
        else:
            if not chunk or self._guard.is_kept(self._clock.monotonic() - began, len(chunk)):
                return chunk
            failure = Silent("origin", "fewer bytes than the minimum rate", origin=self._origin)
        self._response.close()
        raise failure

    def _count(self, size: int) -> None:
        self.received_bytes += size
        if self._expected is not None and self.received_bytes > self._expected:
            self._response.close()
            raise BadAnswer("origin", "a body longer than was announced", origin=self._origin)
        if self._max_bytes is not None and self.received_bytes > self._max_bytes:
            self._response.close()
            raise TooLarge("origin", f"a body of more than {self._max_bytes} bytes", origin=self._origin)
