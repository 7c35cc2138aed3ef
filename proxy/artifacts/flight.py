"""A flight: one client's place in a fetch (design, law 5).

It remembers what its client was told of the size and sent of the bytes, since a second try may bring
others: who was sent something of a failed try is cut off by an exception, never completed; who was not goes
on with the next.
"""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from proxy.artifacts.blob import Blob, LostBlobError
from proxy.artifacts.fetch import Fetch
from proxy.artifacts.files import DiskError
from proxy.artifacts.inflow import Inflow, WrongBytesError
from proxy.artifacts.pace import Pace
from proxy.artifacts.passthrough import PassThrough, Wanted
from proxy.artifacts.source import Expected, Opened, OriginStreamLike, Source
from proxy.artifacts.spool import Spool
from proxy.model.clock import Clock
from proxy.model.problem import Problem

__all__ = ["Expected", "Flight", "Opened", "OriginStreamLike", "Source"]


class Flight:
    """What `Flights.join` gives to each client."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._told: Opened | None = None

    async def opened(self) -> Opened:
        """Wait for the origin's header. Raises UpstreamError, Problem."""
        self._fetch.enter()
        try:
            return (await self._landed()).opened
        finally:
            self._fetch.leave()

    @property
    def is_kept(self) -> bool:
        """Whether the bytes are being stored: not where they are passed through, and not where the disk refused."""
        fetch = self._fetch
        if fetch.outcome is not None:
            return isinstance(fetch.outcome, Blob)
        return fetch.spool is not None and fetch.spool.partial is not None and fetch.spool.handover is None

    async def done(self) -> Blob:
        """Wait until the artifact is stored, durably. Raises UpstreamError, Problem.

        Waiting here is not reading: it does not keep a fetch alive that nobody reads (`join(keep=True)`
        does).
        """
        fetch = self._fetch
        while fetch.outcome is None:
            await fetch.pulse.wait()
        if isinstance(fetch.outcome, Exception):
            raise fetch.outcome.with_traceback(None)
        return fetch.outcome

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield bytes start..stop-1 as they arrive, in pieces of at most 256 KiB.

        The last 4 KiB of the artifact come only when all of it was verified. Raises UpstreamError or
        Problem in their place; then the client's connection is to be aborted.
        """
        if stop is not None and stop <= start:
            return
        fetch = self._fetch
        fetch.enter()
        try:
            position = start
            while True:
                spool = await self._landed()
                spool.enter()
                try:
                    async with contextlib.aclosing(self._from(spool, start, stop)) as pieces:
                        async for piece in pieces:
                            position += len(piece)
                            yield piece
                    if spool.failure is None or _is_complete(spool, position, stop):
                        return
                    if position > start or fetch.spool is spool:
                        raise spool.failure.with_traceback(None)
                finally:
                    spool.leave()
        finally:
            fetch.leave()

    # -- parts

    async def _landed(self) -> Spool:
        """Wait for a try of which bytes may come."""
        fetch = self._fetch
        while (spool := fetch.spool) is None:
            if isinstance(fetch.outcome, Exception):
                raise fetch.outcome.with_traceback(None)
            await fetch.pulse.wait()
        if spool.failure is not None:
            raise spool.failure.with_traceback(None)
        if self._told is None:
            self._told = spool.opened
        elif self._told.total != spool.opened.total:
            raise Problem("origin-unavailable", "the file was replaced at the origin", retry_after_s=5)
        return spool

    async def _from(self, spool: Spool, start: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from wherever they are; ends early when the spool failed."""
        outcome = self._fetch.outcome
        # Small files have arrived, and their spool is closed, before an answer begins.
        is_stored = spool.is_closed and isinstance(outcome, Blob)
        first = self._stored if is_stored else self._growing
        position = start
        async with contextlib.aclosing(first(spool, position, stop)) as pieces:
            async for piece in pieces:
                position += len(piece)
                yield piece
        if spool.failure is None and not _is_complete(spool, position, stop):
            async with contextlib.aclosing(
                self._through(spool, position, stop, has_begun=position > start)
            ) as pieces:
                async for piece in pieces:
                    yield piece

    async def _stored(self, spool: Spool, position: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield from the store; ends early when the blob is gone from it already."""
        blob = self._fetch.outcome
        if isinstance(blob, Blob):
            with contextlib.suppress(LostBlobError):
                async with contextlib.aclosing(self._fetch.store.stream(blob, position, stop)) as pieces:
                    async for piece in pieces:
                        yield piece

    async def _growing(self, spool: Spool, position: int, stop: int | None) -> AsyncGenerator[bytes, None]:
        """Yield from the spool as it grows; ends early when the rest does not come from there."""
        pace = Pace(self._clock.monotonic())
        while not (_is_complete(spool, position, stop) or spool.is_doubtful or spool.is_closed):
            ready = spool.released() if stop is None else min(spool.released(), stop)
            if position < ready:
                size = min(pace.next_bytes(), ready - position)
                pace.sending(size, self._clock.monotonic())
                try:
                    piece = await spool.piece(position, size)
                except DiskError as error:
                    self._fetch.store.health.failed(error)
                    return
                position += len(piece)
                yield piece
                pace.returned(self._clock.monotonic())
            elif spool.failure is not None or spool.handover is not None:
                return
            else:
                await spool.pulse.wait()

    async def _through(
        self, spool: Spool, position: int, stop: int | None, *, has_begun: bool
    ) -> AsyncGenerator[bytes, None]:
        """Go on at the origin by oneself."""
        passing = await self._taken(spool, position) or self._anew(spool, has_begun=has_begun)
        try:
            async with contextlib.aclosing(passing.read(Wanted(position, stop))) as pieces:
                async for piece in pieces:
                    yield piece
        except WrongBytesError as wrong:
            raise wrong.problem() from wrong

    def _anew(self, spool: Spool, *, has_begun: bool) -> PassThrough:
        """Ask for all of it again, and hash all of it: what was sent already must be the beginning of that."""
        fetch, expected = self._fetch, self._fetch.expected
        if spool.is_verified:
            stored = fetch.outcome.digest if isinstance(fetch.outcome, Blob) else spool.hashes.sha256()
            expected = Expected(stored, spool.size)
        elif has_begun and expected.sha256 is None:
            raise Problem(
                "disk-full", "the beginning of the file cannot be read back, and nothing tells its digest"
            )
        told = replace(spool.opened, etag=None)
        inflow = Inflow(
            fetch.sources, expected, expected.hashes(), fetch.rules, fetch.store.pools, opened=told
        )
        return PassThrough(inflow, expected, fetch.store.pools, held=b"", pending=b"")

    async def _taken(self, spool: Spool, position: int) -> PassThrough | None:
        """Go on where the spool ended; None if what it holds cannot be read."""
        fetch, handover = self._fetch, spool.handover
        if handover is None or spool.is_doubtful or (position < handover.size and spool.is_closed):
            return None
        if position < spool.released():
            return None
        held = b""
        try:
            # At most the tail that was held back.
            while (place := position + len(held)) < handover.size:
                held += await spool.piece(place, handover.size - place)
        except DiskError:
            return None
        taken = handover.take()
        if taken is None:
            hashes = handover.hashes.copy()
            inflow = Inflow(
                fetch.sources, fetch.expected, hashes, fetch.rules, fetch.store.pools,
                first=handover.place, opened=handover.opened,
            )  # fmt: skip
            taken = inflow, b""
        return PassThrough(taken[0], fetch.expected, fetch.store.pools, held=held, pending=taken[1])


def _is_complete(spool: Spool, position: int, stop: int | None) -> bool:
    """Tell whether everything that was asked for has left; what is released is no part of the tail."""
    if spool.is_verified:
        return position >= (spool.size if stop is None else min(stop, spool.size))
    return stop is not None and stop <= position and stop <= spool.released()
