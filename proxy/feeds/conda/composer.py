"""Generations of a feed with several upstreams, names withheld or a policy: made by a child, once for the same inputs.

The rules of ownership and judging are the child's (`compose_job`); here is remembered what it decided, and for how
long: a generation that was judged is over with the first tick at which a verdict may change.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from proxy.artifacts.notes import Notes
from proxy.child.folder import temporary_folder
from proxy.child.run import ChildFailed, NoRoom, busy, run_in_child
from proxy.conda.pack import BadPack
from proxy.feeds.conda.compose_job import Order, Part, Rules
from proxy.feeds.conda.draft import unfinished_removed
from proxy.feeds.conda.folder_locks import FolderLocks
from proxy.feeds.conda.packs import Generation, open_generation, sweep_generations
from proxy.feeds.conda.ruling import Ruling
from proxy.feeds.conda.superseded import prune_superseded, write_superseded
from proxy.model.clock import Clock
from proxy.model.problem import Problem
from proxy.model.tally import Tally

#: Raised when the same inputs make another generation.
FORM = 3

#: After a child has failed on something it is not tried again for so long, twice as long each time.
_FIRST_REST_S, _LONGEST_REST_S = 30.0, 900.0
#: What a list with all that it needs may take over half a million records.
_CHILD_BYTES = 8 * 1024**3

_LOG = logging.getLogger("feedgate.conda")


class DamagedPart(Exception):
    """An upstream's generation cannot be read; the text is its stem."""


class Register(Protocol):
    """The remembered owners (state)."""

    async def all(self, feed: str) -> dict[str, str]: ...

    async def learn(self, feed: str, names: dict[str, str]) -> None: ...


class _Note(msgspec.Struct, frozen=True, array_like=True):
    """What is noted of a generation that was made."""

    inputs: str
    stem: str
    #: Of a generation that was judged: by what, at which tick, until which (0: for good), and with what outcome.
    rules: str = ""
    tick_ms: int = 0
    until_ms: int = 0
    counts: dict[str, int] = {}
    #: The generations of the upstreams that it was made of.
    stems: tuple[str, ...] = ()

    def is_of(self, inputs: str, tick_ms: int) -> bool:
        """Tell whether it is what these inputs make at a tick. A clock that went back makes it anew."""
        is_now = self.tick_ms <= tick_ms and (not self.until_ms or tick_ms < self.until_ms)
        return self.inputs == inputs and is_now


_NOTE = msgspec.msgpack.Decoder(_Note)


@dataclass(frozen=True, slots=True)
class Composed:
    """A generation, and what came of judging it."""

    generation: Generation
    folder: Path
    note: _Note
    #: Whether it was made of something else than what there is now, which no child could compose.
    is_behind: bool = False

    @property
    def until_ms(self) -> int | None:
        """The first tick at which it is over."""
        return self.note.until_ms or None

    @property
    def counts(self) -> Mapping[str, int]:
        """ "outcome rule" -> files."""
        return self.note.counts


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a generation is made of. `is_complete`: the parts tell of all subdirs there can be."""

    parts: tuple[Part, ...]
    is_complete: bool
    #: Generations that the feed showed as they were.
    shown_before: tuple[tuple[str, str], ...] = ()
    #: Whether the names' owners are remembered: who takes all from one upstream need not.
    has_owners: bool = True

    def key(self, rules: str) -> str:
        """Return the name of these inputs."""
        text = msgspec.msgpack.encode((FORM, self.parts, self.is_complete, rules))
        return hashlib.sha256(text).hexdigest()


@dataclass(frozen=True, slots=True)
class _Failure:
    """A child that failed: on which inputs, since when, until when it is not tried again, and why."""

    key: str
    since: datetime
    rest_until: float
    times: int
    problem: Problem


class Composer:
    """Makes the generations of one feed; they lie in `folder`, a folder for each subdir."""

    def __init__(
        self, feed: str, folder: Path, register: Register, notes: Notes, clock: Clock, tally: Tally,
        locks: FolderLocks, ruling: Ruling | None = None,
    ) -> None:  # fmt: skip
        self._feed = feed
        self._folder = folder
        self._register = register
        self._notes = notes
        self.clock = clock
        self._tally = tally
        self._ruling = ruling
        self._composed: dict[str, Composed] = {}
        self._forgotten: set[str] = set()
        self._locks = locks
        #: What has been told already: (what is wrong, name).
        self._told: set[tuple[str, str]] = set()
        self._failures: dict[str, _Failure] = {}

    def current(self, subdir: str, inputs: Inputs) -> Composed | None:
        """Return the generation that these inputs make now, if it is in memory."""
        known = self._composed.get(subdir)
        return known if known is not None and self._is_now(known, inputs.key(self._rules_key)) else None

    def is_behind(self, subdir: str) -> bool:
        """Tell whether the edition before stands in for one that cannot be made."""
        known = self._composed.get(subdir)
        return known is not None and known.is_behind

    async def compose(self, subdir: str, inputs: Inputs) -> Composed:
        """Return the generation that these inputs make. Raises Problem, DamagedPart."""
        known = self.current(subdir, inputs)
        if known is not None:
            return known
        async with self._locks.of(self._folder / subdir):
            return await self._current(subdir, inputs)

    def notes(self) -> Iterator[str]:
        """Yield what cannot be composed, one line each: what, since when and why."""
        for subdir, failure in self._failures.items():
            known = self._composed.get(subdir)
            state = "goes on as it was" if known is not None and known.is_behind else "is not served"
            yield (
                f"{subdir} {state} since {failure.since:%Y-%m-%d %H:%M} UTC: its next edition cannot be made: "
                f"{failure.problem.detail}"
            )

    def is_over(self, composed: Composed) -> bool:
        """Tell whether a verdict may have changed since it was made, or it only stands in for another."""
        return composed.is_behind or not composed.note.is_of(composed.note.inputs, self._tick_ms)

    async def retire(self, subdir: str) -> None:
        """Give up what was composed: the feed shows its upstream's generation as it is. Its shards are kept."""
        folder, now_ms = self._folder / subdir, int(self.clock.now().timestamp() * 1000)
        async with self._locks.of(folder):
            known = self._composed.get(subdir) or await self._recall(subdir)
            await asyncio.to_thread(_retired, folder, known.generation if known is not None else None, now_ms)
            await self._notes.delete(self._note(subdir))
            self._composed.pop(subdir, None)

    def forget(self, subdir: str) -> None:
        """Make the subdir's generation anew: its files were found damaged."""
        self._composed.pop(subdir, None)
        self._forgotten.add(subdir)

    async def remake(self, subdir: str) -> None:
        """Make the subdir's generation anew from the same parts: whose a name is has changed."""
        async with self._locks.of(self._folder / subdir):
            await self._notes.delete(self._note(subdir))
            self.forget(subdir)

    @property
    def _rules_key(self) -> str:
        return self._ruling.fingerprint if self._ruling is not None else ""

    @property
    def _tick_ms(self) -> int:
        return self._ruling.tick_ms if self._ruling is not None else 0

    def _is_now(self, known: Composed, key: str) -> bool:
        return not known.is_behind and known.note.is_of(key, self._tick_ms)

    async def _current(self, subdir: str, inputs: Inputs) -> Composed:
        key, tick_ms = inputs.key(self._rules_key), self._tick_ms
        known = self._composed.get(subdir)
        if known is None and subdir not in self._forgotten:
            known = await self._recall(subdir)
        if known is not None and known.note.is_of(key, tick_ms):
            # What stood in for another may be right again: an origin went back to what it had.
            self._failures.pop(subdir, None)
            self._composed[subdir] = current = replace(known, is_behind=False)
            return current
        sources = _sources_key(inputs.parts, self._rules_key)
        failure = self._failures.get(subdir)
        if failure is not None and failure.key == key and self.clock.monotonic() < failure.rest_until:
            return self._standing_in(subdir, known, inputs, sources, failure.problem)
        order = Order(
            folder=str(self._folder / subdir), subdir=subdir, parts=inputs.parts, remembered="",
            is_complete=inputs.is_complete, now_ms=int(self.clock.now().timestamp() * 1000),
            previous=known.note.stem if known is not None else None,
            shown_before=inputs.shown_before if known is None else (),
            rules=self._rules(known, sources, tick_ms),
        )  # fmt: skip
        try:
            made = await self._made(order, has_owners=inputs.has_owners)
        except ChildFailed as failed:
            self._note_failure(subdir, key, failed, has_former=known is not None)
            return self._standing_in(subdir, known, inputs, sources, busy(failed), cause=failed)
        self._failures.pop(subdir, None)
        stems = tuple(part.stem for part in inputs.parts)
        note = _Note(key, made["stem"], sources, tick_ms, made["until_ms"], made["counts"], stems)
        generation = await asyncio.to_thread(open_generation, self._folder / subdir, note.stem)
        composed = self._composed[subdir] = Composed(generation, self._folder / subdir, note)
        self._forgotten.discard(subdir)
        await self._notes.set(self._note(subdir), msgspec.msgpack.encode(note))
        return composed

    def _note_failure(self, subdir: str, key: str, failed: ChildFailed, *, has_former: bool) -> None:
        """Remember that a child failed, and log it once for the same inputs."""
        before = self._failures.get(subdir)
        times = before.times + 1 if before is not None and before.key == key else 1
        # A host without room may have some in a moment, and a child may have been killed by mistake.
        is_tried_again = isinstance(failed, NoRoom) or (times == 1 and not has_former)
        rest_s = 0.0 if is_tried_again else min(_FIRST_REST_S * 2 ** (times - 1), _LONGEST_REST_S)
        since = before.since if before is not None else self.clock.now()
        until = self.clock.monotonic() + rest_s
        self._failures[subdir] = _Failure(key, since, until, times, busy(failed))
        self._tally.count("compositions_failed", self._feed)
        if times == 1:
            _LOG.error("%s of %s cannot be made; what was made before stays: %s", subdir, self._feed, failed)

    def _standing_in(
        self, subdir: str, known: Composed | None, inputs: Inputs, sources: str, problem: Problem,
        cause: Exception | None = None,
    ) -> Composed:  # fmt: skip
        """Return the edition before while the next one cannot be made (design, law 4): raise where it may not be shown.

        Freshness fails open: it may be made of what an origin listed before. Permission fails closed: not of another
        policy, other settings or approvals, or of what another feed showed; nor past the end of an exemption. What
        today's rules hide of it the gate refuses.
        """
        if known is None or not self._may_stand_in(known.note, inputs, sources):
            self._composed.pop(subdir, None)
            raise problem from cause
        self._composed[subdir] = behind = replace(known, is_behind=True)
        return behind

    def _may_stand_in(self, note: _Note, inputs: Inputs, sources: str) -> bool:
        changed = [part for part, stem in zip(inputs.parts, note.stems, strict=False) if part.stem != stem]
        if note.rules != sources or len(note.stems) != len(inputs.parts) or note.tick_ms > self._tick_ms:
            return False
        if any(not part.lineage.is_origin for part in changed):
            return False
        exemptions = self._ruling.policy.exemptions if self._ruling is not None else ()
        ends = (each.ends_at.timestamp() * 1000 for each in exemptions)
        return not any(note.tick_ms < end <= self._tick_ms for end in ends)

    def _rules(self, known: Composed | None, sources: str, tick_ms: int) -> Rules | None:
        if self._ruling is None:
            return None
        is_known = known is not None and known.note.rules == sources and known.note.tick_ms <= tick_ms
        return Rules(self._ruling.policy, tick_ms, str(self._ruling.state), is_known=is_known)

    async def _made(self, order: Order, *, has_owners: bool) -> Mapping[str, Any]:
        remembered = await self._register.all(self._feed) if has_owners else {}
        async with temporary_folder("feedgate-owners-") as folder:
            path = folder / "remembered"
            await asyncio.to_thread(path.write_bytes, msgspec.msgpack.encode(remembered))
            order = msgspec.structs.replace(order, remembered=str(path))
            async with unfinished_removed(Path(order.folder), order.now_ms):
                made: dict[str, Any] = await run_in_child(
                    "proxy.feeds.conda.compose_job:run", {"order": msgspec.to_builtins(order)},
                    memory_bytes=_CHILD_BYTES,
                )  # fmt: skip
        if "damaged" in made:
            raise DamagedPart(made["damaged"])
        self._tally.count("names_judged", self._feed, made["judged"])
        if has_owners:
            await self._register.learn(self._feed, made["learned"])
        self._tell("would change their owner and are held", made["held"])
        self._tell("are offered by an earlier upstream than their owner, who keeps them", made["rivals"])
        return made

    def _tell(self, what: str, names: list[str]) -> None:
        news = [name for name in names if (what, name) not in self._told]
        if not news:
            return
        self._told.update((what, name) for name in news)
        self._tally.count("owner_changes_held", self._feed, len(news))
        _LOG.error("%s names of %s %s, such as %s", len(news), self._feed, what, ", ".join(news[:20]))

    async def _recall(self, subdir: str) -> Composed | None:
        data = await self._notes.get(self._note(subdir))
        try:
            if data is None:
                return None
            note = _NOTE.decode(data)
            generation = await asyncio.to_thread(open_generation, self._folder / subdir, note.stem)
        except (msgspec.DecodeError, OSError, BadPack):
            return None
        self._composed[subdir] = Composed(generation, self._folder / subdir, note)
        return self._composed[subdir]

    def _note(self, subdir: str) -> str:
        return f"composed/{self._feed}/{subdir}"


def _sources_key(parts: tuple[Part, ...], rules: str) -> str:
    """Return the name of what verdicts hang on beside the records: the policy, and whose names are which upstream's."""
    settings = [(part.upstream, part.lineage, part.only, part.withheld) for part in parts]
    text = msgspec.msgpack.encode((FORM, settings, rules))
    return hashlib.sha256(text).hexdigest()


def _retired(folder: Path, generation: Generation | None, now_ms: int) -> None:
    if generation is not None:
        write_superseded(folder, generation.shards, None, now_ms)
        sweep_generations(folder)
    prune_superseded(folder, now_ms)
