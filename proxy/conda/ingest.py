"""Ingest: from what an origin says to the next snapshot of a subdir, at the cost of the names that changed.

Every name is offered in ascending order. One whose source (the digest of what the origin says about it) is the one in
the snapshot before is copied, with its shard; any other is mended and rendered. Both roads meet here: the full file
and the origin's shards. Whether the result may replace what was there before is not decided here: it says how many
records the origin listed and how many were kept.

In one process, with one thread for compressing; meant for a child (design, section 4, Processes).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import BinaryIO, Protocol

import msgspec

from proxy.conda.block import Block
from proxy.conda.mend import Mended, Place, mend
from proxy.conda.names import parse_file
from proxy.conda.origin_shards import BadShards, ShardIndex, parse_shard
from proxy.conda.pack import Pack, digest_of
from proxy.conda.pack_writer import PackWriter
from proxy.conda.record import joined, raws_of
from proxy.conda.shard_pack import ShardPacker
from proxy.conda.shards import plain_shard, plain_shard_of
from proxy.conda.snapshot import Snapshot, Top, bounded, pack_top
from proxy.conda.split import Repodata, Sections
from proxy.model.sights import Change

#: How many single reasons a report tells.
_TOLD = 1000


@dataclass(slots=True)
class Report:
    """What an ingest did."""

    names: int = 0
    #: Names that were not copied from the snapshot before.
    fresh: int = 0
    #: Of the fresh names: records kept, and of these the ones that were encoded again.
    records: int = 0
    edited: int = 0
    #: All that were dropped, and the first of them: (file name, reason).
    dropped: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def drop(self, reasons: list[tuple[str, str]]) -> None:
        self.dropped += len(reasons)
        self.reasons += reasons[: max(0, _TOLD - len(self.reasons))]


class Judge(Protocol):
    """Who may change what is kept of a name that is fresh, by what is known from elsewhere."""

    def judge(self, block: Block, previous: Block | None) -> Block:
        """Return the block as it is kept; `previous` is the one of the snapshot before."""
        ...

    def held(self) -> dict[str, str]:
        """Return every file that is held, those of copied names included, with the reason."""
        ...

    def changed(self) -> dict[str, str]:
        """Return the origin's record of every file that is not shown as it lists it now, copied names included."""
        ...

    def changes(self) -> dict[str, Change]:
        """Return what changed about every file whose bytes did, copied names included."""
        ...


class Ingest:
    """Makes one snapshot, and beside it the shards of all its names where `shards` is given.

    With `base` the snapshot is appended to that pack (proxy.conda.pack_writer); most often it is `previous`'s.
    """

    def __init__(
        self,
        out: BinaryIO,
        top: Top,
        previous: Snapshot | None = None,
        shards: ShardPacker | None = None,
        base: Pack | None = None,
        *,
        judge: Judge | None = None,
    ) -> None:
        self._top = top
        self._writer = PackWriter(out, pack_top(top), base)
        self._subdir = top.subdir
        self._shards = shards
        self._judge = judge
        is_usable = previous is not None and previous.is_current and previous.top.subdir == top.subdir
        self._previous = previous if is_usable else None
        self._dropped: dict[str, dict[str, str]] = {}
        self._removed: dict[str, dict[str, str]] = {}
        self.report = Report()

    def has(self, name: str, source: bytes) -> bool:
        """Tell whether the snapshot before has the name from this source."""
        entry = self._previous.pack.entries.get(name) if self._previous else None
        return entry is not None and entry.source == source

    def without_records(self) -> set[str]:
        """Return the names of the snapshot before of which it only says that files were taken out."""
        entries = self._previous.pack.entries.items() if self._previous is not None else ()
        return {name for name, each in entries if not any(each.lengths[:2]) and any(each.lengths[2:])}

    def copy(self, name: str, *, source: bytes | None = None) -> None:
        """Take a name over from the snapshot before, if it has it; `source` replaces what is noted there."""
        if self._previous is None or name not in self._previous.pack.entries:
            return
        digest = self._writer.copy(self._previous.pack, name, source=source)
        self.report.names += 1
        if (dropped := self._previous.top.dropped.get(name)) is not None:
            self._dropped[name] = dropped
        if (removed := self._previous.top.removed.get(name)) is not None:
            self._removed[name] = removed
        if self._shards is not None and not self._shards.copy(name, digest):
            block = self._previous.block(name)
            if block is not None and not block.is_empty:
                self._shards.add(name, digest, plain_shard_of(block))

    def offer(self, name: str, sections: Sections, source: bytes | None = None) -> None:
        """Take what the origin lists under a name; `source` is the digest of its shard, if it came as one."""
        removed = tuple(sorted({file for file in sections.removed if _name_of(file) == name}))
        files, conda_files = dict(sorted(sections.tar.items())), dict(sorted(sections.conda.items()))
        offered = Block(name, joined(files), joined(conda_files), removed)
        said = digest_of(offered.parts())
        if self.has(name, source or said):
            self.copy(name)
            return
        self.report.fresh += 1
        tar = mend(Place(name, ".tar.bz2", self._subdir), files, offered.tar)
        conda = mend(Place(name, ".conda", self._subdir), conda_files, offered.conda)
        self._note(name, tar)
        self._note(name, conda)
        mended = Block(name, tar.members, conda.members, removed)
        block = mended if self._judge is None else self._judge.judge(mended, self._before(name))
        if block.is_empty and not removed:
            return
        self._keep_removed(block)
        self.report.names += 1
        digest = said if block == offered else digest_of(block.parts())
        self._writer.add(name, block.parts(), source=source or said, digest=digest)
        if self._shards is not None and not block.is_empty and not self._shards.copy(name, digest):
            is_mended = block is mended
            plain = plain_shard(tar.binary, conda.binary, removed) if is_mended else plain_shard_of(block)
            self._shards.add(name, digest, plain)

    def put(self, block: Block, source: bytes) -> None:
        """Write a name as it is given, in place of what the snapshot before has of it."""
        if self._previous is not None and (dropped := self._previous.top.dropped.get(block.name)) is not None:
            self._dropped[block.name] = dropped
        if block.is_empty and not block.removed:
            return
        self.report.names += 1
        digest = digest_of(block.parts())
        self._writer.add(block.name, block.parts(), source=source, digest=digest)
        if self._shards is not None and not block.is_empty and not self._shards.copy(block.name, digest):
            self._shards.add(block.name, digest, plain_shard_of(block))

    def finish(self) -> Report:
        """Write what ends the snapshot and its shards; return what was done."""
        top = msgspec.structs.replace(
            self._top, dropped=bounded(self._dropped), removed=bounded(self._removed)
        )
        if self._judge is not None:
            top = msgspec.structs.replace(
                top, held=self._judge.held(), changed=self._judge.changed(), changes=self._judge.changes()
            )
        self._writer.finish(pack_top(top))
        if self._shards is not None:
            self._shards.finish()
        return self.report

    def _before(self, name: str) -> Block | None:
        return self._previous.block(name) if self._previous is not None else None

    def _keep_removed(self, block: Block) -> None:
        """Keep the last records of files that the origin has taken out: old lock files name them (fact sheet, 6)."""
        if not block.removed or self._previous is None:
            return
        listed = raws_of(block.tar).keys() | raws_of(block.conda).keys()
        kept = dict(self._previous.top.removed.get(block.name, {}))
        before = self._before(block.name)
        if before is not None:
            raws = {**raws_of(before.tar), **raws_of(before.conda)}
            kept |= {file: bytes(raws[file]).decode() for file in block.removed if file in raws}
        found = {file: kept[file] for file in block.removed if file in kept and file not in listed}
        if found:
            self._removed[block.name] = found

    def drop(self, name: str, reasons: list[tuple[str, str]]) -> None:
        """Note (file, reason) of records that were left out; `name` is "" where it is not known whose they are."""
        self.report.drop(reasons)
        if reasons:
            self._dropped.setdefault(name, {}).update(reasons)

    def _note(self, name: str, mended: Mended) -> None:
        self.report.records += mended.count
        self.report.edited += mended.edited
        self.drop(name, mended.dropped)


def ingest_repodata(
    ingest: Ingest, repodata: Repodata, shards: Mapping[str, bytes] = MappingProxyType({})
) -> Report:
    """Make the snapshot of a cut repodata.json, which is used up.

    `shards` are the digests of the origin's shards, from an index that is no newer than the file: the next
    snapshot is then made from the shards that changed.
    """
    ingest.drop("", repodata.dropped)
    for name in sorted(repodata.names):
        ingest.offer(name, repodata.names.pop(name), shards.get(name))
    return ingest.finish()


def wanted_shards(previous: Snapshot | None, index: ShardIndex) -> list[str]:
    """Return the names whose shards have to be fetched, for they are not what the snapshot was made of."""
    entries = previous.pack.entries if previous and previous.is_current else {}
    known = {name: entry.source for name, entry in entries.items()}
    return sorted(name for name, digest in index.digests.items() if known.get(name) != digest)


def lost_names(previous: Snapshot, index: ShardIndex) -> list[str]:
    """Return the names that the snapshot has records of and the index lacks."""
    entries = previous.pack.entries.items()
    return sorted(name for name, each in entries if any(each.lengths[:2]) and name not in index.digests)


def ingest_shards(ingest: Ingest, index: ShardIndex, shard_of: Callable[[str], bytes | None]) -> Report:
    """Make the snapshot of an origin's shards; `shard_of` returns the bytes of one that was fetched.

    A name whose shard did not come, or is not what the index says, stays as it was, and is wanted again. One of which
    all files were taken out has no shard: what the full file said of it stays.
    """
    for name in sorted(index.digests.keys() | ingest.without_records()):
        digest = index.digests.get(name)
        if digest is None or ingest.has(name, digest):
            ingest.copy(name)
            continue
        try:
            data = shard_of(name)
            if data is None:
                raise BadShards("its shard did not come")
            sections = parse_shard(data, digest)
        except BadShards as error:
            ingest.report.drop([(name, str(error))])
            ingest.copy(name)
            continue
        ingest.offer(name, sections, digest)
    return ingest.finish()


def _name_of(file: str) -> str | None:
    parsed = parse_file(file)
    return parsed.name if parsed else None
