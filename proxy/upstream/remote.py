"""A remote: one configured upstream, as the rest of the program asks it.

It owns its session, connections, credentials, proxy, CAs, slots and breakers; nothing of them is shared
with another upstream (design, law 2). A request goes: sources in order → breaker → slot → walk over
redirects → status → body. What can be cured by another try is tried here, so whoever calls gets an answer
or the last word.

`background=True` marks work that nobody waits for; it yields to people.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from proxy.config.settings import Upstream
from proxy.model import via
from proxy.model.clock import Clock
from proxy.upstream.answer import Answer, Validators
from proxy.upstream.auth import Credentials
from proxy.upstream.breaker import LONGEST_STEP_S
from proxy.upstream.decode import ACCEPTED
from proxy.upstream.errors import BadAnswer, BreakerOpen, UpstreamError
from proxy.upstream.exchange import Exchange
from proxy.upstream.headers import passed, strong_etag
from proxy.upstream.health import RemoteHealth
from proxy.upstream.hop import Hop
from proxy.upstream.names import Names
from proxy.upstream.probe import Judge, Probe
from proxy.upstream.reader import GONE, Reader, place
from proxy.upstream.retry import Plan
from proxy.upstream.sight import Sight, Whole
from proxy.upstream.slots import LONGEST_PATIENCE_S, Rank, Slots
from proxy.upstream.sources import Source, Sources
from proxy.upstream.stream import OriginStream, range_field
from proxy.upstream.target import Target
from proxy.upstream.walk import Ask, Landed, Walk
from proxy.upstream.wire import Wire

__all__ = ["Answer", "OriginStream", "Remote", "Validators"]

T = TypeVar("T")

_MOMENT_S = 0.01
#: Between a file's first 404 and the second.
_ASKED_AGAIN_S = 0.3


class Remote:
    """One upstream."""

    def __init__(
        self,
        upstream: Upstream,
        *,
        clock: Clock,
        names: Names,
        environ: Mapping[str, str],
        fields: Mapping[str, str],
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.settings = upstream
        self._clock = clock
        self._fields = dict(fields)
        self._on_close = on_close
        self._sources = Sources(upstream.urls, clock)
        self._slots = Slots(upstream.concurrency, upstream.read_timeout_s)
        self._reader = Reader(upstream, clock)
        self._wire = Wire(upstream, names, environ, clock)
        self._walk = Walk(
            self._wire,
            Credentials(upstream, environ),
            allowed_hosts=upstream.redirect_hosts,
            own_hosts=self._sources.own_hosts,
            own_origins=self._sources.own_origins,
        )
        self._probe = Probe(upstream, names, self._wire, clock)
        self._health = RemoteHealth(upstream.id)
        #: Set, and replaced, whenever a request ends.
        self._news = asyncio.Event()
        #: How long a request waits for the probe of a source that failed a moment ago.
        self.patience_s = LONGEST_PATIENCE_S

    # -- what is asked

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
        """Return the whole document: 200, 304 (if validators were given), 404 or 410. Raises UpstreamError.

        `max_bytes` bounds the body before and after decoding (default: the upstream's `max_index_size`).
        `index` is False for documents whose digest the caller knows. `is_file`: it belongs to a file, which may be
        redirected to where an index of a private upstream may not. `has_substitute`: another document does as well, so
        that no breaker hears of a failure of this one, unless its host cannot be reached.
        """
        conditions = {} if validators is None else validators.fields()
        headers = {"Accept": accept, "Accept-Encoding": ACCEPTED, **conditions, **self._said()}
        limit = self.settings.max_index_size_bytes if max_bytes is None else max_bytes
        stays = self.settings.private and not is_file

        async def once(target: Target, exchange: Exchange) -> Answer:
            ask = Ask("GET", target, headers, index, stays=stays)
            landed = await self._landed(ask, is_conditional=bool(conditions))
            try:
                answer = await self._reader.whole(landed, exchange, limit)
            finally:
                # Whole answers have given their connection back already; this shuts what was not read.
                landed.response.close()
            exchange.succeed()
            return answer

        return await self._tries(
            url, Rank.BACKGROUND if background else Rank.PAGE, once, has_substitute=has_substitute
        )

    async def head(self, url: str, *, background: bool = False) -> Answer:
        """Return the header fields of the file as it is stored: 200, 404 or 410. Raises UpstreamError."""
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", **self._said()}

        async def once(target: Target, exchange: Exchange) -> Answer:
            landed = await self._landed(Ask("HEAD", target, headers, True))
            landed.response.close()
            answer = Answer(landed.status, place(landed), passed(landed.response.headers), b"")
            if answer.status not in (200, *GONE):
                raise self._reader.refused(landed)
            exchange.answered()
            exchange.succeed()
            return answer

        return await self._tries(url, Rank.BACKGROUND if background else Rank.PAGE, once)

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
        """Return the file's bytes `start` to `stop` (not included) as a stream: 200, 206, 404, 410 or 416.

        With `validators`, for an index too large to be a `document`, also 304; `index` says that no digest is known
        of what comes, `is_file` is that of `document`. A negative `start` asks for that many bytes at the end.
        `if_range` is a strong ETag. An origin may answer a range with 200 and everything: then the stream's `start` is
        0. The caller closes the stream: it holds one of the upstream's slots. Of a file that an index lists
        (`is_listed`) a 404 or 410 is believed when it was said twice, by another mirror if there is one: an index and
        its files do not appear at the same moment. Raises UpstreamError.
        """
        headers = {"Accept": accept, "Accept-Encoding": "identity", **self._said()}
        asked_range = range_field(start, stop)
        if asked_range is not None:
            headers["Range"] = asked_range
            if if_range is not None and strong_etag({"etag": if_range}) is not None:
                headers["If-Range"] = if_range
        conditions = {} if validators is None else validators.fields()
        headers |= conditions

        async def once(target: Target, exchange: Exchange) -> OriginStream:
            ask = Ask("GET", target, headers, index, stays=self.settings.private and not is_file)
            landed = await self._landed(ask, is_conditional=bool(conditions))
            try:
                return self._reader.stream(landed, exchange, start, stop, max_bytes, asked=target.url)
            except BaseException:
                landed.response.close()
                raise

        rank = Rank.BACKGROUND if background else Rank.FILE
        stream = await self._tries(url, rank, once, has_substitute=has_substitute)
        if not is_listed or stream.status not in GONE:
            return stream
        await stream.close()
        await asyncio.sleep(_ASKED_AGAIN_S)
        return await self._tries(url, rank, once, after=stream.asked, has_substitute=has_substitute)

    def rest(self, url: str, seconds: float, why: str = "") -> None:
        """Leave a source alone that sent wrong bytes: the mirror if there are others, else this URL.

        A URL without mirrors gets one more try: only a second report within `seconds` closes it, and whoever asks
        meanwhile is told `why` (Resting).
        `url` is what was asked (`OriginStream.asked`).
        """
        self._sources.rest(url, seconds, why)

    async def probe(
        self,
        url: str | None = None,
        *,
        mirror: int = 0,
        judge: Judge | None = None,
        whole: Whole | None = None,
    ) -> list[Hop]:
        """Walk the way to a URL (default: the upstream's first) at one of its mirrors, and tell how far it goes."""
        target = self._sources.at("" if url is None else url, mirror)
        return await self._probe.walk(target, partial(self._sight, whole), judge, whole)

    @property
    def health(self) -> RemoteHealth:
        """What is known from the requests made so far."""
        states = self._sources.states()
        self._health.breakers = {key: b.state for key, b in states.items() if b.state != "closed"}
        self._health.rests = self._sources.rests()
        return self._health

    async def close(self) -> None:
        """Drop every connection."""
        await self._wire.close()
        if self._on_close is not None:
            self._on_close()

    # -- how it is asked

    async def _tries(
        self, url: str, rank: Rank, once: Callable[[Target, Exchange], Awaitable[T]], *, after: str = "",
        has_substitute: bool = False,
    ) -> T:  # fmt: skip
        """Ask the sources in order until one answers; that of the URL `after` comes last. Raises UpstreamError."""
        sources = sorted(self._sources.of(url), key=lambda source: source.target.url == after)
        until = asyncio.get_running_loop().time() + (0.0 if rank is Rank.BACKGROUND else self.patience_s)
        while True:
            try:
                return await self._round(sources, rank, once, has_substitute=has_substitute)
            except BreakerOpen:
                # Nothing was asked.
                if not await self._reopened(sources, until):
                    raise

    async def _reopened(self, sources: Sequence[Source], until: float) -> bool:
        """Wait for the next probe of a source; return whether one may be asked now, False where the probe failed."""
        gates = [self._sources.gate(source) for source in sources]
        seen = sum(gate.failed_probes for gate in gates)
        loop = asyncio.get_running_loop()
        while (wait_s := min(gate.wait_s() for gate in gates)) > 0:
            is_probed = any(gate.is_probed for gate in gates)
            left_s = until - loop.time()
            # A source that asked to be left alone for longer is not waited for.
            if left_s <= 0 or (not is_probed and wait_s > LONGEST_STEP_S):
                return False
            is_late = await self._nothing_new(left_s if is_probed else min(wait_s + _MOMENT_S, left_s))
            if sum(gate.failed_probes for gate in gates) != seen or (is_late and is_probed):
                return False
            if is_late and not any(gate.is_probed for gate in gates):
                # Its time is over: who comes first is the probe.
                return min(gate.wait_s() for gate in gates) == 0
        return True

    async def _nothing_new(self, seconds: float) -> bool:
        """Wait until a request has ended; return True if none did in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return True
        return False

    def _tell(self) -> None:
        """Wake whoever waits for how a request ends."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _round(
        self, sources: Sequence[Source], rank: Rank, once: Callable[[Target, Exchange], Awaitable[T]], *,
        has_substitute: bool,
    ) -> T:  # fmt: skip
        plan = Plan(len(sources), self.settings.retries)
        failure: UpstreamError = BadAnswer("guard", "nothing was tried")
        while (turn := plan.next()) is not None:
            source = sources[turn.source]
            if turn.pause_s and not self._wait_s(source):
                await asyncio.sleep(turn.pause_s)
            try:
                return await self._once(source, rank, once, has_substitute=has_substitute)
            except UpstreamError as error:
                # "Left alone" hides what happened a moment ago; the first cause is the better story.
                failure = failure if isinstance(error, BreakerOpen) and failure.curable else error
                plan.failed(error)
        raise failure

    async def _once(
        self,
        source: Source,
        rank: Rank,
        once: Callable[[Target, Exchange], Awaitable[T]],
        *,
        has_substitute: bool,
    ) -> T:
        gate = self._sources.gate(source)
        self._sources.check_rest(source)
        # Asked twice: nobody should queue for a source that is left alone, and the queue takes time.
        _refuse(source, gate.wait_s(), gate.reason)
        slot = await self._slots.take(rank)
        wait = gate.admit()
        if wait:
            slot.release()
        _refuse(source, wait, gate.reason)
        exchange = Exchange(
            slot, gate, self._health, self._clock,
            on_broken=partial(self._sources.broke, source), on_end=self._tell,
            substitute_at=source.target.origin if has_substitute else None,
        )  # fmt: skip
        try:
            return await once(source.target, exchange)
        except UpstreamError as error:
            exchange.fail(error)
            raise
        except BaseException:
            exchange.abandon()
            raise

    def _wait_s(self, source: Source) -> float:
        return max(self._sources.gate(source).wait_s(), self._sources.resting_s(source))

    async def _landed(self, ask: Ask, *, is_conditional: bool = False) -> Landed:
        """Return the answer; a 304 that nobody asked for is asked again once, past whatever cache made it."""
        landed = await self._walk.to(ask)
        if landed.response.status == 304 and not is_conditional:
            landed.response.close()
            again = {**ask.headers, "Cache-Control": "no-cache"}
            landed = await self._walk.to(replace(ask, headers=again))
            if landed.response.status == 304:
                landed.response.close()
                raise BadAnswer("origin", "304 though nothing was conditional", origin=landed.target.origin)
        return landed

    def _said(self) -> dict[str, str]:
        """Return the fields of every request; `Via` names also the servers through which its cause came."""
        return {**self._fields, "Via": via.through(self._fields["Via"])}

    async def _sight(self, whole: Whole | None, target: Target) -> Sight:
        """Return what a real request shows of its answer, whatever the status (doctor)."""
        accept = "*/*" if whole is None else whole.accept
        headers = {"Accept": accept, "Accept-Encoding": "identity", **self._said()}
        ask = Ask("GET", target, headers, True, stays=self.settings.private)
        landed = await self._walk.to(ask)
        try:
            return await self._reader.sight(landed, whole)
        finally:
            landed.response.close()


def _refuse(source: Source, wait_s: float, reason: str) -> None:
    if wait_s > 0:
        why = f"left alone for now, after: {reason}" if reason else "left alone for now"
        raise BreakerOpen("guard", why, origin=source.target.origin, retry_after_s=round(wait_s) or 1)
