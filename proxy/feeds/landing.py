"""Between the flights and the outbound door: where an artifact's bytes come from, and what they must be."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from proxy.artifacts.flight import Expected, Flight
from proxy.feeds.keeper import ArtifactRef
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError, problem_for
from proxy.upstream.stream import OriginStream
from proxy.upstream.way import Way

_REST_S = 300.0


class RemoteSource:
    """One artifact at one upstream, opened at a byte; a missing file is a problem, not an empty stream."""

    def __init__(self, ref: ArtifactRef, remote_of: Callable[[ArtifactRef], Awaitable[Way]]) -> None:
        self._ref = ref
        self._remote_of = remote_of
        self._asked = ref.url

    def name(self) -> str:
        return self._ref.upstream

    async def open(self, start: int, if_range: str | None) -> OriginStream:
        remote = await self._remote_of(self._ref)
        stream = await remote.open(self._ref.url, start=start, if_range=if_range)
        if stream.status in (404, 410):
            await stream.close()
            raise Problem(
                "unknown", f"{self._ref.filename} is gone at the origin",
                feed=self._ref.feed, artifact=self._ref.filename,
            )  # fmt: skip
        self._asked = stream.asked
        return stream

    async def wrong_bytes(self, detail: str) -> None:
        (await self._remote_of(self._ref)).rest(self._asked, _REST_S)


class FlightLanding:
    """A flight as the keeper's interface shows it: upstream errors have become problems."""

    def __init__(self, flight: Flight, feed: str) -> None:
        self._flight = flight
        self._feed = feed

    async def opened(self) -> int | None:
        try:
            return (await self._flight.opened()).total
        except UpstreamError as error:
            raise problem_for(error, self._feed) from error

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        try:
            # Closed at once when the reader leaves: a fetch without readers may be given up.
            async with contextlib.aclosing(self._flight.read(start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
        except UpstreamError as error:
            raise problem_for(error, self._feed) from error


def expected_of(ref: ArtifactRef) -> Expected:
    """Return what the artifact's bytes must be, as far as the index tells."""
    return Expected(ref.sha256, ref.size, dict(ref.other_hashes))
