"""A conda feed's channel on the keeper's side: its upstreams' catalogs, and one generation for each of its subdirs.

With one upstream that may have every name, and no policy, the feed's generation is that upstream's, as it is.
Otherwise a child composes one from the upstreams' generations, again only when one of them has changed, or a verdict
of the policy. A subdir that nobody has is absent; `noarch` always is there, if only empty.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.artifacts.notes import Notes
from proxy.config.settings import Feed, Upstream
from proxy.feeds.conda.catalog import Catalog
from proxy.feeds.conda.catalogs import Catalogs, Stems
from proxy.feeds.conda.channel_notes import ChannelNotes
from proxy.feeds.conda.compose_job import Part
from proxy.feeds.conda.composer import Composed, Composer, DamagedPart, Inputs
from proxy.feeds.conda.edition import Edition, HeldSubdir
from proxy.feeds.conda.empty_subdir import EmptySubdir
from proxy.feeds.conda.file_troubles import FIRST_STAYS, FileTroubles, changed_files
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.ruling import Ruling
from proxy.feeds.conda.trouble import told
from proxy.feeds.keeper import How
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.upstream.errors import UpstreamError, problem_for

_LOG = logging.getLogger("feedgate.conda")
#: What several upstreams' answers are together: the worst of them.
_STALENESS = {how: number for number, how in enumerate(How)} | {How.STALE: len(How)}
NOARCH = "noarch"
#: So long are an upstream's other subdirs waited for, and left alone after they could not be asked.
_ELSEWHERE_S, _ELSEWHERE_AGAIN_S = 20.0, 60.0
#: A child may be told to read a generation that is swept away meanwhile, where approvals follow each other closely.
_MOST_TRIES = 10


@dataclass(frozen=True, slots=True)
class _MadeOf:
    """A composed generation, what was held everywhere when it was made, and the catalogs of its subdir."""

    composed: Composed
    stems: Stems
    catalogs: tuple[Catalog, ...]


class Channel:
    """One conda feed. `catalog_of` makes the catalog of an upstream's subdir."""

    def __init__(
        self, feed: Feed, folder: Path, catalog_of: Callable[[Upstream, str], Catalog], composer: Composer,
        notes: Notes, tally: Tally, ruling: Ruling | None = None,
    ) -> None:  # fmt: skip
        self.feed = feed
        self.ruling = ruling
        self._folder = folder
        self._composer = composer
        self._notes = ChannelNotes(feed.name, notes)
        self.tally = tally
        self._catalogs = Catalogs(catalog_of, feed.subdirs)
        self._editions: dict[str, Edition] = {}
        #: (upstream, subdir) that could not be asked about names -> when it is asked again (monotonic seconds).
        self._unasked_until: dict[tuple[str, str], float] = {}
        #: The composed generations that were made anew because they were damaged.
        self._cured: dict[str, str] = {}
        self._empty = EmptySubdir(folder)
        one = feed.upstreams[0] if len(feed.upstreams) == 1 else None
        #: Whether one upstream has every name, so that nobody has to ask whose a name is.
        self._is_one = one is not None and not (
            one.only or one.except_ or (feed.reserved and not one.private)
        )
        self._is_plain = self._is_one and ruling is None
        #: Whether what is shown in a subdir hangs on the others even so: a dependency may lie in any.
        self._needs_all = ruling is not None and ruling.policy.include_dependencies
        self._upstreams = tuple(upstream.id for upstream in feed.upstreams)
        #: What the composed editions were made of, by subdir.
        self._made_of: dict[str, _MadeOf] = {}
        self._trouble = FileTroubles(composer.clock)

    def catalog(self, upstream: str, subdir: str) -> Catalog | None:
        """Return the catalog of an upstream's subdir, if there is one by now."""
        return self._catalogs.get(upstream, subdir)

    def folder_of(self, subdir: str) -> Path:
        """Return where lies what the feed composes, or has composed."""
        return self._folder / subdir

    def serves(self, subdir: str) -> bool:
        """Tell whether the settings let the feed have the subdir."""
        return not self.feed.subdirs or subdir in self.feed.subdirs or subdir == NOARCH

    def peek(self, subdir: str) -> Edition | None:
        """Return the edition if it is in memory and needs no asking."""
        if not self._is_plain:
            return self._peek_composed(subdir)
        if (catalog := self._catalogs.get(self.feed.upstreams[0].id, subdir)) is None:
            return None
        held = catalog.peek()
        return None if held is None or held.generation is None else self._plain(subdir, held)

    def _peek_composed(self, subdir: str) -> Edition | None:
        known = self._made_of.get(subdir)
        if known is None:
            return None
        # Looked at first: another feed, as an upstream, is compared by what it shows now.
        held = [each for catalog in known.catalogs if (each := catalog.peek()) is not None]
        if known.stems != self._catalogs.stems() or self._composer.is_over(known.composed):
            return None
        return self._composed(subdir, known.composed, held) if len(held) == len(known.catalogs) else None

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
            self._catalogs.bound(subdir, is_there=found is not None)
        if found is not None:
            self._editions[subdir] = found
        return found

    async def editions(
        self, subdirs: Iterable[str], needed: Collection[str] = (), *, offline: bool = False
    ) -> dict[str, Edition]:
        """Return what the feed has in these subdirs; trouble of one costs no other, unless it is needed.

        Raises Problem for a subdir that is needed, or where all that there may be are in trouble.
        """
        wanted = tuple(dict.fromkeys(subdirs))
        answers = await asyncio.gather(*(self._edition_or_problem(each, offline) for each in wanted))
        found = dict(zip(wanted, answers, strict=True))
        problems = {subdir: each for subdir, each in found.items() if isinstance(each, Problem)}
        editions = {subdir: each for subdir, each in found.items() if isinstance(each, Edition)}
        for subdir, problem in problems.items():
            if subdir in needed or not editions:
                raise problem
            _LOG.warning("%s of %s is left out: %s", subdir, self.feed.name, problem)
        return editions

    async def _edition_or_problem(self, subdir: str, offline: bool) -> Edition | Problem | None:
        try:
            return self.peek(subdir) or await self.edition(subdir, offline=offline)
        except Problem as problem:
            return problem

    async def _nothing(self, subdir: str) -> Edition:
        """A channel without noarch has an empty one: a 404 there would end every client's command."""
        generation, folder = await self._empty.generation(subdir)
        return Edition(
            subdir, generation, folder, (self.feed.upstreams[0].id,), How.HIT, 0.0, 60.0, ruling=self.ruling
        )

    async def unmade(self, subdir: str, *, offline: bool = False) -> HeldSubdir | None:
        """Return what the feed's one upstream has, while the generation that a policy makes of it is not there yet.

        None where the edition is to be asked: there is one, if only one that stands in, or what it shows hangs on more
        than one name's records. Raises Problem.
        """
        if not self._is_one or self.ruling is None or self._needs_all or not self.serves(subdir):
            return None
        upstream, held = self.feed.upstreams[0], None
        try:
            with told(self.feed.name):
                held = await self._catalogs.of(upstream, subdir).find(offline=offline or self.feed.offline)
        except UpstreamError as error:
            raise problem_for(error, self.feed.name) from error
        finally:
            self._catalogs.bound(subdir, is_there=held is not None and held.generation is not None)
        if held.generation is None:
            return None
        if self._composer.is_behind(subdir):
            return None
        inputs = await self._inputs(subdir, [held], offline)
        return held if self._composer.current(subdir, inputs) is None else None

    def known(self) -> Sequence[Edition]:
        """Return the editions that have been made in this process, however old."""
        return tuple(self._editions.values())

    def notes(self) -> tuple[str, ...]:
        """Return what of the feed goes on working only in part, one line each: what, since when and why."""
        editions = {subdir: self.peek(subdir) or edition for subdir, edition in self._editions.items()}
        of_files = (
            line for subdir, each in editions.items() for line in self._trouble.of_files(subdir, each)
        )
        return (*self.notes_of_subdirs(), *of_files)

    def notes_of_subdirs(self) -> tuple[str, ...]:
        """Return those of the notes that are not of single files: what stays as it was, and forms of no use."""
        return (*(note for catalog in self._catalogs for note in catalog.notes()), *self._composer.notes())

    def notes_of(self, name: str) -> tuple[str, ...]:
        """Return those of the notes that concern a name and are not told with its files' verdicts."""
        changed = (file for edition in self._editions.values() for file in changed_files(edition, name))
        return (
            *self.notes_of_subdirs(),
            *(f"{file} changed under the same name: {FIRST_STAYS}" for file in changed),
        )

    def under_way(self) -> tuple[str, ...]:
        """Return what is being fetched or taken in now, one line each."""
        return tuple(line for catalog in self._catalogs for line in catalog.under_way())

    def nothing_in(self, subdir: str) -> HeldSubdir:
        """Return the answer that the feed has no such subdir."""
        return HeldSubdir(None, self._folder / subdir, How.HIT, 0.0, 60.0)

    def damaged(self, edition: Edition) -> None:
        """Forget a generation whose files were found damaged."""
        self.tally.count("packs", "damaged")
        self.damaged_stem(edition.subdir, edition.generation.stem)

    def damaged_stem(self, subdir: str, stem: str) -> None:
        """The same, by the generation's name.

        A composed one is made anew from its upstreams'; if that was no cure, one of these is damaged, and nobody
        knows which, so all of them are forgotten.
        """
        is_part = self._is_plain or self._cured.get(subdir) == stem
        for catalog in self._catalogs.in_subdir(subdir) if is_part else ():
            if (held := catalog.stem()) is not None:
                catalog.damaged(stem if self._is_plain else held)
        if is_part:
            self._cured.pop(subdir, None)
        else:
            self._cured[subdir] = stem
        self._composer.forget(subdir)
        self._made_of.pop(subdir, None)
        self._empty.damaged(stem)

    async def decide_anew(self) -> None:
        """Decide with the next request whose every name is: one has been released."""
        for subdir in {*self._made_of, *await self._notes.ever_shown()}:
            await self._composer.remake(subdir)
        self._made_of.clear()

    async def close(self) -> None:
        """Stop what is under way."""
        for catalog in self._catalogs:
            await catalog.close()

    # -- parts ---------------------------------------------------------------------------------------------

    async def _first(self, subdir: str, offline: bool) -> Edition | None:
        catalog = self._catalogs.of(self.feed.upstreams[0], subdir)
        held = await catalog.find(offline=offline)
        if held.generation is None:
            return None
        if await self._notes.note_plain(subdir, (str(held.folder), held.generation.stem)):
            await self._composer.retire(subdir)
        return self._plain(subdir, held)

    def _plain(self, subdir: str, held: HeldSubdir) -> Edition:
        assert held.generation is not None
        upstreams = (self.feed.upstreams[0].id,)
        until_ms = held.edition.until_ms if held.edition is not None else None
        return Edition(
            subdir, held.generation, held.folder, upstreams, held.how, held.age_s, held.fresh_for_s, held.lineage,
            (held,), until_ms=until_ms,
        )  # fmt: skip

    async def _compose(self, subdir: str, offline: bool) -> Edition | None:
        catalogs = [self._catalogs.of(upstream, subdir) for upstream in self.feed.upstreams]
        for tries_left in reversed(range(_MOST_TRIES)):
            # Looked at first: what changes meanwhile is seen by the next who asks.
            stems = self._catalogs.stems()
            held = [await catalog.find(offline=offline) for catalog in catalogs]
            if all(each.generation is None for each in held):
                return None
            inputs = await self._inputs(subdir, held, offline)
            try:
                composed = await self._composer.compose(subdir, inputs)
                break
            except DamagedPart as damage:
                if not (tries_left and self._is_over(str(damage))):
                    raise self._busy(subdir, str(damage)) from damage
        if subdir not in self._made_of:
            await self._notes.note_shown(subdir)
            await self._notes.forget_plain(subdir)
        self._made_of[subdir] = _MadeOf(composed, stems, tuple(catalogs))
        return self._composed(subdir, composed, held)

    def _is_over(self, stem: str) -> bool:
        """Tell whether a generation that could not be read has been followed by others, which swept its files away."""
        return all(each != stem for _, each in self._catalogs.stems())

    def _busy(self, subdir: str, stem: str) -> Problem:
        """Have a damaged generation fetched anew; return what who asks is told meanwhile."""
        for catalog in self._catalogs:
            catalog.damaged(stem)
        self.tally.count("packs", "damaged")
        return Problem("busy", f"what is held of {subdir} is damaged and is fetched anew", retry_after_s=2)

    def _composed(self, subdir: str, composed: Composed, held: Sequence[HeldSubdir]) -> Edition:
        how, age_s, fresh_for_s = held[0].how, held[0].age_s, held[0].fresh_for_s
        for each in held[1:]:
            how = max(how, each.how, key=_STALENESS.__getitem__)
            age_s, fresh_for_s = max(age_s, each.age_s), min(fresh_for_s, each.fresh_for_s)
        until_ms = composed.until_ms
        if until_ms is not None and self.ruling is not None:
            fresh_for_s = min(fresh_for_s, (until_ms - self.ruling.now_ms) / 1000)
        if composed.is_behind:
            how, fresh_for_s = max(how, How.STALE, key=_STALENESS.__getitem__), 0.0
        return Edition(
            subdir, composed.generation, composed.folder, self._upstreams, how, age_s, fresh_for_s,
            Lineage(parts=tuple([each.lineage for each in held])), tuple(held), self.ruling, until_ms, composed.counts,
            composed.is_behind,
        )  # fmt: skip

    async def _inputs(self, subdir: str, held: Sequence[HeldSubdir], offline: bool) -> Inputs:
        parts = [
            await self._part(upstream, subdir, each, offline)
            for upstream, each in zip(self.feed.upstreams, held, strict=True)
        ]
        before = await self._notes.shown_plain(subdir) if subdir not in self._made_of else ()
        # What an upstream happens to hold says nothing about what it lacks.
        is_complete = bool(self.feed.subdirs) and not offline and not self._is_one
        return Inputs(tuple(parts), is_complete, before, has_owners=not self._is_one)

    async def _part(self, upstream: Upstream, subdir: str, held: HeldSubdir, offline: bool) -> Part:
        """Return what the upstream brings. A name has one owner over all subdirs, so the others are looked at too:

        those that every client reads or the settings name; where these name none, those that were ever shown, and those
        of which an upstream's index is held.
        """
        if self._is_one and not self._needs_all:
            return Part(upstream.id, _place(held), lineage=held.lineage)
        elsewhere, is_unsure = [], False
        held_of = {each for (_, each), _ in self._catalogs.stems()}
        shown = {each for each in await self._notes.ever_shown() if self.serves(each)}
        for other in sorted({NOARCH, *self.feed.subdirs, *shown, *held_of} - {subdir}):
            known = await self._elsewhere(upstream, other, offline)
            is_unsure = is_unsure or known is None
            elsewhere.append(_place(known) if known is not None else None)
        withheld = () if upstream.private else self.feed.reserved
        places = tuple(place for place in elsewhere if place is not None)
        return Part(
            upstream.id,
            _place(held),
            places,
            upstream.only,
            (*upstream.except_, *withheld),
            held.lineage,
            is_unsure,
        )

    async def _elsewhere(self, upstream: Upstream, subdir: str, offline: bool) -> HeldSubdir | None:
        """Return what an upstream has in a subdir that is not the one asked for, None where it cannot be asked now.

        Its trouble stays there: it is not waited for long, nor asked again at once.
        """
        catalog, now = self._catalogs.of(upstream, subdir), self._composer.clock.monotonic()
        known = catalog.last()
        if known is not None or now < self._unasked_until.get((upstream.id, subdir), 0.0):
            return known
        try:
            async with asyncio.timeout(_ELSEWHERE_S if upstream.feed is None else None):
                return await catalog.find(offline=offline)
        except (UpstreamError, Problem, TimeoutError) as trouble:
            why = str(trouble) or "it does not answer in time"
            _LOG.warning("%s of %s cannot be asked about names: %s", subdir, upstream.title, why)
            self._unasked_until[upstream.id, subdir] = now + _ELSEWHERE_AGAIN_S
            return None


def _place(held: HeldSubdir) -> tuple[str, str] | None:
    """Return where a child finds a generation."""
    return None if held.generation is None else (str(held.folder), held.generation.stem)
