"""The child's part of a feed that shows something else than one upstream's generation: one generation out of theirs.

That is a feed with several upstreams, with names withheld, or with a policy. Whole names are taken over, records and
shards as they are, each from the upstream that owns the name (contract, section 1: the first that has it and may have
it, over all subdirs of the feed; remembered; a change is held). Ownership is decided before policy, so a name of
which a policy hides everything stays in the generation, with nothing under it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack
from proxy.conda.snapshot import Top, bounded
from proxy.feeds.conda.compose_judge import Judging, Totals
from proxy.feeds.conda.compose_write import Writing
from proxy.feeds.conda.draft import drafting
from proxy.feeds.conda.lineage import Lineage, Noted, pack_noted
from proxy.feeds.conda.packs import Generation, open_generation, sweep_generations
from proxy.feeds.conda.publishing import publish
from proxy.feeds.conda.ruling import Place, facts_of_block
from proxy.feeds.ownership import matches
from proxy.model.sights import Change
from proxy.policy.closure import NeededRecords, needed_records
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from proxy.policy.settings import Policy

#: A file's reason begins with the rule that holds it.
OWNER_GONE = (
    "owner: {name} belonged to another upstream of this feed, which no longer has it; the administrator decides with "
    "`only` or `except` who may have the name"
)

OWNER_UNKNOWN = "owner: an upstream of this feed that comes first cannot be asked now whether it has {name}"


class Part(msgspec.Struct, frozen=True):
    """One upstream: its generation in the subdir that is made (None: it has none), and in the other subdirs."""

    upstream: str
    here: tuple[str, str] | None
    elsewhere: tuple[tuple[str, str], ...] = ()
    only: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    lineage: Lineage = Lineage()
    #: Whether some of its other subdirs could not be asked, so that it may have names that nobody knows of.
    is_unsure: bool = False

    @property
    def stem(self) -> str:
        """The generation's name, if there is one."""
        return self.here[1] if self.here is not None else ""


class Rules(msgspec.Struct, frozen=True):
    """The policy that judges, and the tick; `state` tells first sights."""

    policy: Policy
    tick_ms: int
    state: str
    #: Whether the generation before was judged by the same policy over the same upstreams, at an earlier tick.
    is_known: bool = False


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Folders are absolute; a generation is (folder, stem)."""

    folder: str
    subdir: str
    now_ms: int
    parts: tuple[Part, ...]
    remembered: str
    #: Whether the parts tell of every subdir that the feed will ever have: only then is it certain that the upstreams
    #: before a name's owner lack it, and the owner is remembered. The first of those who may have it always is.
    is_complete: bool = False
    previous: str | None = None
    #: Generations that the feed showed as they were, and whose shards clients may still ask for.
    shown_before: tuple[tuple[str, str], ...] = ()
    rules: Rules | None = None


class _Damaged(Exception):
    """A generation cannot be read; the text is its stem."""


@contextmanager
def _reading(stem: str) -> Iterator[None]:
    try:
        yield
    except (BadPack, FileNotFoundError, EOFError) as damage:
        raise _Damaged(stem) from damage


def _opened(place: tuple[str, str]) -> Generation:
    with _reading(place[1]):
        return open_generation(Path(place[0]), place[1])


class _Upstream:
    """An upstream's names, opened."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.here = _opened(part.here) if part.here is not None else None
        elsewhere = [_opened(place) for place in part.elsewhere]
        self.generations = [self.here, *elsewhere] if self.here is not None else elsewhere
        self.names = set[str]().union(*(each.snapshot.pack.entries for each in self.generations))

    @property
    def held(self) -> Mapping[str, str]:
        """What the upstream's generation holds here: file -> why."""
        return self.here.snapshot.top.held if self.here is not None else {}

    def has_here(self, name: str) -> bool:
        return self.here is not None and name in self.here.snapshot.pack.entries

    def files_of(self, name: str) -> Iterable[str]:
        """Return the files of a name here."""
        if self.here is None:
            return ()
        with _reading(self.here.stem):
            block = self.here.snapshot.block(name)
        return block.facts() if block is not None else ()

    def may_have(self, name: str) -> bool:
        return (not self.part.only or matches(name, self.part.only)) and not matches(name, self.part.withheld)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Make the generation; return {"stem", "names", "learned": {name: upstream}, "held": [name…], "rivals": [name…],
    "counts": {"outcome rule": files}, "until_ms": the tick at which a verdict may change or 0, "judged": names}.

    `{"damaged": stem}` is returned where an upstream's generation cannot be read.
    """
    asked = msgspec.convert(order, Order)
    try:
        return _made(asked)
    except _Damaged as damaged:
        return {"damaged": str(damaged)}


def _made(asked: Order) -> dict[str, Any]:
    remembered = msgspec.msgpack.decode(Path(asked.remembered).read_bytes(), type=dict[str, str])
    upstreams = [_Upstream(part) for part in asked.parts]
    decided = _decided(upstreams, remembered, is_complete=asked.is_complete)
    stem, totals = _written(asked, upstreams, decided)
    return {
        "stem": stem, "names": len(decided.chosen), "learned": decided.learned, "held": decided.held,
        "rivals": decided.rivals, "counts": totals.counts, "until_ms": totals.until_ms, "judged": totals.judged,
    }  # fmt: skip


@dataclass(slots=True)
class _Decided:
    """Who has what."""

    #: name -> place of its owner among the upstreams, of the names that are shown in the subdir.
    chosen: dict[str, int] = field(default_factory=dict)
    #: The same of all subdirs.
    owners: dict[str, int] = field(default_factory=dict)
    #: name -> upstream, of the owners that are new.
    learned: dict[str, str] = field(default_factory=dict)
    #: Names that their owner has no more, and another upstream has.
    held: list[str] = field(default_factory=list)
    #: Names without a remembered owner, of which an upstream that comes first cannot say whether it has them.
    unsure: list[str] = field(default_factory=list)
    #: Names that an upstream before their owner has by now.
    rivals: list[str] = field(default_factory=list)


def _decided(upstreams: Sequence[_Upstream], remembered: Mapping[str, str], *, is_complete: bool) -> _Decided:
    decided = _Decided()
    by_id = {upstream.part.upstream: place for place, upstream in enumerate(upstreams)}
    for name in sorted(set().union(*(upstream.names for upstream in upstreams))):
        able = [place for place, upstream in enumerate(upstreams) if upstream.may_have(name)]
        having = [place for place in able if name in upstreams[place].names]
        owner = by_id.get(remembered.get(name, ""))
        if not having:
            continue
        if owner is None or owner not in able:
            owner = having[0]
            if any(upstreams[place].part.is_unsure for place in able if place < owner):
                # An upstream that does not answer is not one that lacks the name.
                decided.unsure.append(name)
                continue
            if is_complete or owner == able[0]:
                decided.learned[name] = upstreams[owner].part.upstream
        if owner not in having:
            decided.held.append(name)
        elif having[0] != owner:
            decided.rivals.append(name)
        if owner in having:
            decided.owners[name] = owner
            if upstreams[owner].has_here(name):
                decided.chosen[name] = owner
    return decided


def _held(upstreams: Sequence[_Upstream], decided: _Decided) -> dict[str, str]:
    """Return file -> why, of the files that the owners' upstreams hold and of names without their owner."""
    held: dict[str, str] = {}
    for place, upstream in enumerate(upstreams):
        for file, why in upstream.held.items():
            parsed = parse_file(file)
            if parsed is not None and decided.chosen.get(parsed.name, place) == place:
                held[file] = why
        for name in decided.unsure:
            if upstream.may_have(name):
                held |= dict.fromkeys(upstream.files_of(name), OWNER_UNKNOWN.format(name=name))
        for name in decided.held:
            if upstream.may_have(name):
                held |= dict.fromkeys(upstream.files_of(name), OWNER_GONE.format(name=name))
    return held


def _changes(upstreams: Sequence[_Upstream], decided: _Decided) -> dict[str, Change]:
    """Return file -> what changed about it at its owner."""
    found: dict[str, Change] = {}
    for place, upstream in enumerate(upstreams):
        changes = upstream.here.snapshot.top.changes if upstream.here is not None else {}
        for file, change in changes.items():
            parsed = parse_file(file)
            if parsed is not None and decided.chosen.get(parsed.name, place) == place:
                found[file] = change
    return found


def _dropped(upstreams: Sequence[_Upstream], decided: _Decided) -> dict[str, dict[str, str]]:
    """Return what the owners' upstreams left out; of a name that has no record left, what any of them did."""
    found: dict[str, dict[str, str]] = {}
    for place, upstream in enumerate(upstreams):
        top = upstream.here.snapshot.top if upstream.here is not None else None
        for name, files in top.dropped.items() if top is not None else ():
            if decided.chosen.get(name, place) == place and upstream.may_have(name):
                found[name] = files | found.get(name, {})
    return bounded(found)


def _bases(upstreams: Sequence[_Upstream]) -> dict[int, str]:
    tops = {place: upstream.here.snapshot.top for place, upstream in enumerate(upstreams) if upstream.here}
    return {place: top.bases[0] for place, top in tops.items() if 0 in top.bases}


def _written(order: Order, upstreams: Sequence[_Upstream], decided: _Decided) -> tuple[str, Totals]:
    folder = Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    previous = _previous(order)
    judging = _judging(order, upstreams, decided, previous)
    top = Top(
        order.subdir,
        held=_held(upstreams, decided),
        bases=_bases(upstreams),
        dropped=_dropped(upstreams, decided),
        changes=_changes(upstreams, decided),
    )
    with drafting(folder, order.now_ms, previous) as draft:
        with Writing(draft, top, previous) as writing:
            for name, place in decided.chosen.items():
                with _reading(order.parts[place].stem):
                    _write(writing, name, place, upstreams[place], judging, previous)
        stem = publish(draft, folder, order.now_ms, previous, order.shown_before)
    sweep_generations(folder, stem, order.previous)
    return stem, judging.totals if judging is not None else Totals()


def _previous(order: Order) -> Generation | None:
    """Return the generation before, if it can be read and was written as this one is."""
    if order.previous is None:
        return None
    try:
        found = open_generation(Path(order.folder), order.previous)
    except (OSError, BadPack):
        return None
    return found if found.snapshot.is_current else None


def _write(
    writing: Writing, name: str, place: int, upstream: _Upstream, judging: Judging | None,
    previous: Generation | None,
) -> None:  # fmt: skip
    here, lineage = upstream.here, upstream.part.lineage
    assert here is not None, "only names that are here are chosen"
    entry = here.snapshot.pack.entries[name]
    way = bytes([place]) + lineage.way_of(entry.source)
    if judging is None:
        writing.whole(name, here, pack_noted(Noted(way)))
        return
    kept = judging.of(name, entry, here, way, lineage.origin_of(entry.source))
    if kept.is_known and previous is not None:
        writing.again(name, previous)
    elif kept.block is None:
        writing.whole(name, here, pack_noted(kept.noted))
    else:
        writing.part(kept.block, pack_noted(kept.noted), kept.removed)


# -- judging ---------------------------------------------------------------------------------------------------


def _judging(
    order: Order, upstreams: Sequence[_Upstream], decided: _Decided, previous: Generation | None
) -> Judging | None:
    if order.rules is None:
        return None
    policy = order.rules.policy
    needed = _needed(policy, upstreams, decided) if policy.include_dependencies else None
    return Judging(
        policy, order.rules.tick_ms, order.subdir, Path(order.rules.state), needed,
        previous if order.rules.is_known else None,
    )  # fmt: skip


def _needed(policy: Policy, upstreams: Sequence[_Upstream], decided: _Decided) -> NeededRecords:
    """Return what the policy's list needs, over all subdirs and from each name's owner."""

    def records_of(name: str) -> list[Facts]:
        place = decided.owners.get(name)
        return list(_all_facts(upstreams[place], name)) if place is not None else []

    return needed_records(Judge(policy, "conda"), decided.owners, records_of)


def _all_facts(upstream: _Upstream, name: str) -> Iterator[Facts]:
    for generation in upstream.generations:
        entry = generation.snapshot.pack.entries.get(name)
        with _reading(generation.stem):
            block = generation.snapshot.block(name)
        if entry is not None and block is not None:
            place = Place(generation.snapshot.top.subdir, upstream.part.lineage.origin_of(entry.source))
            yield from facts_of_block(block, place, None, {})
