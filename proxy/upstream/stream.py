"""An origin's stream: an artifact's bytes as they arrive, exactly as they are stored at the origin.

Nothing is decoded: identity was asked for, and whatever an origin labels with a Content-Encoding all the
same is handed on as it came, with that `coding`, for size and digest to judge (A14, C4). Only a strong ETag
is handed on, because only that may join two parts of a file.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from proxy.upstream.errors import BadAnswer, UpstreamError
from proxy.upstream.exchange import Exchange
from proxy.upstream.headers import content_range, length, strong_etag


class Body(Protocol):
    """Where a stream's bytes come from: a response (`body.py`), or a file (`file_body.py`)."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes; raise UpstreamError unless all of them came."""
        ...

    def close(self) -> None:
        """Let go of what they come from."""
        ...

    @property
    def has_surplus(self) -> bool:
        """Tell whether more bytes came than were announced."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """What part of the file an answer holds. `stop` is None when the answer does not tell where it ends."""

    start: int
    stop: int | None
    total: int | None

    @property
    def expected(self) -> int | None:
        return None if self.stop is None else self.stop - self.start


class OriginStream:
    """An answer whose body is read as it comes; an async context manager that lets the connection go."""

    def __init__(
        self,
        status: int,
        span: Span,
        headers: Mapping[str, str],
        body: Body | None,
        exchange: Exchange,
        *,
        asked: str,
        url: str = "",
    ) -> None:
        self.status = status
        #: Where the body begins in the file: 0 for a 200, also for one that answers a Range.
        self.start = span.start
        #: The size of the whole file, where the origin tells it (416 included).
        self.total = span.total
        self.etag = strong_etag(headers)
        self.last_modified = headers.get("last-modified")
        self.headers = headers
        #: What the origin says to have coded the bytes with, though nobody asked for it.
        self.coding = headers.get("content-encoding", "")
        #: The URL that was asked, at the mirror that answered, without credentials: what `Remote.rest` wants.
        self.asked = asked
        #: Where the body came from after redirects, without credentials and query.
        self.url = url or asked.partition("?")[0]
        self._body = body
        self._exchange = exchange

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes; raise UpstreamError (Truncated, Silent, BadAnswer) unless all of them came."""
        if self._body is None:
            return
        failure: UpstreamError | None = None
        try:
            async for chunk in self._body.chunks():
                self._exchange.received(len(chunk))
                yield chunk
        except UpstreamError as error:
            failure = error
        if failure is None and self._body.has_surplus:
            failure = BadAnswer("origin", "more bytes than were announced")
        if failure is not None:
            self._exchange.fail(failure)
            raise failure
        self._exchange.succeed()

    async def close(self) -> None:
        """Let go; a body that was not read to its end is given up."""
        if self._body is not None:
            self._body.close()
        self._exchange.abandon()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def range_field(start: int, stop: int | None) -> str | None:
    """Return the Range field for bytes `start` to `stop` (not included); a negative start is a suffix."""
    if start < 0:
        return f"bytes={start}"
    if start == 0 and stop is None:
        return None
    return f"bytes={start}-" if stop is None else f"bytes={start}-{stop - 1}"


def span_of(status: int, headers: Mapping[str, str], start: int, stop: int | None) -> Span:
    """Return what a 200, 206 or 416 holds when `start` to `stop` was asked; raise BadAnswer for others."""
    size = length(headers)
    if status == 200:
        return Span(0, size, size)
    told = content_range(headers)
    if range_field(start, stop) is None:
        raise BadAnswer(
            "origin", f"a part of the file ({status}) though all of it was asked for", status=status
        )
    if status == 416:
        return Span(0, 0, None if told is None else told.total)
    if (
        told is None
        or told.start is None
        or told.stop is None
        or not _is_asked(told.start, told.stop, start, stop)
    ):
        raise BadAnswer("origin", "another part of the file than was asked for", status=status)
    if size is not None and size != told.stop - told.start:
        raise BadAnswer("origin", "a part whose length differs from its Content-Range", status=status)
    return Span(told.start, told.stop, told.total)


def _is_asked(first: int, last: int, start: int, stop: int | None) -> bool:
    if start < 0:
        return last - first <= -start
    return first == start and (stop is None or last <= stop)
