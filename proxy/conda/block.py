"""Blocks: one name's share of a snapshot: its records in both sections and the files taken out. The unit of all work.

A block is kept as the text that indexes are made of, `"file":record,"file":record`, sorted by file name, so that a
name that is wholly visible is copied into a document without being looked at.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from proxy.conda.pack import BadPack
from proxy.conda.record import Facts, Record, facts_of, joined, raws_of

_REMOVED = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Block:
    """One name. `tar` and `conda` are the members of `packages` and `packages.conda`."""

    name: str
    tar: bytes = b""
    conda: bytes = b""
    #: Files that a hot-fix took out; rattler shows them as yanked. Most have no record any more.
    removed: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True for a name without records: it is left out of shards."""
        return not self.tar and not self.conda

    def records(self) -> Iterator[Record]:
        """Yield the records with bytes of their own."""
        for members in (self.tar, self.conda):
            for file, raw in raws_of(members).items():
                yield Record(file, self.name, bytes(raw))

    def facts(self) -> dict[str, Facts]:
        """Return what rules need of every record, by file name."""
        return facts_of(self.tar) | facts_of(self.conda)

    def narrowed(self, keep: Collection[str]) -> "Block":
        """Return the block with only these files. A hidden file is absent, not `removed` (fact sheet 11, item 3)."""
        listed = raws_of(self.tar).keys() | raws_of(self.conda).keys() if self.removed else frozenset()
        removed = tuple(file for file in self.removed if file in keep or file not in listed)
        return Block(self.name, narrowed(self.tar, keep), narrowed(self.conda, keep), removed)

    def with_records(self, files: Mapping[str, str]) -> "Block":
        """Return the block with these records, file -> record, beside its own."""
        tar: dict[str, bytes | msgspec.Raw] = dict(raws_of(self.tar))
        conda: dict[str, bytes | msgspec.Raw] = dict(raws_of(self.conda))
        for file, raw in files.items():
            (conda if file.endswith(".conda") else tar)[file] = raw.encode()
        return Block(
            self.name, joined(dict(sorted(tar.items()))), joined(dict(sorted(conda.items()))), self.removed
        )

    def without_removed(self, files: Collection[str]) -> "Block":
        """Return the block that does not tell of these files that they were taken out."""
        removed = tuple(file for file in self.removed if file not in files)
        return Block(self.name, self.tar, self.conda, removed)

    def parts(self) -> tuple[bytes, bytes, bytes]:
        """Return the block as it is stored."""
        return self.tar, self.conda, msgspec.json.encode(self.removed) if self.removed else b""


def parse_block(name: str, parts: tuple[bytes, ...]) -> Block:
    """Return the block that was stored in these parts. Raises BadPack for parts that are not a block's."""
    try:
        tar, conda, removed = parts
        return Block(name, tar, conda, _REMOVED.decode(removed) if removed else ())
    except ValueError as other:
        raise BadPack(f"the parts of {name} are not a block of this version") from other


def narrowed(members: bytes, keep: Collection[str]) -> bytes:
    """Return only these files of the members of a section."""
    return joined({file: raw for file, raw in raws_of(members).items() if file in keep}) if members else b""
