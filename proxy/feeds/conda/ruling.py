"""A policy as a conda feed asks it: the records of a name to facts, facts to verdicts. Any thread; may read the state.

The same here and in the child that composes a generation, so that the gate and the index forms cannot disagree.
When a file was first seen is read from the state only where the policy asks how old it is.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from proxy.conda.block import Block
from proxy.conda.record import Facts as Record
from proxy.conda.record import as_ms
from proxy.feeds.conda.lineage import Lineage
from proxy.model.clock import Clock
from proxy.model.verdict import Verdict
from proxy.policy.closure import NeededRecords
from proxy.policy.facts import Facts, License
from proxy.policy.judge import Judge
from proxy.policy.judged import Judged
from proxy.policy.settings import Policy
from proxy.policy.tick import tick_of
from proxy.state.first_seen import FirstSeen, FirstSights

#: Texts that thousands of records share, so that each is one value.
Licenses = dict[tuple[str | None, str | None], License]
Seen = Mapping[str, FirstSeen]


class Place(NamedTuple):
    """Where the records of a name lie, and whose they are."""

    subdir: str
    origin: Lineage


class Sights(Protocol):
    """When the files of a name were first seen."""

    def of(self, name: str) -> Seen: ...


def asks_age(policy: Policy) -> bool:
    """Tell whether it matters when a file was first seen."""
    return policy.min_age_s > 0


def facts_of_block(block: Block, place: Place, seen: Seen | None, licenses: Licenses) -> list[Facts]:
    """Return what rules may ask of a name's records; `seen` None: no rule asks how old they are."""
    found = []
    name, subdir, channel, is_old = (
        block.name,
        place.subdir,
        place.origin.channel,
        not place.origin.has_sights,
    )
    for file, record in block.facts().items():
        said = (record.license, record.license_family)
        licence = licenses.get(said)
        if licence is None:
            licence = licenses[said] = License(*said).bounded()
        sight = seen.get(file) if seen else None
        # With one argument more Python 3.11 would call by a dictionary, which takes three times as long.
        facts = Facts(
            file=file, name=name, version=record.version, subdir=subdir, build=record.build,
            build_number=record.build_number, depends=record.depends, license=licence, size=record.size or None,
            uploaded_ms=_uploaded_ms(record, sight), first_seen_ms=sight.first_ms if sight is not None else None,
            is_initial=sight.is_initial if sight is not None else is_old, channel=channel, sha256=record.sha256,
            md5=record.md5,
        )  # fmt: skip
        found.append(facts if not record.revoked else msgspec.structs.replace(facts, is_yanked=True))
    return found


def _uploaded_ms(record: Record, seen: FirstSeen | None) -> int | None:
    """Return the origin's time. A stamp of the moment of first sight is this server's own (`first_sight`)."""
    if record.indexed_timestamp is None:
        return as_ms(record.timestamp)
    indexed = as_ms(record.indexed_timestamp)
    is_ours = seen is not None and not seen.is_initial and indexed == seen.first_ms
    return as_ms(record.timestamp) if indexed is None or is_ours else indexed


class Ruling:
    """One feed's policy, asked name by name: by the gate, by lists, by explain."""

    def __init__(self, policy: Policy, clock: Clock, state: Path) -> None:
        self.policy = policy
        self.fingerprint = policy.fingerprint
        self.state = state
        self._clock = clock
        self._lock = threading.Lock()
        self._judge: Judge | None = None
        self._licenses: Licenses = {}

    @property
    def now_ms(self) -> int:
        """The time, in UTC milliseconds."""
        return int(self._clock.now().timestamp() * 1000)

    @property
    def tick_ms(self) -> int:
        """The tick of now."""
        return tick_of("conda", self._clock.now())

    def judged(self, block: Block, place: Place, needed: Mapping[str, str]) -> Judged:
        """Return the verdicts on a name's records at the tick of now. Blocks.

        `needed` are the files that a package list needs -> the artifact that needs them.
        """
        seen, tick_ms = self._seen(block.name, place), self.tick_ms
        with self._lock:
            facts = facts_of_block(block, place, seen, self._licenses)
            return self._judge_of(block.name, place.subdir, needed).judge(block.name, facts, tick_ms)

    def findings(
        self, block: Block, place: Place, needed: Mapping[str, str]
    ) -> list[tuple[Facts, tuple[Verdict, ...]]]:
        """Return each record's facts, and what every rule says of it. Blocks."""
        seen, tick_ms = self._seen(block.name, place), self.tick_ms
        with self._lock:
            judge = self._judge_of(block.name, place.subdir, needed)
            facts = facts_of_block(block, place, seen, self._licenses)
            return [(each, judge.findings(each, tick_ms)) for each in facts]

    def _seen(self, name: str, place: Place) -> Seen | None:
        if not asks_age(self.policy) or not place.origin.has_sights:
            return None
        return FirstSights(self.state, place.origin.upstream, place.subdir).of(name)

    def _judge_of(self, name: str, subdir: str, needed: Mapping[str, str]) -> Judge:
        if self.policy.include_dependencies:
            of_name = {f"{subdir}/{file}": by for file, by in needed.items()}
            return Judge(self.policy, "conda", NeededRecords({name: of_name} if of_name else {}))
        if self._judge is None:
            self._judge = Judge(self.policy, "conda")
        return self._judge
