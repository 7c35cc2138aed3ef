"""First sight of a name's files, as an ingest meets them: what drifted is held, what is new is stamped. No I/O.

A file whose digest changed under its name after its bytes had come, or after a person accepted them, is drift: the
record seen first stays where it is still known, else the file, and its twin in the other format, is held. One that
changed before that begins anew (`proxy.state.sighting`). A file that appears after the first complete snapshot gets an
`indexed_timestamp` of the moment it was first seen, for good (contract, section 4; CEP 47).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from proxy.conda.block import Block
from proxy.conda.names import parse_file, twin
from proxy.conda.record import Facts, joined, raws_of, stamped
from proxy.model.sights import Change
from proxy.state.sighting import Sighting, drift_reason, merge

#: A file's reason begins with the rule that holds it.
HELD = "drift: {reason}; the ones seen first are not known any more"
_TWIN = "drift: its twin in the other format has changed at the origin"

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
    #: file -> what changed about it; of the snapshot before.
    changes_before: Mapping[str, Change] = field(default_factory=dict)
    new_changes: dict[str, Change] = field(default_factory=dict)
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

    def changes(self) -> dict[str, Change]:
        """Return file -> what changed about it, of files that changed under their names."""
        before = ((file, change, parse_file(file)) for file, change in self.changes_before.items())
        copied = {
            file: change for file, change, parsed in before if parsed and parsed.name not in self.judged
        }
        return dict(list((copied | self.new_changes).items())[:_MOST_CHANGED])

    def judge(self, block: Block, previous: Block | None) -> Block:
        """Return the block as it is shown; `previous` is the one of the snapshot before."""
        self.judged.add(block.name)
        old = self.known.get(block.name)
        facts = block.facts()
        files = {file: digest_of_facts(fact) for file, fact in facts.items()}
        sighting, events = merge(old, files, self.now_ms, is_initial=self.is_initial)
        self.drifted += [event.file for event in events]
        if sighting is not old:
            self.learned[block.name] = sighting
        drifted = {} if old is None else sighting.drifts(files)
        if drifted:
            self.new_changes |= {file: seen.change(files[file]) for file, seen in drifted.items()}
            first = {} if previous is None else {**raws_of(previous.tar), **raws_of(previous.conda)}
            reasons = _lost(
                sighting, {file: drift_reason(drifted[file], files[file]) for file in drifted.keys() - first}
            )
            self._note_changed(block, sighting, {*drifted, *reasons})
            self.newly_held |= {file: why for file, why in reasons.items() if file in files}
            block = _settled(block, {file: bytes(first[file]) for file in drifted.keys() & first}, reasons)
        if self.stamps and not self.is_initial:
            block = _stamped(block, _first_ms(sighting))
        return block

    def _note_changed(self, block: Block, sighting: Sighting, files: Collection[str]) -> None:
        """Keep what people may accept: the origin's record, stamped as it would be shown."""
        if self.stamps and not self.is_initial:
            since = {file: self.new_changes[file].since_ms for file in self.new_changes.keys() & files}
            told = {file: since_ms for file, since_ms in since.items() if since_ms is not None}
            block = _stamped(block, _first_ms(sighting) | told)
        listed = {**raws_of(block.tar), **raws_of(block.conda)}
        self.newly_changed |= {file: bytes(listed[file]).decode() for file in listed.keys() & files}


def _lost(sighting: Sighting, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return why files are held whose first record is not known any more: these, and their twins.

    But for a twin that a person accepted as it is now.
    """
    held = {file: HELD.format(reason=reason) for file, reason in reasons.items()}
    for file in reasons:
        other = twin(file)
        seen = sighting.files.get(other) if other is not None else None
        if other is not None and other not in held and not (seen is not None and seen.is_accepted):
            held[other] = _TWIN
    return held


def _settled(block: Block, first: Mapping[str, bytes], lost: Collection[str]) -> Block:
    """Return the block with the first records of files, and without those that are lost."""

    def settled(members: bytes) -> bytes:
        records = raws_of(members).items()
        return joined({file: first.get(file) or bytes(raw) for file, raw in records if file not in lost})

    return Block(block.name, settled(block.tar), settled(block.conda), block.removed)


def _first_ms(sighting: Sighting) -> dict[str, int]:
    """Return when the files that appeared after the first complete snapshot were first seen."""
    return {file: seen.first_ms for file, seen in sighting.files.items() if not seen.is_initial}


def digest_of_facts(facts: Facts) -> str | None:
    """Return the best digest that a record tells: a SHA-256 in hex, else "md5:" and it."""
    if facts.sha256 is not None:
        return facts.sha256
    return f"md5:{facts.md5}" if facts.md5 is not None else None


def _stamped(block: Block, new: Mapping[str, int]) -> Block:
    """Stamp the files that appeared after the first complete snapshot: file -> UTC milliseconds."""
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
