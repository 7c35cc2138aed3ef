"""What a closure is solved over: the records of the names that can be reached from what is wanted.

Candidates are what the source shows and what the target has; where both have a file, the target's record counts.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from proxy.conda.record import Facts
from proxy.conda.snapshot import Snapshot
from proxy.model.bounds import is_readable
from proxy.policy.conda_version import spec_parts


@dataclass(slots=True)
class Catalog:
    """The records of the names that were looked at: subdir -> file -> JSON."""

    source: Mapping[str, Snapshot]
    target: Mapping[str, Snapshot]
    excluded: frozenset[str] = frozenset()
    #: name -> the only files of it that are candidates.
    only: Mapping[str, frozenset[str]] = field(default_factory=dict)
    records: dict[str, dict[str, bytes]] = field(default_factory=dict)
    facts: dict[str, Facts] = field(default_factory=dict)
    #: The files that the target has.
    approved: set[str] = field(default_factory=set)
    #: The files that the solver must not be given.
    unreadable: set[str] = field(default_factory=set)

    def gather(self, names: Iterable[str]) -> None:
        """Look at the names and at all that they may need."""
        seen: set[str] = set()
        queue = deque(names)
        while queue:
            name = queue.popleft()
            if name in seen or name.startswith("__"):
                continue
            seen.add(name)
            if name == "python":
                queue.append("pip")
            for facts in self._look_at(name):
                queue.extend(spec_parts(spec)[0] for spec in facts.depends or ())

    def _look_at(self, name: str) -> Iterator[Facts]:
        for snapshots in (self.source, self.target):
            for subdir, snapshot in snapshots.items():
                block = snapshot.block(name)
                if block is None:
                    continue
                found = block.facts()
                for record in block.records():
                    path = f"{subdir}/{record.file}"
                    if not _may_be_solved(found[record.file]):
                        self.unreadable.add(path)
                        continue
                    if snapshots is self.source and path in self.excluded:
                        continue
                    if name in self.only and path not in self.only[name]:
                        continue
                    self.records.setdefault(subdir, {})[record.file] = record.raw
                    self.facts[path] = found[record.file]
                    if snapshots is self.target:
                        self.approved.add(path)
                yield from filter(_may_be_solved, found.values())

    def has(self, name: str) -> bool:
        return any(facts.name == name for facts in self.facts.values())


def _may_be_solved(facts: Facts) -> bool:
    """Return whether py-rattler may be given a record: its parser recurses, and would end the process."""
    if facts.depends is None or facts.constrains is None:
        return False
    return all(map(is_readable, facts.depends)) and all(map(is_readable, facts.constrains))
