"""The child's part of a trial: a draft of a policy over every record of a feed. Writes nothing.

Judged by the same code as the generations that a feed with a policy shows, so that a trial tells what would be.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from proxy.conda.names import parse_file
from proxy.conda.pack import BadPack
from proxy.feeds.conda.compose_judge import Judging
from proxy.feeds.conda.lineage import Lineage
from proxy.feeds.conda.packs import Generation, open_generation
from proxy.feeds.conda.ruling import Place, facts_of_block
from proxy.feeds.trial import Tallied
from proxy.policy.closure import NeededRecords, needed_records
from proxy.policy.facts import Facts
from proxy.policy.judge import Judge
from proxy.policy.settings import Policy

_SHOWN = ("allow", "warn")


class Below(msgspec.Struct, frozen=True):
    """What an upstream has in a subdir: folder and stem of its generation, and where its names come from."""

    place: tuple[str, str]
    lineage: Lineage


class Subdir(msgspec.Struct, frozen=True):
    """A subdir of the feed: its generation tells which names it has and whose they are, `below` has the records."""

    subdir: str
    place: tuple[str, str]
    below: tuple[Below | None, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be judged, by what, when; `state` tells first sights."""

    policy: Policy
    tick_ms: int
    state: str
    subdirs: tuple[Subdir, ...]


class _Name(NamedTuple):
    """A name of a subdir, in its owner's generation."""

    here: Generation
    origin: Lineage


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Return {"counts": {"outcome rule": files}, "shown_of": {name: files}, "shown": files}.

    {"damaged": true} where a generation cannot be read, or was replaced meanwhile.
    """
    asked = msgspec.convert(order, Order)
    try:
        tallied = _tallied(asked)
    except (BadPack, FileNotFoundError, EOFError):
        return {"damaged": True}
    return {"counts": tallied.counts, "shown_of": tallied.shown_of, "shown": tallied.shown}


def _tallied(asked: Order) -> Tallied:
    opened = [_Opened(each) for each in asked.subdirs]
    needed = _needed(asked.policy, opened) if asked.policy.include_dependencies else None
    tallied = Tallied()
    for each in opened:
        judging = Judging(asked.policy, asked.tick_ms, each.subdir, Path(asked.state), needed, None)
        for name, (here, origin) in each.names.items():
            entry = here.snapshot.pack.entries[name]
            counts = judging.of(name, entry, here, b"\0", origin).noted.counts
            shown = sum(files for key, files in counts.items() if key.partition(" ")[0] in _SHOWN)
            tallied.add(name, counts, shown)
        for file, why in each.held.items():
            parsed = parse_file(file)
            if parsed is not None:
                tallied.add(parsed.name, {f"hold {why.partition(': ')[0]}": 1}, 0)
    return tallied


class _Opened:
    """A subdir's names with their owners' records."""

    def __init__(self, asked: Subdir) -> None:
        self.subdir = asked.subdir
        generation = open_generation(Path(asked.place[0]), asked.place[1])
        self.held: Mapping[str, str] = generation.snapshot.top.held
        below = [(_open(each.place), each.lineage) if each is not None else None for each in asked.below]
        self.names: dict[str, _Name] = {}
        for name, entry in generation.snapshot.pack.entries.items():
            found = below[0 if len(below) == 1 else entry.source[0]]
            if found is not None and name in found[0].snapshot.pack.entries:
                here, lineage = found
                self.names[name] = _Name(here, lineage.origin_of(here.snapshot.pack.entries[name].source))

    def facts(self, name: str) -> Iterator[Facts]:
        """Yield the facts of a name's records."""
        found = self.names.get(name)
        block = found.here.snapshot.block(name) if found is not None else None
        if found is not None and block is not None:
            yield from facts_of_block(block, Place(self.subdir, found.origin), None, {})


def _open(place: tuple[str, str]) -> Generation:
    return open_generation(Path(place[0]), place[1])


def _needed(policy: Policy, opened: list[_Opened]) -> NeededRecords:
    """Return what the policy's list needs, over all subdirs."""
    names = set[str]().union(*(each.names for each in opened))

    def records_of(name: str) -> list[Facts]:
        return [facts for each in opened for facts in each.facts(name)]

    return needed_records(Judge(policy, "conda"), sorted(names), records_of)
