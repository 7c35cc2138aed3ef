"""The child's judging of a composed generation: every name whose verdicts may be others than those noted before."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from proxy.conda.block import Block
from proxy.conda.pack import Entry
from proxy.feeds.conda.lineage import Lineage, Noted, noted
from proxy.feeds.conda.packs import Generation
from proxy.feeds.conda.ruling import Licenses, Place, Seen, asks_age, facts_of_block
from proxy.policy.closure import NeededRecords
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from proxy.policy.judged import Judged
from proxy.policy.settings import Policy
from proxy.policy.tick import TICK_MS
from proxy.state.first_seen import FirstSights

_BASIS_BYTES = 16
_FIRST_SEEN_OF: Callable[[Facts], int | None] = attrgetter("first_seen_ms")
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is shown of a name; `block` None: all of it. `is_known`: the generation before has it so."""

    noted: Noted
    block: Block | None = None
    is_known: bool = False
    #: With a block: file -> record, of the files that the origin has taken out and that still download.
    removed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Totals:
    """What came of all names."""

    counts: dict[str, int] = field(default_factory=dict)
    until_ms: int = 0
    judged: int = 0

    def add(self, one: Noted) -> None:
        for key, count in one.counts.items():
            self.counts[key] = self.counts.get(key, 0) + count
        if one.until_ms:
            self.until_ms = min(self.until_ms, one.until_ms) if self.until_ms else one.until_ms


class Judging:
    """A policy and a tick for the names of one subdir, in ascending order or not."""

    def __init__(
        self, policy: Policy, tick_ms: int, subdir: str, state: Path | None, needed: NeededRecords | None,
        known: Generation | None,
    ) -> None:  # fmt: skip
        self._judge = Judge(policy, "conda", needed)
        self._tick_ms = tick_ms
        self._subdir = subdir
        self._state = state if asks_age(policy) else None
        self._needed = needed
        #: The generation before, judged by the same policy at an earlier tick.
        self._known = known
        self._licenses: Licenses = {}
        self._sights: dict[str, FirstSights] = {}
        self.totals = Totals()

    def of(self, name: str, entry: Entry, here: Generation, way: bytes, origin: Lineage) -> Kept:
        """Return what is shown of a name that an upstream's generation has. Raises BadPack."""
        needed = self._needed_of(name)
        basis = _basis(entry, needed)
        kept = self._as_before(name, way, basis) or self._judged(
            name, here, origin, Noted(way, basis), needed
        )
        self.totals.add(kept.noted)
        return kept

    def _as_before(self, name: str, way: bytes, basis: bytes) -> Kept | None:
        entry = self._known.snapshot.pack.entries.get(name) if self._known is not None else None
        if entry is None:
            return None
        before = noted(entry.source)
        is_over = 0 < before.until_ms <= self._tick_ms
        return None if is_over or (before.way, before.basis) != (way, basis) else Kept(before, is_known=True)

    def _judged(
        self, name: str, here: Generation, origin: Lineage, note: Noted, needed: Mapping[str, str]
    ) -> Kept:
        block = here.snapshot.block(name)
        assert block is not None, "a name is taken from the entries of its pack"
        seen = self._seen(name, origin)
        judged = self._judge_block(block, origin, seen)
        self.totals.judged += 1
        keep, counts = settled(judged)
        hidden_needs = {file: by for file, by in needed.items() if keep is not None and file not in keep}
        removed, until_ms = here.snapshot.top.removed.get(name, {}), self._until_ms(judged, seen)
        hidden: frozenset[str] = frozenset()
        if removed:
            of_all = self._judge_block(block.with_records(removed), origin, seen)
            visible, _ = settled(of_all)
            hidden = frozenset() if visible is None else frozenset(removed.keys() - visible)
            until_ms = min(filter(None, (until_ms, self._until_ms(of_all, seen))), default=0)
        note = Noted(note.way, note.basis, until_ms, counts, hidden_needs)
        if keep is None and not hidden:
            return Kept(note)
        told = {file: raw for file, raw in removed.items() if file not in hidden}
        shown = Block(name, removed=tuple(told)) if keep is not None and not keep else block
        shown = shown.narrowed(keep) if keep else shown
        return Kept(note, shown.without_removed(hidden), removed=told)

    def _judge_block(self, block: Block, origin: Lineage, seen: Seen | None) -> Judged:
        facts = facts_of_block(block, Place(self._subdir, origin), seen, self._licenses)
        return self._judge.judge(block.name, facts, self._tick_ms)

    def _until_ms(self, judged: Judged, seen: Seen | None) -> int:
        """Return when to judge again; what the state does not know yet it may know at the next tick."""
        until = int(judged.until.timestamp() * 1000) if judged.until is not None else 0
        if seen is not None and None in map(_FIRST_SEEN_OF, judged.facts):
            following = self._tick_ms + TICK_MS["conda"]
            return min(until, following) if until else following
        return until

    def _seen(self, name: str, origin: Lineage) -> Seen | None:
        if self._state is None or not origin.has_sights:
            return None
        sights = self._sights.get(origin.upstream)
        if sights is None:
            sights = self._sights[origin.upstream] = FirstSights(self._state, origin.upstream, self._subdir)
            if self._known is None:
                sights.load()
        return sights.of(name)

    def _needed_of(self, name: str) -> Mapping[str, str]:
        of_name = self._needed.records.get(name) if self._needed is not None else None
        if of_name is None:
            return _NOTHING
        here = f"{self._subdir}/"
        return {artifact[len(here) :]: by for artifact, by in of_name.items() if artifact.startswith(here)}


def _basis(entry: Entry, needed: Mapping[str, str]) -> bytes:
    if not needed:
        return entry.digest[:_BASIS_BYTES]
    text = "\n".join(f"{file} {by}" for file, by in sorted(needed.items()))
    return hashlib.sha256(entry.digest + text.encode()).digest()[:_BASIS_BYTES]


def settled(judged: Judged) -> tuple[frozenset[str] | None, dict[str, int]]:
    """Return the files that are shown (None: all), and how many files got which verdict."""
    # Most files of a name share a verdict, so it is each verdict that is looked at, not each file.
    numbers = list(map(id, judged.verdicts))
    verdicts = dict(zip(numbers, judged.verdicts, strict=True))
    files = Counter(numbers) if len(verdicts) > 1 else dict.fromkeys(verdicts, len(numbers))
    counts: dict[str, int] = {}
    for number, verdict in verdicts.items():
        key = verdict.outcome + " " + verdict.rule
        counts[key] = counts.get(key, 0) + files[number]
    visible = {number for number, verdict in verdicts.items() if verdict.is_visible}
    if len(visible) == len(verdicts):
        return None, counts
    if not visible:
        return frozenset(), counts
    pairs = zip(judged.facts, numbers, strict=True)
    return frozenset([facts.file for facts, number in pairs if number in visible]), counts
