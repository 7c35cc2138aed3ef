"""A file remote: a `file://` channel, such as an unpacked mirror, asked like any other upstream (`way.py`).

It answers as a careful server would: 404 for what is not there, ETag and Last-Modified from the file's inode, size
and time, 304, 206 and 416. Slots, breaker and rests are those of `remote.py`, so that a mount that hangs is left
alone like a host that does. What may be opened is `folder.py`'s to say.
"""

from concurrent.futures import Future
from functools import partial
from pathlib import Path

from proxy.config.settings import Upstream
from proxy.model.clock import Clock
from proxy.upstream.answer import Answer, Validators
from proxy.upstream.breaker import Breaker, Gate
from proxy.upstream.errors import BreakerOpen, TooLarge, Truncated, UpstreamError
from proxy.upstream.exchange import Exchange
from proxy.upstream.file_answer import FileAsk, fields, judge
from proxy.upstream.file_body import FileBody
from proxy.upstream.folder import ORIGIN, Folder, Held, names_below
from proxy.upstream.health import RemoteHealth
from proxy.upstream.hop import Hop
from proxy.upstream.looks import HEAD_BYTES
from proxy.upstream.pace import Bandwidth
from proxy.upstream.probe import Judge, content
from proxy.upstream.reader import kept
from proxy.upstream.rests import Rests
from proxy.upstream.sight import Sight, Whole
from proxy.upstream.slots import Rank, Slots
from proxy.upstream.stream import OriginStream, Span
from proxy.upstream.threads import Threads


class FileRemote:
    """One upstream that is a folder."""

    def __init__(self, upstream: Upstream, folder: Path, *, clock: Clock) -> None:
        self.settings = upstream
        self._clock = clock
        self._base = upstream.urls[0].reveal()
        self._path = folder
        self._folder = Folder(folder)
        self._threads = Threads(upstream.concurrency, upstream.read_timeout_s, origin=ORIGIN)
        self._slots = Slots(upstream.concurrency, upstream.read_timeout_s)
        self._bandwidth = Bandwidth(clock, upstream.bandwidth_bytes_per_s)
        self._breaker = Breaker(clock)
        self._rests = Rests(clock)
        self._health = RemoteHealth(upstream.id)

    async def document(
        self,
        url: str,
        *,
        accept: str,
        validators: Validators | None = None,
        max_bytes: int | None = None,
        index: bool = True,
        is_file: bool = False,
        background: bool = False,
        has_substitute: bool = False,
    ) -> Answer:
        """Return the whole document; a file that changes while it is read is read once more."""
        limit = self.settings.max_index_size_bytes if max_bytes is None else max_bytes
        ask = FileAsk(validators=validators, max_bytes=limit)
        rank = Rank.BACKGROUND if background else Rank.PAGE
        try:
            return await self._whole(url, rank, ask)
        except Truncated:
            return await self._whole(url, rank, ask)

    async def head(self, url: str, *, background: bool = False) -> Answer:
        """Return what is known of the file: 200 or 404."""
        held, exchange = await self._opened(url, Rank.BACKGROUND if background else Rank.PAGE)
        exchange.succeed()
        if held is None:
            return Answer(404, self._absolute(url), {}, b"")
        self._threads.let_go(held.close)
        _, whole = judge(held.facts, FileAsk())
        return Answer(200, self._absolute(url), fields(held.facts, whole, url), b"")

    async def open(
        self,
        url: str,
        *,
        start: int = 0,
        stop: int | None = None,
        if_range: str | None = None,
        validators: Validators | None = None,
        max_bytes: int | None = None,
        accept: str = "*/*",
        index: bool = False,
        is_file: bool = True,
        background: bool = False,
        is_listed: bool = False,
        has_substitute: bool = False,
    ) -> OriginStream:
        """Return the file's bytes `start` to `stop` as a stream, which the caller closes. A folder is asked once."""
        ask = FileAsk(start, stop, if_range, validators, max_bytes)
        return await self._stream(url, Rank.BACKGROUND if background else Rank.FILE, ask)

    def rest(self, url: str, seconds: float, why: str = "") -> None:
        """Leave a file alone whose bytes were wrong twice."""
        self._rests.strike(self._absolute(url), seconds, why)

    async def probe(
        self,
        url: str | None = None,
        *,
        mirror: int = 0,
        judge: Judge | None = None,
        whole: Whole | None = None,
    ) -> list[Hop]:
        """Tell whether the folder is there, and the file, if one is named."""
        try:
            await self._threads.call(self._folder.check)
            hops = [Hop("folder", True, f"{self._path} is there")]
            if url is not None:
                status = (await self.head(url)).status
                hops.append(Hop("origin", status == 200, f"answered {status}"))
                if status == 200 and judge is not None:
                    hops.append(await self._content(url, judge, whole))
        except UpstreamError as error:
            return [Hop("folder", False, f"{self._path}: {error.detail}")]
        return hops

    @property
    def health(self) -> RemoteHealth:
        """What is known from what was asked so far."""
        state = self._breaker.state
        self._health.rests = [(ORIGIN, since, why) for _, since, why in self._rests.present()]
        self._health.breakers = {} if state == "closed" else {self._base: state}
        return self._health

    async def close(self) -> None:
        """Let the threads go."""
        self._threads.close()

    # -- parts

    async def _content(self, url: str, judge: Judge, whole: Whole | None) -> Hop:
        stop = HEAD_BYTES if whole is None else None
        most = None if whole is None else whole.most_bytes
        async with await self.open(url, start=0, stop=stop, max_bytes=most) as stream:
            if whole is None:
                head = b"".join([chunk async for chunk in stream.chunks()])
            else:
                head = await kept(stream.chunks(), whole.into)
            return await content(Sight(stream.status, head, headers=stream.headers), judge, whole)

    async def _whole(self, url: str, rank: Rank, ask: FileAsk) -> Answer:
        async with await self._stream(url, rank, ask) as stream:
            body = b"".join([chunk async for chunk in stream.chunks()])
            return Answer(stream.status, stream.asked, stream.headers, body)

    async def _stream(self, url: str, rank: Rank, ask: FileAsk) -> OriginStream:
        held, exchange = await self._opened(url, rank)
        asked = self._absolute(url)
        if held is None:
            exchange.succeed()
            return OriginStream(404, Span(0, 0, None), {}, None, exchange, asked=asked)
        status, span = judge(held.facts, ask)
        headers = fields(held.facts, span, url)
        if status in (304, 416):
            exchange.succeed()
            self._threads.let_go(held.close)
            return OriginStream(status, span, headers, None, exchange, asked=asked)
        if ask.max_bytes is not None and (span.expected or 0) > ask.max_bytes:
            self._threads.let_go(held.close)
            refused = TooLarge("origin", f"a body of more than {ask.max_bytes} bytes", origin=ORIGIN)
            exchange.fail(refused)
            raise refused
        body = FileBody(held, span, self._threads, self._bandwidth)
        return OriginStream(status, span, headers, body, exchange, asked=asked)

    async def _opened(self, url: str, rank: Rank) -> tuple[Held | None, Exchange]:
        """Return the file, if it is there, and the accounting of what is made of it."""
        names = names_below(self._base, url)
        exchange = await self._admitted(self._absolute(url), rank)
        try:
            held = await self._threads.call(partial(self._folder.open, names), late=_drop)
        except UpstreamError as error:
            exchange.fail(error)
            raise
        except BaseException:
            exchange.abandon()
            raise
        exchange.answered()
        return held, exchange

    async def _admitted(self, url: str, rank: Rank) -> Exchange:
        self._rests.check(url)
        _refuse(self._breaker.wait_s(), self._breaker.reason)
        slot = await self._slots.take(rank)
        wait_s = self._breaker.admit()
        if wait_s:
            slot.release()
        _refuse(wait_s, self._breaker.reason)
        return Exchange(slot, Gate(self._breaker), self._health, self._clock)

    def _absolute(self, url: str) -> str:
        return self._base + url.removeprefix(self._base)


def _refuse(wait_s: float, reason: str) -> None:
    if wait_s > 0:
        why = f"left alone for now, after: {reason}" if reason else "left alone for now"
        raise BreakerOpen("guard", why, origin=ORIGIN, retry_after_s=round(wait_s) or 1)


def _drop(opened: "Future[Held | None]") -> None:
    """Close a file that was opened after nobody wanted it any more."""
    if not opened.cancelled() and opened.exception() is None and (held := opened.result()) is not None:
        held.close()
