"""A conda feed's channel on the keeper's side: its upstreams' catalogs, and one generation for each of its subdirs.

With one upstream that may have every name, the feed's generation is that upstream's, as it is. Otherwise a child
composes one from the upstreams' generations, again only when one of them has changed. A subdir that nobody has is
absent; `noarch` always is, if only empty.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from proxy.artifacts.notes import Notes
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, busy, run_in_child
from proxy.conda.pack import BadPack
from proxy.config.settings import Feed, Upstream
from proxy.feeds.conda.compose_job import Order, Part
from proxy.feeds.conda.packs import Generation, make_empty, open_generation
from proxy.feeds.conda.subdir_catalog import HeldSubdir
from proxy.feeds.keeper import How
from proxy.model.clock import Clock
from proxy.model.tally import Tally
from proxy.upstream.errors import UpstreamError, problem_for

_LOG = logging.getLogger("feedgate.conda")
NOARCH = "noarch"


class Catalog(Protocol):
    """One subdir of an upstream: an origin's (`subdir_catalog`), or another feed's (`feed_subdir`)."""

    def peek(self) -> HeldSubdir | None: ...

    def last(self) -> HeldSubdir | None: ...

    async def find(self) -> HeldSubdir: ...

    def damaged(self, stem: str) -> None: ...

    async def close(self) -> None: ...


class Register(Protocol):
    """The remembered owners (state)."""

    async def all(self, feed: str) -> dict[str, str]: ...

    async def learn(self, feed: str, names: dict[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Edition:
    """What the feed shows in one subdir now."""

    subdir: str
    generation: Generation
    folder: Path
    #: Upstream ids by the place that a composed generation notes with its names; one for a generation as it came.
    upstreams: tuple[str, ...]
    how: How
    age_s: float
    fresh_for_s: float

    def upstream_of(self, name: str) -> str:
        """Return the id of the upstream that owns a name of the generation."""
        if len(self.upstreams) == 1:
            return self.upstreams[0]
        return self.upstreams[self.generation.snapshot.pack.entries[name].source[0]]


class _Composed(msgspec.Struct, frozen=True, array_like=True):
    inputs: str
    stem: str


_COMPOSED = msgspec.msgpack.Decoder(_Composed)


class Channel:
    """One conda feed. `catalog_of` makes the catalog of an upstream's subdir."""

    def __init__(
        self, feed: Feed, folder: Path, catalog_of: Callable[[Upstream, str], Catalog], register: Register,
        notes: Notes, clock: Clock, tally: Tally,
    ) -> None:  # fmt: skip
        self.feed = feed
        self._folder = folder
        self._catalog_of = catalog_of
        self._register = register
        self._notes = notes
        self._clock = clock
        self._tally = tally
        self._catalogs: dict[tuple[str, str], Catalog] = {}
        self._composed: dict[str, tuple[_Composed, Generation]] = {}
        self._composing: dict[str, asyncio.Lock] = {}
        self._editions: dict[str, Edition] = {}
        self._empty: Generation | None = None
        one = feed.upstreams[0] if len(feed.upstreams) == 1 else None
        self._is_plain = one is not None and not (
            one.only or one.except_ or (feed.reserved and not one.private)
        )

    def serves(self, subdir: str) -> bool:
        """Tell whether the settings let the feed have the subdir."""
        return not self.feed.subdirs or subdir in self.feed.subdirs or subdir == NOARCH

    def peek(self, subdir: str) -> Edition | None:
        """Return the edition if it is in memory and needs no asking."""
        if not self._is_plain or (catalog := self._catalogs.get((self.feed.upstreams[0].id, subdir))) is None:
            return None
        held = catalog.peek()
        return None if held is None or held.generation is None else self._plain(subdir, held)

    async def edition(self, subdir: str) -> Edition | None:
        """Return what the feed has in the subdir, None where nobody has it. Raises Problem."""
        if not self.serves(subdir):
            return None
        try:
            found = await (self._first(subdir) if self._is_plain else self._compose(subdir))
        except UpstreamError as error:
            raise problem_for(error, self.feed.name) from error
        if found is None and subdir == NOARCH:
            found = await self._nothing(subdir)
        if found is not None:
            self._editions[subdir] = found
        return found

    async def _nothing(self, subdir: str) -> Edition:
        """A channel without noarch has an empty one: a 404 there would end every client's command."""
        folder = self._folder / f"{subdir}-empty"
        if self._empty is None:
            self._empty = await asyncio.to_thread(make_empty, folder, subdir)
        generation = self._empty
        return Edition(subdir, generation, folder, (self.feed.upstreams[0].id,), How.HIT, 0.0, 60.0)

    def known(self) -> Sequence[Edition]:
        """Return the editions that have been made in this process, however old."""
        return tuple(self._editions.values())

    def nothing_in(self, subdir: str) -> HeldSubdir:
        """Return the answer that the feed has no such subdir."""
        return HeldSubdir(None, self._folder / subdir, How.HIT, 0.0, 60.0)

    def damaged(self, edition: Edition) -> None:
        """Forget a generation whose files were found damaged."""
        self._tally.count("packs", "damaged")
        self.damaged_stem(edition.subdir, edition.generation.stem)

    def damaged_stem(self, subdir: str, stem: str) -> None:
        """The same, by the generation's name; its upstreams forget it too where it is theirs."""
        for (_, other), catalog in self._catalogs.items():
            if other == subdir:
                catalog.damaged(stem)
        self._composed.pop(subdir, None)
        if self._empty is not None and self._empty.stem == stem:
            self._empty = None

    async def close(self) -> None:
        """Stop what is under way."""
        for catalog in self._catalogs.values():
            await catalog.close()

    # -- parts ---------------------------------------------------------------------------------------------

    def _catalog(self, upstream: Upstream, subdir: str) -> Catalog:
        catalog = self._catalogs.get((upstream.id, subdir))
        if catalog is None:
            catalog = self._catalogs[upstream.id, subdir] = self._catalog_of(upstream, subdir)
        return catalog

    async def _first(self, subdir: str) -> Edition | None:
        catalog = self._catalog(self.feed.upstreams[0], subdir)
        held = await catalog.find()
        return self._plain(subdir, held) if held.generation is not None else None

    def _plain(self, subdir: str, held: HeldSubdir) -> Edition:
        assert held.generation is not None
        upstreams = (self.feed.upstreams[0].id,)
        return Edition(
            subdir, held.generation, held.folder, upstreams, held.how, held.age_s, held.fresh_for_s
        )

    async def _compose(self, subdir: str) -> Edition | None:
        held = {}
        for upstream in self.feed.upstreams:
            held[upstream.id] = await self._catalog(upstream, subdir).find()
        if all(each.generation is None for each in held.values()):
            return None
        parts = tuple(self._part(upstream, subdir, held[upstream.id]) for upstream in self.feed.upstreams)
        async with self._composing.setdefault(subdir, asyncio.Lock()):
            generation = await self._generation(subdir, parts)
        hows = [each.how for each in held.values()]
        how = How.STALE if How.STALE in hows else max(hows, key=list(How).index)
        return Edition(
            subdir, generation, self._folder / subdir, tuple(upstream.id for upstream in self.feed.upstreams), how,
            max(each.age_s for each in held.values()), min(each.fresh_for_s for each in held.values()),
        )  # fmt: skip

    def _part(self, upstream: Upstream, subdir: str, held: HeldSubdir) -> Part:
        others = {
            other: _place(found)
            for (owner, other), catalog in self._catalogs.items()
            if owner == upstream.id and other != subdir and (found := catalog.last()) is not None
        }
        withheld = () if upstream.private else self.feed.reserved
        here = _place(held)
        elsewhere = tuple(found for _, found in sorted(others.items()) if found is not None)
        return Part(upstream.id, here, elsewhere, upstream.only, (*upstream.except_, *withheld))

    async def _generation(self, subdir: str, parts: tuple[Part, ...]) -> Generation:
        inputs = hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()
        known = self._composed.get(subdir) or await self._recall(subdir)
        if known is not None and known[0].inputs == inputs:
            return known[1]
        made = await self._made(subdir, parts, known[1].stem if known is not None else None)
        composed = _Composed(inputs, made["stem"])
        generation = await asyncio.to_thread(open_generation, self._folder / subdir, composed.stem)
        self._composed[subdir] = (composed, generation)
        await self._notes.set(self._note(subdir), msgspec.msgpack.encode(composed))
        return generation

    async def _made(self, subdir: str, parts: tuple[Part, ...], previous: str | None) -> Mapping[str, Any]:
        remembered = await self._register.all(self.feed.name)
        async with temporary_folder("feedgate-owners-") as folder:
            path = folder / "remembered"
            await asyncio.to_thread(path.write_bytes, msgspec.msgpack.encode(remembered))
            order = Order(
                folder=str(self._folder / subdir), subdir=subdir, parts=parts, remembered=str(path),
                now_ms=int(self._clock.now().timestamp() * 1000), previous=previous,
            )  # fmt: skip
            try:
                made: dict[str, Any] = await run_in_child(
                    "proxy.feeds.conda.compose_job:run", {"order": msgspec.to_builtins(order)}
                )
            except ChildFailed as failed:
                raise busy(failed) from failed
        if made["held_count"]:
            self._tally.count("owner_changes_held", self.feed.name, made["held_count"])
            _LOG.error("names of %s would change their owner and are held: %s", self.feed.name, made["held"])
        await self._register.learn(self.feed.name, made["learned"])
        return made

    async def _recall(self, subdir: str) -> tuple[_Composed, Generation] | None:
        data = await self._notes.get(self._note(subdir))
        try:
            if data is None:
                return None
            composed = _COMPOSED.decode(data)
            generation = await asyncio.to_thread(open_generation, self._folder / subdir, composed.stem)
        except (msgspec.DecodeError, OSError, BadPack):
            return None
        self._composed[subdir] = (composed, generation)
        return self._composed[subdir]

    def _note(self, subdir: str) -> str:
        return f"composed/{self.feed.name}/{subdir}"


def _place(held: HeldSubdir) -> tuple[str, str] | None:
    """Return where a child finds a generation."""
    return None if held.generation is None else (str(held.folder), held.generation.stem)
