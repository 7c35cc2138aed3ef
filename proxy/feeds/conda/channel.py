"""A conda feed's channel on the keeper's side: its upstreams' catalogs, and one generation for each of its subdirs.

With one upstream that may have every name, the feed's generation is that upstream's, as it is. Otherwise a child
composes one from the upstreams' generations, again only when one of them has changed. A subdir that nobody has is
absent; `noarch` always is, if only empty.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from proxy.artifacts.notes import Notes
from proxy.conda.names import KNOWN_SUBDIRS
from proxy.config.settings import Feed, Upstream
from proxy.feeds.conda.compose_job import Part
from proxy.feeds.conda.composer import Composer, DamagedPart
from proxy.feeds.conda.packs import Generation, make_empty
from proxy.feeds.conda.subdir_catalog import HeldSubdir
from proxy.feeds.conda.trouble import told
from proxy.feeds.keeper import How
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.upstream.errors import UpstreamError, problem_for

_LOG = logging.getLogger("feedgate.conda")
NOARCH = "noarch"
#: Anybody may ask for subdirs that nobody has; of so many it is remembered that they are absent.
MOST_ABSENT = 256


class Catalog(Protocol):
    """One subdir of an upstream: an origin's (`subdir_catalog`), or another feed's (`feed_subdir`)."""

    def peek(self) -> HeldSubdir | None: ...

    def last(self) -> HeldSubdir | None: ...

    async def find(self, *, offline: bool = False) -> HeldSubdir: ...

    def damaged(self, stem: str) -> None: ...

    def is_busy(self) -> bool: ...

    async def close(self) -> None: ...


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
        return self.upstreams[self.place_of(name)]

    def place_of(self, name: str) -> int:
        """Return the owner's place among the upstreams."""
        return 0 if len(self.upstreams) == 1 else self.generation.snapshot.pack.entries[name].source[0]


class Channel:
    """One conda feed. `catalog_of` makes the catalog of an upstream's subdir."""

    def __init__(
        self, feed: Feed, folder: Path, catalog_of: Callable[[Upstream, str], Catalog], composer: Composer,
        notes: Notes, tally: Tally,
    ) -> None:  # fmt: skip
        self.feed = feed
        self._folder = folder
        self._catalog_of = catalog_of
        self._composer = composer
        self._notes = notes
        self._tally = tally
        self._catalogs: dict[tuple[str, str], Catalog] = {}
        self._editions: dict[str, Edition] = {}
        #: The subdirs that were not found, the last one at the end.
        self._absent: OrderedDict[str, None] = OrderedDict()
        #: The composed generations that were made anew because they were damaged.
        self._cured: dict[str, str] = {}
        self._empty: Generation | None = None
        self._emptying = asyncio.Lock()
        #: The subdirs that were ever shown (noted); None: not read yet.
        self._shown: frozenset[str] | None = None
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

    async def edition(self, subdir: str, *, offline: bool = False) -> Edition | None:
        """Return what the feed has in the subdir, None where nobody has it. Raises Problem.

        `offline`, which the feed's own setting is as well: nothing is asked, here or further on.
        """
        offline = offline or self.feed.offline
        if not self.serves(subdir):
            return None
        found = None
        try:
            with told(self.feed.name):
                found = await (self._first if self._is_plain else self._compose)(subdir, offline)
                if found is None and subdir == NOARCH:
                    found = await self._nothing(subdir)
        except UpstreamError as error:
            raise problem_for(error, self.feed.name) from error
        finally:
            self._bound(subdir, is_there=found is not None)
        if found is not None:
            self._editions[subdir] = found
        return found

    def _bound(self, subdir: str, *, is_there: bool) -> None:
        """Forget the oldest of the subdirs that are not there, or anonymous clients could fill the memory."""
        self._absent.pop(subdir, None)
        if is_there or subdir in KNOWN_SUBDIRS or subdir in self.feed.subdirs:
            return
        self._absent[subdir] = None
        for oldest in list(self._absent)[: max(0, len(self._absent) - MOST_ABSENT)]:
            catalogs = {key: each for key, each in self._catalogs.items() if key[1] == oldest}
            if not any(each.is_busy() for each in catalogs.values()):
                del self._absent[oldest]
                for key in catalogs:
                    del self._catalogs[key]

    async def _nothing(self, subdir: str) -> Edition:
        """A channel without noarch has an empty one: a 404 there would end every client's command."""
        folder = self._folder / f"{subdir}-empty"
        async with self._emptying:
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
        """The same, by the generation's name.

        A composed one is made anew from its upstreams'; if that was no cure, one of these is damaged, and nobody
        knows which, so all of them are forgotten.
        """
        is_part = self._is_plain or self._cured.get(subdir) == stem
        for (_, other), catalog in self._catalogs.items():
            held = catalog.last() if other == subdir and is_part else None
            if held is not None and held.generation is not None:
                catalog.damaged(stem if self._is_plain else held.generation.stem)
        if is_part:
            self._cured.pop(subdir, None)
        else:
            self._cured[subdir] = stem
        self._composer.forget(subdir)
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

    async def _first(self, subdir: str, offline: bool) -> Edition | None:
        catalog = self._catalog(self.feed.upstreams[0], subdir)
        held = await catalog.find(offline=offline)
        return self._plain(subdir, held) if held.generation is not None else None

    def _plain(self, subdir: str, held: HeldSubdir) -> Edition:
        assert held.generation is not None
        upstreams = (self.feed.upstreams[0].id,)
        return Edition(
            subdir, held.generation, held.folder, upstreams, held.how, held.age_s, held.fresh_for_s
        )

    async def _compose(self, subdir: str, offline: bool) -> Edition | None:
        held = {
            upstream.id: await self._catalog(upstream, subdir).find(offline=offline)
            for upstream in self.feed.upstreams
        }
        if all(each.generation is None for each in held.values()):
            return None
        parts = [
            await self._part(upstream, subdir, held[upstream.id], offline) for upstream in self.feed.upstreams
        ]
        # What an upstream happens to hold says nothing about what it lacks.
        is_complete = bool(self.feed.subdirs) and not offline
        try:
            generation = await self._composer.compose(subdir, tuple(parts), is_complete=is_complete)
        except DamagedPart as damage:
            for catalog in self._catalogs.values():
                catalog.damaged(str(damage))
            self._tally.count("packs", "damaged")
            raise Problem(
                "busy", f"what is held of {subdir} is damaged and is fetched anew", retry_after_s=2
            ) from damage
        await self._note_shown(subdir)
        hows = [each.how for each in held.values()]
        how = How.STALE if How.STALE in hows else max(hows, key=list(How).index)
        return Edition(
            subdir, generation, self._folder / subdir, tuple(upstream.id for upstream in self.feed.upstreams), how,
            max(each.age_s for each in held.values()), min(each.fresh_for_s for each in held.values()),
        )  # fmt: skip

    async def _part(self, upstream: Upstream, subdir: str, held: HeldSubdir, offline: bool) -> Part:
        """Return what the upstream brings. A name has one owner over all subdirs, so the others are looked at too:

        those that every client reads or the settings name; where these name none, those that were ever shown, and those
        of which an upstream's index is held.
        """
        elsewhere = []
        held_of = {each for (_, each), catalog in self._catalogs.items() if _has_any(catalog)}
        for other in sorted({NOARCH, *self.feed.subdirs, *await self._ever_shown(), *held_of} - {subdir}):
            catalog = self._catalog(upstream, other)
            elsewhere.append(_place(catalog.last() or await catalog.find(offline=offline)))
        withheld = () if upstream.private else self.feed.reserved
        known = tuple(place for place in elsewhere if place is not None)
        return Part(upstream.id, _place(held), known, upstream.only, (*upstream.except_, *withheld))

    async def _ever_shown(self) -> frozenset[str]:
        if self._shown is None:
            data = await self._notes.get(self._note())
            self._shown = frozenset(data.decode("ascii").split()) if data is not None else frozenset()
        return frozenset(subdir for subdir in self._shown if self.serves(subdir))

    async def _note_shown(self, subdir: str) -> None:
        shown = await self._ever_shown()
        if subdir not in shown:
            self._shown = shown | {subdir}
            await self._notes.set(self._note(), " ".join(sorted(self._shown)).encode("ascii"))

    def _note(self) -> str:
        return f"shown/{self.feed.name}"


def _has_any(catalog: Catalog) -> bool:
    last = catalog.last()
    return last is not None and last.generation is not None


def _place(held: HeldSubdir) -> tuple[str, str] | None:
    """Return where a child finds a generation."""
    return None if held.generation is None else (str(held.folder), held.generation.stem)
