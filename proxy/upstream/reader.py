"""Reading an answer: from a response whose header is there to a document or a stream.

Which statuses mean something depends on what was asked, so every one is either named here or refused.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiofiles
from multidict import MultiMapping

from proxy.config.settings import Upstream
from proxy.model.clock import Clock
from proxy.upstream import status
from proxy.upstream.answer import Answer
from proxy.upstream.body import Body
from proxy.upstream.decode import decode
from proxy.upstream.errors import BadAnswer, RedirectRefused, TooLarge, UpstreamError
from proxy.upstream.exchange import Exchange
from proxy.upstream.headers import length, passed
from proxy.upstream.looks import HEAD_BYTES
from proxy.upstream.pace import Bandwidth
from proxy.upstream.sight import Sight, Whole
from proxy.upstream.stream import OriginStream, Span, span_of
from proxy.upstream.walk import Landed

GONE = (404, 410)


class Reader:
    """Reads the answers of one upstream."""

    def __init__(self, upstream: Upstream, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock
        self._bandwidth = Bandwidth(clock, upstream.bandwidth_bytes_per_s)

    async def whole(self, landed: Landed, exchange: Exchange, limit: int) -> Answer:
        response = landed.response
        headers = passed(response.headers)
        if landed.status in (304, *GONE):
            exchange.answered()
            return Answer(landed.status, place(landed), headers, b"")
        if response.status != 200:
            raise self.refused(landed)
        exchange.answered()
        expected = length(headers)
        if expected is not None and expected > limit:
            raise TooLarge("origin", f"a document of more than {limit} bytes", origin=landed.target.origin)
        body = self._body(landed, expected, limit)
        pieces = []
        async for chunk in body.chunks():
            exchange.received(len(chunk))
            pieces.append(chunk)
        raw = b"".join(pieces)
        if body.has_surplus:
            raise BadAnswer("origin", "more bytes than were announced", origin=landed.target.origin)
        coding = headers.get("content-encoding", "")
        plain = await asyncio.to_thread(decode, raw, coding, max_bytes=limit) if coding else raw
        # A coding has an end of its own, which `decode` demands.
        is_framed = (
            expected is not None
            or _is_chunked(response.headers)
            or coding.strip().lower() not in ("", "identity")
        )
        return Answer(200, place(landed), headers, plain, is_framed)

    def stream(
        self,
        landed: Landed,
        exchange: Exchange,
        start: int,
        stop: int | None,
        max_bytes: int | None,
        *,
        asked: str,
    ) -> OriginStream:
        response = landed.response
        headers = passed(response.headers)
        if landed.status in (304, *GONE):
            span = Span(0, 0, None)
        elif landed.status in (200, 206, 416):
            span = span_of(response.status, headers, start, stop)
        else:
            raise self.refused(landed)
        exchange.answered()
        if response.status in (200, 206):
            body = self._body(landed, span.expected, max_bytes)
            return OriginStream(
                response.status, span, headers, body, exchange, asked=asked, url=place(landed)
            )
        response.close()
        exchange.succeed()
        return OriginStream(landed.status, span, headers, None, exchange, asked=asked, url=place(landed))

    async def sight(self, landed: Landed, whole: Whole | None = None) -> Sight:
        """Return what the beginning of an answer shows, however large it is (doctor); with `whole` all is kept."""
        if landed.is_elsewhere:
            why = "a redirect to another origin, which is asked for a private upstream's index only if redirect_hosts"
            raise RedirectRefused("guard", f"{why} names its host", origin=landed.target.origin)
        response, head = landed.response, b""
        if response.status < 400:
            body = self._body(landed, None, None if whole is None else whole.most_bytes)
            if whole is not None:
                head = await kept(body.chunks(), whole.into)
            else:
                async for chunk in body.chunks():
                    head += chunk
                    if len(head) >= HEAD_BYTES:
                        break
        is_refusal = response.status == 407 and landed.is_proxied and landed.target.scheme == "http"
        challenge = ", ".join(response.headers.getall("Proxy-Authenticate", ())) if is_refusal else ""
        return Sight(
            response.status,
            head,
            response.headers.get("Date"),
            is_refusal,
            challenge,
            passed(response.headers),
            "content-length" in response.headers or _is_chunked(response.headers),
        )

    def _body(self, landed: Landed, expected: int | None, max_bytes: int | None) -> Body:
        return Body(
            landed.response,
            origin=landed.target.origin,
            clock=self._clock,
            rate=self._upstream.min_rate,
            read_timeout_s=self._upstream.read_timeout_s,
            bandwidth=self._bandwidth,
            expected=expected,
            max_bytes=max_bytes,
        )

    def refused(self, landed: Landed) -> UpstreamError:
        return status.refused(
            landed.status,
            passed(landed.response.headers),
            origin=landed.target.origin,
            is_proxied_plainly=landed.is_proxied and landed.target.scheme == "http",
            now=self._clock.now(),
        )


async def kept(chunks: AsyncIterator[bytes], path: Path) -> bytes:
    """Write a body to a file; return its beginning."""
    head = b""
    async with aiofiles.open(path, "wb") as file:
        async for chunk in chunks:
            if len(head) < HEAD_BYTES:
                head += chunk
            await file.write(chunk)
    return head


def _is_chunked(headers: MultiMapping[str]) -> bool:
    return "chunked" in ", ".join(headers.getall("Transfer-Encoding", ())).lower()


def place(landed: Landed) -> str:
    """Return where an answer came from; a query may be a signature, and no relative link needs it."""
    return landed.target.url.partition("?")[0]
