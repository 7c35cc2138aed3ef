"""First sight of a name's files, as an ingest meets them: what drifted is held, what is new is stamped. No I/O.

A file whose digest changed under its name is drift: the record seen first stays where it is still known, else the
file, and its twin in the other format, is held. A file that appears after the first complete snapshot gets an
`indexed_timestamp` of the moment it was first seen, for good (contract, section 4; CEP 47).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from proxy.conda.block import Block
from proxy.conda.names import parse_file, twin
from proxy.conda.record import Facts, joined, raws_of, stamped
from proxy.state.sighting import Sighting, merge

#: A file's reason begins with the rule that holds it.
HELD = "drift: its bytes changed at the origin on {day}; the ones seen first are not known any more"

#: Of more files than this the records of now are not kept: a channel that renames all of its bytes is another one.
_MOST_CHANGED = 2000


@dataclass(slots=True)
class FirstSight:
    """Judges blocks one after the other; gathers what is to be remembered and what is held."""

    now_ms: int
    #: True while the first complete snapshot of the subdir is being taken.
    is_initial: bool
    #: Whether new files are stamped (`indexed_timestamp = "observed"`).
    stamps: bool
    #: name -> what is remembered of it.
    known: Mapping[str, Sighting]
    #: name -> what is to be remembered now.
    learned: dict[str, Sighting] = field(default_factory=dict)
    #: What the snapshot before held.
    held_before: Mapping[str, str] = field(default_factory=dict)
    newly_held: dict[str, str] = field(default_factory=dict)
    #: file -> the record that the origin lists now, where its bytes are not those seen first; of the snapshot before.
    changed_before: Mapping[str, str] = field(default_factory=dict)
    newly_changed: dict[str, str] = field(default_factory=dict)
    judged: set[str] = field(default_factory=set)
    #: The files that changed under their names just now.
    drifted: list[str] = field(default_factory=list)

    def held(self) -> dict[str, str]:
        """Return file -> why it is held, of names that were judged now and of those that were copied."""
        before = ((file, why, parse_file(file)) for file, why in self.held_before.items())
        copied = {file: why for file, why, parsed in before if parsed and parsed.name not in self.judged}
        return copied | self.newly_held

    def changed(self) -> dict[str, str]:
        """Return file -> the record that the origin lists now, of files that changed under their names."""
        before = ((file, raw, parse_file(file)) for file, raw in self.changed_before.items())
        copied = {file: raw for file, raw, parsed in before if parsed and parsed.name not in self.judged}
        return dict(list((copied | self.newly_changed).items())[:_MOST_CHANGED])

    def judge(self, block: Block, previous: Block | None) -> Block:
        """Return the block as it is shown; `previous` is the one of the snapshot before."""
        self.judged.add(block.name)
        old = self.known.get(block.name)
        facts = block.facts()
        files = {file: _digest(fact) for file, fact in facts.items()}
        sighting, events = merge(old, files, self.now_ms, is_initial=self.is_initial)
        self.drifted += [event.file for event in events]
        if sighting is not old:
            self.learned[block.name] = sighting
        drifted = {} if old is None else sighting.drifts(files)
        if drifted:
            self._note_changed(block, sighting, set(drifted))
            block = self._undrifted(block, previous, set(drifted))
        if self.stamps and not self.is_initial:
            block = _stamped(block, sighting)
        return block

    def _note_changed(self, block: Block, sighting: Sighting, drifted: set[str]) -> None:
        """Keep what reviewers of curated feeds may accept: the origin's record, stamped as it would be shown."""
        if self.stamps and not self.is_initial:
            block = _stamped(block, sighting)
        listed = {**raws_of(block.tar), **raws_of(block.conda)}
        self.newly_changed |= {file: bytes(listed[file]).decode() for file in drifted & listed.keys()}

    def _undrifted(self, block: Block, previous: Block | None, drifted: set[str]) -> Block:
        first = {} if previous is None else {**raws_of(previous.tar), **raws_of(previous.conda)}
        day = datetime.fromtimestamp(self.now_ms / 1000, UTC).strftime("%Y-%m-%d")
        lost = {file for file in drifted if file not in first}
        lost |= {other for file in lost if (other := twin(file)) is not None}

        def settled(members: bytes) -> bytes:
            kept: dict[str, bytes] = {}
            for file, raw in raws_of(members).items():
                if file in lost:
                    self.newly_held[file] = HELD.format(day=day)
                else:
                    kept[file] = bytes(first[file] if file in drifted else raw)
            return joined(kept)

        return Block(block.name, settled(block.tar), settled(block.conda), block.removed)


def _digest(facts: Facts) -> str | None:
    if facts.sha256 is not None:
        return facts.sha256
    return f"md5:{facts.md5}" if facts.md5 is not None else None


def _stamped(block: Block, sighting: Sighting) -> Block:
    """Stamp the files that appeared after the first complete snapshot."""
    new = {file: seen.first_ms for file, seen in sighting.files.items() if not seen.is_initial}
    if not new:
        return block

    def stamp(members: bytes) -> bytes:
        if not members:
            return members
        records = raws_of(members)
        if not new.keys() & records.keys():
            return members
        return joined(
            {f: stamped(bytes(raw), new[f]) if f in new else bytes(raw) for f, raw in records.items()}
        )

    return Block(block.name, stamp(block.tar), stamp(block.conda), block.removed)
