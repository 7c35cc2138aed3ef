"""Between the flights and the outbound door: where an artifact's bytes come from, and what they must be."""

import contextlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace

from proxy.artifacts.flight import Expected, Flight
from proxy.feeds.curated import APPROVED
from proxy.feeds.keeper import ArtifactRef
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError, problem_for
from proxy.upstream.stream import OriginStream
from proxy.upstream.way import Way

_REST_S = 300.0
_MOST_BROKEN = 512
#: Called with the upstream that sent all of an artifact, and the digest.
Arrived = Callable[[ArtifactRef, str, Sha256], Awaitable[None]]
#: Asks an artifact's origin by the link that its index has (`LocalKeeper.asked`).
Asked = Callable[[ArtifactRef, Callable[[Way, str], Awaitable[OriginStream]]], Awaitable[OriginStream]]


class BrokenPromises:
    """What the index said of files of which other bytes came: once it says something else, nobody is to blame."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, object] = OrderedDict()

    def note(self, ref: ArtifactRef) -> None:
        self._of[ref.url] = _promise(ref)
        self._of.move_to_end(ref.url)
        if len(self._of) > _MOST_BROKEN:
            self._of.popitem(last=False)

    def take_back(self, ref: ArtifactRef) -> bool:
        """Return whether the index has promised something else since, and forget what it was."""
        if ref.url not in self._of or self._of[ref.url] == _promise(ref):
            return False
        del self._of[ref.url]
        return True


def _promise(ref: ArtifactRef) -> object:
    return ref.sha256, ref.size, ref.other_hashes


class RemoteSource:
    """One artifact at one upstream, opened at a byte; a missing file is a problem, not an empty stream.

    Two are equal that ask for the same address: `Flights` keys them by upstream.
    """

    def __init__(
        self, ref: ArtifactRef, remote_of: Callable[[ArtifactRef], Awaitable[Way]], asked: Asked, arrived: Arrived,
        broken: BrokenPromises, *, background: bool = False,
    ) -> None:  # fmt: skip
        self._ref = ref
        self._is_background = background
        self._remote_of = remote_of
        self._ask = asked
        self._arrived = arrived
        self._broken = broken
        self._asked = ref.url
        #: The upstreams that sent a part of it: settings, and who owns a name, may change during a fetch.
        self._senders: set[str] = set()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteSource) and other._ref.url == self._ref.url

    def __hash__(self) -> int:
        return hash(self._ref.url)

    def name(self) -> str:
        return self._ref.upstream

    async def open(self, start: int, if_range: str | None) -> OriginStream:
        sender = ""

        async def ask(remote: Way, link: str) -> OriginStream:
            nonlocal sender
            sender = remote.settings.id
            if self._broken.take_back(self._ref) and len(remote.settings.urls) < 2:
                remote.rest(link, 0.0)
            return await remote.open(
                link, start=start, if_range=if_range, background=self._is_background, is_listed=True
            )

        stream = await self._ask(self._ref, ask)
        if stream.status in (404, 410):
            await stream.close()
            # Feeds with equal upstreams share a fetch: each puts its own name.
            raise Problem(
                "unknown", f"{self._ref.filename} is gone at the origin", artifact=self._ref.filename
            )
        self._asked = stream.asked
        self._senders.add(sender)
        return stream

    async def right_bytes(self, digest: Sha256) -> None:
        """Note that the upstream has these bytes, if one upstream sent all of them."""
        if len(self._senders) == 1:
            await self._arrived(self._ref, next(iter(self._senders)), digest)

    async def wrong_bytes(self, detail: str) -> None:
        """Leave the source alone that broke its index's promise; what was approved once is no promise of it."""
        if self._ref.upstream == APPROVED:
            return
        self._broken.note(self._ref)
        (await self._remote_of(self._ref)).rest(self._asked, _REST_S, detail)


class FlightLanding:
    """A flight as the keeper's interface shows it: upstream errors have become problems of the feed behind it."""

    def __init__(self, flight: Flight, feed: str) -> None:
        self._flight = flight
        self._feed = feed

    async def opened(self) -> int | None:
        try:
            return (await self._flight.opened()).total
        except (UpstreamError, Problem) as error:
            raise self._told(error) from error

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        try:
            # Closed at once when the reader leaves: a fetch without readers may be given up.
            async with contextlib.aclosing(self._flight.read(start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
        except (UpstreamError, Problem) as error:
            raise self._told(error) from error

    def is_kept(self) -> bool:
        return self._flight.is_kept

    def _told(self, error: UpstreamError | Problem) -> Problem:
        if isinstance(error, UpstreamError):
            return problem_for(error, self._feed)
        # Many may share the flight, each for a feed of its own.
        return error if error.feed is not None else replace(error, feed=self._feed)


class PinnedLanding:
    """The landing of an approved file: where the origin has its bytes no more, that is no missing file (A08)."""

    def __init__(self, landing: FlightLanding, ref: ArtifactRef, wrong: Callable[[Problem], None]) -> None:
        self._landing = landing
        self._ref = ref
        #: Called where the origin sent other bytes.
        self._wrong = wrong

    async def opened(self) -> int | None:
        try:
            return await self._landing.opened()
        except Problem as problem:
            raise self._told(problem) from problem

    async def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        try:
            async with contextlib.aclosing(self._landing.read(start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
        except Problem as problem:
            raise self._told(problem) from problem

    def is_kept(self) -> bool:
        return self._landing.is_kept()

    def _told(self, problem: Problem) -> Problem:
        if problem.word == "digest-mismatch":
            self._wrong(problem)
        return pinned_problem(self._ref, problem)


def pinned_problem(ref: ArtifactRef, problem: Problem) -> Problem:
    """Return what a client of a curated feed is told where the origin has other bytes by now, or none."""
    if problem.word not in ("unknown", "digest-mismatch"):
        return problem
    plain = "the approved bytes are not held, and the origin has them no more"
    return Problem(
        "pinned-unavailable", f"{plain}: {problem.detail}", feed=problem.feed or ref.feed, artifact=ref.filename,
        plain=plain,
    )  # fmt: skip


def expected_of(ref: ArtifactRef) -> Expected:
    """Return what the artifact's bytes must be, as far as the index tells."""
    return Expected(ref.sha256, ref.size, dict(ref.other_hashes))
