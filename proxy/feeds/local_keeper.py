"""The keeper of a single process: the interface of `keeper`, called directly.

It holds the catalogs of every feed, resolves a feed that is another feed's upstream, and turns a reference to an
artifact into the one flight that fetches it.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from proxy.artifacts.blob import Blob
from proxy.artifacts.flight import Flight
from proxy.artifacts.flights import Flights
from proxy.artifacts.store import BlobStore
from proxy.artifacts.vault import Vault
from proxy.config.settings import Upstream
from proxy.feeds.arrivals import Arrivals
from proxy.feeds.curated import Pins
from proxy.feeds.keeper import Absent, ArtifactRef, How, Landing, Offer
from proxy.feeds.landing import (
    BrokenPromises,
    FlightLanding,
    PinnedLanding,
    RemoteSource,
    expected_of,
    pinned_problem,
)
from proxy.feeds.name_catalog import Held
from proxy.feeds.newer_links import LinkOf, NewerLinks, T
from proxy.feeds.owners import Owned
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.upstream.errors import UpstreamError, problem_for
from proxy.upstream.stream import OriginStream
from proxy.upstream.way import Way

_LOG = logging.getLogger("feedgate.keeper")
_WRONG_S = 60.0
#: The answer of an upstream that has no such name.
NOTHING = Held(None, How.HIT, 0.0, 0.0)
_MOST_WRONG = 4096


class Names(Protocol):
    """Who owns which name of a feed (`owners.Owners`), or what is approved in it (`curated.CuratedNames`)."""

    def peek(self, name: str) -> Owned | None: ...

    async def find(self, name: str, *, refresh: bool = False, offline: bool = False) -> Owned: ...

    async def amend(self, upstream: str, name: str, edit: Callable[[bytes], bytes | None]) -> None: ...


@dataclass(frozen=True, slots=True)
class KeptFeed:
    """A feed's owners and the remotes of its upstreams; an upstream that is a feed has its name instead."""

    name: str
    owners: Names
    remotes: Mapping[str, Way]
    feeds: Mapping[str, str]
    offline: bool = False
    #: The feeds that a curated one takes from; its files go to the vault.
    curated_from: tuple[str, ...] = ()
    #: Where a stored shard has a file's link; None where links are none of the origin's.
    link_of: LinkOf | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose word an artifact of a feed is."""

    #: The curated feeds on the way, whose approvals it rests on.
    curated: tuple[str, ...]
    #: The upstream at the end and those of other feeds that are equal to it; nothing where the way leads nowhere now.
    upstreams: tuple[str, ...]


class LocalKeeper:
    """The keeper's work in this process. Errors of the way out become problems here, once."""

    def __init__(
        self, feeds: Mapping[str, KeptFeed], store: BlobStore, vault: Vault, arrivals: Arrivals, flights: Flights,
        vault_flights: Flights, pins: Pins,
    ) -> None:  # fmt: skip
        self._feeds = feeds
        self._vault = vault
        self._same = _equal_upstreams(feeds.values())
        self._store = store
        self._arrivals = arrivals
        self._flights = flights
        self._vault_flights = vault_flights
        self._pins = pins
        self._newer_links = NewerLinks(store)
        #: Flight of an approved file -> monotonic time until which an origin that had other bytes is not asked again,
        #: and what was wrong.
        self._wrong: dict[str, tuple[float, Problem]] = {}
        self._broken = BrokenPromises()

    def is_keeping(self) -> bool:
        return self._store.health.degraded is None

    def peek(self, feed: str, name: str) -> Offer | Absent | None:
        owned = self._feeds[feed].owners.peek(name)
        return None if owned is None else _answer(owned)

    async def lookup(
        self, feed: str, name: str, *, refresh: bool = False, offline: bool = False
    ) -> Offer | Absent:
        try:
            return _answer(await self._feeds[feed].owners.find(name, refresh=refresh, offline=offline))
        except UpstreamError as error:
            raise problem_for(error, feed) from error

    async def proven(self, ref: ArtifactRef) -> Sha256 | None:
        if ref.sha256 is None:
            # What it has been found to be when it came from there.
            return await self._arrivals.digest_of(ref)
        direct = self._same.get(ref.upstream)
        if direct is not None and self._arrivals.proofs.peek(direct, ref.sha256):
            return ref.sha256
        return ref.sha256 if await self.counts(ref, ref.sha256) else None

    async def counts(self, ref: ArtifactRef, digest: Sha256) -> bool:
        """Tell whether the upstream of an artifact has shown that it has bytes: the artifact's, or its METADATA's.

        What came for a curated feed from where it was approved counts there for good, whatever became of the origin.
        """
        proofs = self._arrivals.proofs
        direct = self._same.get(ref.upstream)
        if direct is not None:
            return await proofs.has(direct, digest)
        origin = await self._origin(ref)
        return any(self._pins.has_bytes(feed, digest) for feed in origin.curated) or (
            await proofs.has(origin.upstreams, digest)
        )

    async def held(self, ref: ArtifactRef) -> Sha256 | None:
        digest = await self.proven(ref)
        return digest if digest is not None and await self._store.find(digest) is not None else None

    async def size_of(self, ref: ArtifactRef) -> int | None:
        if ref.size is not None:
            return ref.size
        if await self.is_pinned(ref):
            # What its origin says of an approved file counts for nothing: only its bytes do.
            return (await self.whole(ref)).size
        try:
            return await self.told_size(ref)
        except UpstreamError as error:
            # Some refuse every request but that for the whole file.
            _LOG.info("an origin tells no size: file %s, why %s", ref.filename, str(error))
        return (await self.whole(ref)).size

    async def told_size(self, ref: ArtifactRef) -> int | None:
        """Return the size that the origin tells with the first byte: many refuse a HEAD, or answer it wrongly.

        None where it tells none. Raises UpstreamError, and Problem where the file is gone.
        """
        if ref.size is not None:
            return ref.size
        async with await self.asked(ref, opening(start=0, stop=1)) as stream:
            if stream.status in (404, 410):
                raise gone(ref)
            if stream.status == 206:
                async for _ in stream.chunks():
                    pass
            return stream.total

    async def is_pinned(self, ref: ArtifactRef) -> bool:
        """Return whether somebody approved the artifact, in its feed or in one that this takes it from."""
        return bool((await self._origin(ref)).curated)

    async def arriving(self, ref: ArtifactRef) -> Landing | None:
        if not (self._flights.current() or self._vault_flights.current()):
            return None
        key = await self._flight_key(ref)
        return self._landing(ref, key) if self._is_flying(key) else None

    async def fetch(self, ref: ArtifactRef) -> Landing:
        return self._landing(ref, await self._flight_key(ref))

    async def whole(self, ref: ArtifactRef) -> Blob:
        """Fetch the artifact, whether anybody reads it or not; return it once it is held. Raises Problem."""
        is_pinned, key = await self.is_pinned(ref), await self._flight_key(ref)
        if is_pinned:
            self._refuse_wrong(ref, key)
        try:
            return await self.arrived(ref)
        except UpstreamError as error:
            problem = problem_for(error, self.behind(ref))
        except Problem as failure:
            problem = failure if failure.feed is not None else replace(failure, feed=self.behind(ref))
        if is_pinned and problem.word == "digest-mismatch":
            self._note_wrong(key, problem)
        raise pinned_problem(ref, problem) if is_pinned else problem

    async def arrived(self, ref: ArtifactRef, *, background: bool = False) -> Blob:
        """Fetch the artifact, whether anybody reads it or not; return it once it is held.

        What is done in the `background` comes after what people wait for (C09). Raises UpstreamError, Problem.
        """
        key = await self._flight_key(ref)
        return await self._launch(ref, key, keep=True, background=background).done()

    async def pass_range(self, ref: ArtifactRef, start: int, stop: int) -> AsyncIterator[bytes]:
        if await self.is_pinned(ref):
            # Of a file that somebody approved no byte is passed on that was not approved.
            async with aclosing((await self.fetch(ref)).read(start, stop)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        has_begun = False
        try:
            async with await self.asked(ref, opening(start, stop)) as stream:
                if stream.status in (404, 410):
                    raise gone(ref)
                skip = start - stream.start
                async for piece in within(stream.chunks(), skip, stop - start):
                    has_begun = True
                    yield piece
            return
        except UpstreamError as error:
            if has_begun:
                raise problem_for(error, self.behind(ref)) from error
            _LOG.info("an origin passes no part on: file %s, why %s", ref.filename, str(error))
        async with aclosing((await self.fetch(ref)).read(start, stop)) as pieces:
            async for piece in pieces:
                yield piece

    async def remote_of(self, ref: ArtifactRef) -> Way:
        """Return the way out to the artifact's origin, through the chain of feeds that are upstreams.

        Raises Problem where any feed on the way is offline: then nothing is asked on its behalf.
        """
        return (await self._end_of(ref))[1]

    async def asked(self, ref: ArtifactRef, ask: Callable[[Way, str], Awaitable[T]]) -> T:
        """Ask an artifact's origin by its link; where that is refused, once more by the one that the index has by now.

        Raises UpstreamError, Problem.
        """
        feed, remote = await self._end_of(ref)
        if feed.link_of is None:
            return await ask(remote, ref.url)

        async def find(refresh: bool) -> Owned:
            owned = await feed.owners.find(ref.name, refresh=refresh)
            return owned if owned.upstream == remote.settings.id else replace(owned, held=NOTHING)

        return await self._newer_links.asked(ref, partial(ask, remote), find, feed.link_of)

    async def _end_of(self, ref: ArtifactRef) -> tuple[KeptFeed, Way]:
        """Return the feed at the end of the chain, and its way out."""
        feed, upstream = self._online(ref, ref.feed), ref.upstream
        while True:
            if feed.curated_from:
                source, upstream = self._pins.source(feed.name, feed.curated_from, ref, upstream)
                feed = self._online(ref, source)
                upstream = _known(feed, upstream)
            elif (inner := feed.feeds.get(upstream)) is not None:
                feed = self._online(ref, inner)
                if not feed.curated_from:
                    owned = await feed.owners.find(ref.name)
                    if owned.upstream is None:
                        raise gone(ref)
                    upstream = owned.upstream
            else:
                break
        remote = feed.remotes.get(upstream)
        if remote is None:
            raise _changed(ref)
        if not expected_of(ref).is_provable and not is_proven(remote.settings):
            raise _unproven(ref)
        return feed, remote

    async def amend(self, ref: ArtifactRef, edit: Callable[[bytes], bytes | None]) -> None:
        """Change the held shard in which the artifact is listed by what was learned of the artifact."""
        await self._feeds[ref.feed].owners.amend(ref.upstream, ref.name, edit)

    def behind(self, ref: ArtifactRef) -> str:
        """Return whose upstream the artifact comes from: the feed that is asked, or one that it takes from."""
        feed = self._feeds.get(ref.feed)
        if feed is None:
            return ref.feed
        if feed.curated_from:
            pinned = self._pins.of(feed.name, ref)
            return pinned.source_feed if pinned is not None else feed.curated_from[0]
        return feed.feeds.get(ref.upstream, ref.feed)

    # -- parts ---------------------------------------------------------------------------------------------

    def _online(self, ref: ArtifactRef, name: str) -> KeptFeed:
        feed = self._feeds.get(name)
        if feed is None:
            raise _changed(ref)
        if feed.offline:
            where = "this feed" if name == ref.feed else "the feed that this one takes it from"
            raise Problem(
                "unknown", f"not held, and {where} is offline", feed=ref.feed, artifact=ref.filename
            )
        return feed

    async def _origin(self, ref: ArtifactRef) -> Origin:
        """Return whose word an artifact is, asking nobody: the end of the chain of feeds that are upstreams."""
        name, upstream = ref.feed, ref.upstream
        curated: list[str] = []
        while (feed := self._feeds.get(name)) is not None:
            if feed.curated_from:
                curated.append(name)
                try:
                    name, upstream = self._pins.source(name, feed.curated_from, ref, upstream)
                except Problem:
                    break
                if name in self._feeds:
                    upstream = _known(self._feeds[name], upstream)
            elif (inner := feed.feeds.get(upstream)) is not None:
                name = inner
                owner = await self._owner(inner, ref.name)
                if owner is None:
                    break
                upstream = owner
            else:
                return Origin(tuple(curated), self._same.get(upstream, (upstream,)))
        return Origin(tuple(curated), ())

    async def _owner(self, feed: str, name: str) -> str | None:
        """Return the upstream of a name in a feed, as far as that is known here."""
        kept = self._feeds.get(feed)
        if kept is None:
            return None
        try:
            owned = kept.owners.peek(name) or await kept.owners.find(name, offline=True)
        except (UpstreamError, Problem):
            return None
        return owned.upstream

    async def _flight_key(self, ref: ArtifactRef) -> str:
        """Return what the fetch of an artifact is known by: its upstream and its digest, else its address."""
        direct = self._same.get(ref.upstream)
        upstreams = direct if direct is not None else (await self._origin(ref)).upstreams
        # Feeds with equal upstreams share a fetch.
        return f"{min(upstreams, default=f'{ref.feed} {ref.upstream}')} {ref.sha256 or ref.url}"

    def arrived_bytes(self, digest: Sha256) -> int:
        """Return how much of these bytes has come by now, 0 where they are on no way."""
        return max(self._flights.arrived_bytes(digest), self._vault_flights.arrived_bytes(digest))

    def _is_flying(self, key: str) -> bool:
        return self._flights.is_flying(key) or self._vault_flights.is_flying(key)

    def _landing(self, ref: ArtifactRef, key: str) -> Landing:
        if not self._is_curated(ref.feed):
            return FlightLanding(self._launch(ref, key), self.behind(ref))
        self._refuse_wrong(ref, key)
        landing = FlightLanding(self._launch(ref, key), self.behind(ref))
        return PinnedLanding(landing, ref, partial(self._note_wrong, key))

    def _launch(self, ref: ArtifactRef, key: str, *, keep: bool = False, background: bool = False) -> Flight:
        is_new = not self._is_flying(key)
        flights = self._flights_for(ref, key)
        source = RemoteSource(
            ref, self.remote_of, self.asked, self._arrived, self._broken, background=background
        )
        look = partial(self._look, ref, self._vault if flights is self._vault_flights else self._store)
        flight = flights.join(key, [source], expected_of(ref), keep=keep, look=look)
        if is_new:
            self._arrivals.watch(flight, ref)
        return flight

    async def _look(self, ref: ArtifactRef, store: BlobStore) -> Blob | None:
        digest = await self.proven(ref)
        return await store.get(digest) if digest is not None else None

    async def _arrived(self, ref: ArtifactRef, upstream: str, digest: Sha256) -> None:
        await self._arrivals.note(ref, upstream, self._same.get(upstream, ()), digest)
        if self._is_curated(ref.feed):
            await self._pins.note_bytes(ref, digest)

    def _flights_for(self, ref: ArtifactRef, key: str) -> Flights:
        """Return where the artifact lands; a fetch that is under way is joined, wherever it lands."""
        if self._flights.is_flying(key):
            return self._flights
        if self._is_curated(ref.feed) or self._vault_flights.is_flying(key):
            return self._vault_flights
        return self._flights

    def _refuse_wrong(self, ref: ArtifactRef, key: str) -> None:
        """Refuse to ask an origin again that had other bytes than the approved ones a moment ago."""
        until, problem = self._wrong.get(key, (0.0, gone(ref)))
        if self._store.clock.monotonic() < until:
            raise pinned_problem(ref, problem)

    def _note_wrong(self, key: str, problem: Problem) -> None:
        if len(self._wrong) >= _MOST_WRONG:
            self._wrong.clear()
        self._wrong[key] = (self._store.clock.monotonic() + _WRONG_S, problem)

    def _is_curated(self, feed: str) -> bool:
        kept = self._feeds.get(feed)
        return kept is not None and bool(kept.curated_from)


def _equal_upstreams(feeds: Iterable[KeptFeed]) -> dict[str, tuple[str, ...]]:
    """Return the id of each upstream with those of all that ask the same place in the same way, as the same user."""
    equal: dict[object, list[str]] = {}
    for settings in {id_: way.settings for feed in feeds for id_, way in feed.remotes.items()}.values():
        what = (settings.urls, settings.auth, settings.client_cert, settings.client_key, settings.route)
        equal.setdefault(what, []).append(settings.id)
    return {id_: tuple(ids) for ids in equal.values() for id_ in ids}


def is_proven(upstream: Upstream) -> bool:
    """Tell whether it is sure who answers: certificates are verified, and plain http leads into one's own network only.

    Over any other way only files come whose digest the index tells (reliability, E21).
    """
    is_plain = any(url.reveal().startswith("http:") for url in upstream.urls)
    return upstream.route.verify and (not is_plain or upstream.allow_private)


def _unproven(ref: ArtifactRef) -> Problem:
    return Problem(
        "tls", "the index tells no digest of this file, and the way to its origin proves nothing (plain http, or a "
        "route with verify = false); use https, and name the origin's CA in ca_files",
        feed=ref.feed, artifact=ref.filename,
    )  # fmt: skip


def gone(ref: ArtifactRef) -> Problem:
    return Problem("unknown", f"{ref.filename} is gone at the origin", feed=ref.feed, artifact=ref.filename)


def _known(feed: KeptFeed, upstream: str) -> str:
    """Return the upstream that an approval names, or the one that has come in its place since, if there is only one."""
    if feed.curated_from or upstream in feed.remotes or upstream in feed.feeds:
        return upstream
    present = (*feed.remotes, *feed.feeds)
    return present[0] if len(present) == 1 else upstream


def _changed(ref: ArtifactRef) -> Problem:
    """Return what a request is told that was decided before the settings changed."""
    return Problem(
        "busy", "the settings of this feed have just changed", feed=ref.feed, artifact=ref.filename,
        retry_after_s=1,
    )  # fmt: skip


async def within(chunks: AsyncIterator[bytes], skip: int, length: int) -> AsyncIterator[bytes]:
    """Yield `length` bytes of a stream after skipping some: an origin may answer a range with everything."""
    left = length
    async for chunk in chunks:
        if skip >= len(chunk):
            skip -= len(chunk)
            continue
        piece = chunk[skip : skip + left]
        skip, left = 0, left - len(piece)
        yield piece
        if left <= 0:
            return


def opening(start: int, stop: int) -> Callable[[Way, str], Awaitable[OriginStream]]:
    """Return how a part of a listed file is asked for."""
    return lambda remote, link: remote.open(link, start=start, stop=stop, is_listed=True)


def _answer(owned: Owned) -> Offer | Absent:
    held = owned.held
    if owned.upstream is None or held.shard is None:
        return Absent("no upstream of this feed has it", held.fresh_for_s)
    return Offer(owned.upstream, held.shard, held.how, held.age_s, held.fresh_for_s, held.is_empty)
