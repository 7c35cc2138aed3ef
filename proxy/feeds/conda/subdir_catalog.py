"""The catalog of one upstream's subdir: which generation is current, how fresh it is, when to ask again.

The first ingest takes one full file (`.json.zst`, else `.json.bz2`, else `.json`); afterwards, where the origin has
CEP-16 shards, its shard index and only the changed shards, else the full file revalidated by its validators. Whatever
is no index, or has shrunk to nothing, leaves the generation before in force, marked stale.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from proxy.artifacts.notes import Notes
from proxy.conda.names import KNOWN_SUBDIRS, parse_file
from proxy.conda.pack import BadPack, diff
from proxy.conda.snapshot import Snapshot
from proxy.config.settings import Upstream
from proxy.feeds.conda.channel_intake import ChannelIntake, Held
from proxy.feeds.conda.edition import HeldSubdir
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.packs import Generation, open_generation, sweep_generations
from proxy.feeds.conda.taken import Taken
from proxy.feeds.freshness import Expired, Fresh, Limits, Resting, Stale, age_s, decide, rest_s
from proxy.feeds.keeper import How
from proxy.feeds.shared import outcome
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.model.tally import Tally
from proxy.upstream.errors import UpstreamError

#: How many stems before the current are remembered.
_FORMER = 8
#: So many changed names are told of before others get their turn.
_AT_ONCE = 500

_LOG = logging.getLogger("feedgate.conda")


class SubdirFacts(msgspec.Struct, frozen=True, array_like=True):
    """What is noted of a subdir. Times are UTC milliseconds; `stem` None: the origin has no such subdir."""

    checked_at_ms: int
    stem: str | None
    taken: Taken
    failures: int = 0
    failed_at_ms: int = 0
    #: The stems before, the newest last: an origin that goes back to one is told of.
    former: tuple[str, ...] = ()


_DECODER = msgspec.msgpack.Decoder(SubdirFacts)


class SubdirCatalog:
    """One upstream, one subdir."""

    def __init__(
        self, upstream: Upstream, subdir: str, folder: Path, intake: ChannelIntake, notes: Notes, clock: Clock,
        tally: Tally, *, offline: bool, changed: Callable[[str], None] = lambda name: None,
    ) -> None:  # fmt: skip
        self._changed = changed
        self._upstream = upstream
        self._subdir = subdir
        self.folder = folder
        self._lineage = Lineage(upstream.id, str(upstream.urls[0]).rstrip("/"))
        self._intake = intake
        self._notes = notes
        self._clock = clock
        self._tally = tally
        self._offline = offline
        self._limits = Limits(upstream.ttl_s, upstream.negative_ttl_s, upstream.stale_if_error_s)
        self._facts: SubdirFacts | None = None
        self._generation: Generation | None = None
        self._is_recalled = False
        self._recalling = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None
        #: Why the last refresh failed, if it did.
        self._failure = ""

    def peek(self) -> HeldSubdir | None:
        """Return the answer if it is in memory and needs no asking."""
        facts = self._facts
        if facts is None:
            return None
        if self._offline:
            return self._held(facts, How.HIT) if facts.stem is not None else None
        match self._decide(facts):
            case Fresh():
                return self._held(facts, How.HIT)
            case Resting():
                return self._held(facts, How.STALE)
            case _:
                return None

    def last(self) -> HeldSubdir | None:
        """Return the last answer, however old."""
        return None if self._facts is None else self._held(self._facts, How.HIT)

    def stem(self) -> str | None:
        return self._facts.stem if self._facts is not None and self._generation is not None else None

    async def find(self, *, offline: bool = False) -> HeldSubdir:
        """Return what the upstream has in the subdir. Raises UpstreamError when nothing and nobody can tell.

        `offline` is for a feed that must not cause a request: it gets what is held, however old.
        """
        facts = await self._recall()
        if self._offline or offline:
            return self._held(facts or SubdirFacts(0, None, Taken()), How.HIT)
        if facts is None:
            await outcome(self._refresh())
            return self._now(How.MISS)
        match self._decide(facts):
            case Fresh():
                return self._held(facts, How.HIT)
            case Resting():
                return self._held(facts, How.STALE)
            case Stale(patience_s=brief):
                return await self._try(facts, brief)
            case Expired():
                return await self._ask_again(facts)

    def notes(self) -> Sequence[str]:
        facts = self._facts
        if facts is None or facts.stem is None:
            return ()
        return (*self._frozen(facts), *self._of_forms(facts.taken))

    def _of_forms(self, taken: Taken) -> Iterator[str]:
        for form, trouble in sorted(taken.troubles.items()):
            since = datetime.fromtimestamp(trouble.since_ms / 1000, UTC)
            yield f"{self._subdir}/{form} is of no use since {since:%Y-%m-%d %H:%M} UTC: {trouble.why}"

    def _frozen(self, facts: SubdirFacts) -> Sequence[str]:
        if not facts.failures:
            return ()
        since = datetime.fromtimestamp(facts.checked_at_ms / 1000, UTC)
        why = self._failure or "the log has the reason"
        return (f"{self._subdir} is as it was on {since:%Y-%m-%d %H:%M} UTC: it cannot be refreshed: {why}",)

    def under_way(self) -> Sequence[str]:
        if self._refreshing is None:
            return ()
        is_first = self._generation is None
        return (
            f"{self._subdir} is {'fetched for the first time' if is_first else 'refreshed'}: {self._intake.step}",
        )

    def is_busy(self) -> bool:
        """Tell whether the origin is being asked."""
        return self._refreshing is not None

    async def close(self) -> None:
        """Stop what is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    # -- deciding ------------------------------------------------------------------------------------------

    def _decide(self, facts: SubdirFacts) -> Fresh | Stale | Resting | Expired:
        return decide(
            is_present=facts.stem is not None, checked_at_ms=facts.checked_at_ms, failures=facts.failures,
            failed_at_ms=facts.failed_at_ms, now_ms=self._now_ms(), limits=self._limits,
        )  # fmt: skip

    def _held(self, facts: SubdirFacts, how: How) -> HeldSubdir:
        decided = self._decide(facts)
        fresh_for = decided.fresh_for_s if isinstance(decided, Fresh) else 0.0
        age = age_s(facts.checked_at_ms, self._now_ms()) or 0.0
        return HeldSubdir(
            self._generation if facts.stem is not None else None, self.folder, how, age, fresh_for,
            self._lineage,
        )  # fmt: skip

    def _now(self, how: How) -> HeldSubdir:
        assert self._facts is not None
        return self._held(self._facts, how)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    # -- asking --------------------------------------------------------------------------------------------

    async def _try(self, facts: SubdirFacts, patience_s: float) -> HeldSubdir:
        task = self._refresh(is_background=True)
        await asyncio.wait({task}, timeout=patience_s)
        if task.done() and not task.cancelled() and task.exception() is None:
            is_same = self._facts is not None and self._facts.stem == facts.stem
            return self._now(How.REVALIDATED if is_same else How.REPLACED)
        return self._held(self._facts or facts, How.STALE)

    async def _ask_again(self, facts: SubdirFacts) -> HeldSubdir:
        """Wait for the origin's word; that it had no such subdir goes on to hold while it does not answer."""
        is_too_old = (age_s(facts.checked_at_ms, self._now_ms()) or 0.0) > self._limits.stale_if_error_s
        is_absence = facts.stem is None and not is_too_old
        if is_absence and rest_s(facts.failures, facts.failed_at_ms, self._now_ms()) > 0:
            return self._held(facts, How.STALE)
        try:
            await outcome(self._refresh())
        except UpstreamError:
            if not is_absence:
                raise
            return self._held(facts, How.STALE)
        return self._now(How.REPLACED)

    def _refresh(self, *, is_background: bool = False) -> "asyncio.Task[None]":
        """Ask the origin, once for all who wait; in the background where there is something to serve meanwhile."""
        if self._refreshing is None:
            asking = self._ask(is_background=is_background)
            self._refreshing = asyncio.create_task(asking, name=f"refresh {self._subdir}")
            self._refreshing.add_done_callback(self._refreshed)
        return self._refreshing

    async def take_change(self, file: str, first_ms: int) -> None:
        """Show a changed file as the origin lists it now; its age counts from `first_ms`. Raises Problem."""
        while self._refreshing is not None:
            await asyncio.wait({self._refreshing})
        self._refreshing = asyncio.create_task(
            self._take_change(file, first_ms), name=f"change {self._subdir}"
        )
        self._refreshing.add_done_callback(self._refreshed)
        await outcome(self._refreshing)

    async def _take_change(self, file: str, first_ms: int) -> None:
        facts, former, now_ms = self._facts, self._generation, self._now_ms()
        if facts is None or facts.stem is None or former is None:
            raise Problem("busy", f"{self._subdir} is being fetched", retry_after_s=2)
        try:
            stem = await self._intake.take_change(file, first_ms, former, now_ms)
            self._generation = await asyncio.to_thread(open_generation, self.folder, stem)
        except (OSError, BadPack) as damage:
            self.damaged(former.stem)
            raise Problem("busy", f"what is held of {self._subdir} is damaged", retry_after_s=2) from damage
        taken = msgspec.structs.replace(facts.taken, stem=stem)
        self._facts = msgspec.structs.replace(facts, stem=stem, taken=taken)
        await self._notes.set(self._note(), msgspec.msgpack.encode(self._facts))
        await asyncio.to_thread(sweep_generations, self.folder, stem, former.stem)
        if (parsed := parse_file(file)) is not None:
            self._changed(parsed.name)

    def _refreshed(self, task: "asyncio.Task[None]") -> None:
        self._refreshing = None
        if task.cancelled():
            return
        error = task.exception()
        self._failure = "" if error is None else str(error)
        if error is not None:
            _LOG.warning("refreshing %s of %s failed: %s", self._subdir, self._upstream.title, error)

    async def _ask(self, *, is_background: bool) -> None:
        facts, now_ms = self._facts, self._now_ms()
        former, began = self._generation, self._clock.monotonic()
        before = former.stem if former is not None else None
        try:
            taken = await self._take(facts, now_ms, is_background=is_background)
            if taken.stem is not None and (self._generation is None or self._generation.stem != taken.stem):
                self._generation = await asyncio.to_thread(open_generation, self.folder, taken.stem)
        except (UpstreamError, OSError, BadPack, Problem):
            if facts is not None:
                self._facts = msgspec.structs.replace(facts, failures=facts.failures + 1, failed_at_ms=now_ms)
            raise
        self._facts = SubdirFacts(now_ms, taken.stem, taken, former=self._former(facts, taken.stem))
        if former is None and self._generation is not None:
            _LOG.info(
                "%s of %s is taken in: %s names, %.1f s",
                self._subdir, self._upstream.id, taken.names, self._clock.monotonic() - began,
            )  # fmt: skip
        had_any = facts is not None and facts.stem is not None
        if taken.stem is not None or had_any or self._subdir in KNOWN_SUBDIRS:
            await self._notes.set(self._note(), msgspec.msgpack.encode(self._facts))
        await asyncio.to_thread(sweep_generations, self.folder, taken.stem, before)
        if former is not None and self._generation is not None and former.stem != self._generation.stem:
            names = await asyncio.to_thread(_changed_names, former.snapshot, self._generation.snapshot)
            for number, name in enumerate(names):
                self._changed(name)
                if number % _AT_ONCE == 0:
                    await asyncio.sleep(0)

    def _former(self, facts: SubdirFacts | None, stem: str | None) -> tuple[str, ...]:
        """Return the stems before the one that is current now; a rollback is an event (A19)."""
        if facts is None or facts.stem is None or stem == facts.stem:
            return facts.former if facts is not None else ()
        if stem in facts.former:
            self._tally.count("rollbacks", self._upstream.id)
            _LOG.warning(
                "the index of %s of %s went back to a former one", self._subdir, self._upstream.title
            )
        return (*facts.former, facts.stem)[-_FORMER:]

    async def _take(self, facts: SubdirFacts | None, now_ms: int, *, is_background: bool) -> Taken:
        may_vanish = self._may_vanish(facts)
        held = Held(self._generation, may_vanish, is_background)
        try:
            return await self._intake.take(facts.taken if facts is not None else Taken(), held, now_ms)
        except BadPack as damage:
            _LOG.warning("what was held of %s cannot be read, all is fetched: %s", self._subdir, damage)
            return await self._intake.take(Taken(), Held(None, may_vanish, is_background), now_ms)

    def _may_vanish(self, facts: SubdirFacts | None) -> bool:
        """An origin that suddenly lists nothing is not believed for as long as what it listed may be used."""
        generation = self._generation
        return (
            facts is None
            or generation is None
            or not len(generation.snapshot)
            or isinstance(self._decide(facts), Expired)
        )

    # -- remembering ---------------------------------------------------------------------------------------

    async def _recall(self) -> SubdirFacts | None:
        if not self._is_recalled:
            async with self._recalling:
                if not self._is_recalled:
                    await self._read_note()
                    self._is_recalled = True
        return self._facts

    async def _read_note(self) -> None:
        data = await self._notes.get(self._note())
        try:
            facts = _DECODER.decode(data) if data is not None else None
            if facts is not None and facts.stem is not None:
                self._generation = await asyncio.to_thread(open_generation, self.folder, facts.stem)
                if not self._generation.snapshot.is_current:
                    _LOG.warning(
                        "what is held of %s of %s was made by another version of this program and is made again",
                        self._subdir, self._upstream.title,
                    )  # fmt: skip
                    facts = _asked_again(facts, self._now_ms() - int(self._limits.ttl_s * 1000))
            self._facts = facts
        except (msgspec.DecodeError, OSError, BadPack) as damage:
            _LOG.warning("what was held of %s is fetched again: %s", self._subdir, damage)

    def damaged(self, stem: str) -> None:
        """Forget a generation whose files were found damaged; the next request fetches it anew."""
        if self._generation is not None and self._generation.stem == stem:
            self._facts, self._generation = None, None

    def _note(self) -> str:
        return f"subdir/{self._upstream.id}/{self._subdir}"


def _asked_again(facts: SubdirFacts, before_ms: int) -> SubdirFacts:
    """Return facts of a generation that may be served, but not confirmed: the origin is asked at once for all of it."""
    taken = Taken(facts.stem, facts.taken.names)
    return msgspec.structs.replace(facts, checked_at_ms=min(facts.checked_at_ms, before_ms), taken=taken)


def _changed_names(before: Snapshot, after: Snapshot) -> set[str]:
    """Return the names of which two snapshots say something else. Blocks for some milliseconds."""
    found = diff(before.pack, after.pack)
    tops = (set(top.held.items()) | set(top.changed.items()) for top in (before.top, after.top))
    files = {file for file, _ in set.symmetric_difference(*tops)}
    return {*found.changed, *found.added, *found.removed, *(p.name for f in files if (p := parse_file(f)))}
