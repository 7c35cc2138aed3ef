"""Packs: one file for a whole snapshot instead of one for each of its names; what it says of itself is checked.

    magic | the parts of every name, in the order of the names | index | footer

The index (a few megabytes) tells for every name where its parts lie, the SHA-256 of them all, and the *source*: the
digest of what the origin said, by which an unchanged name is known before anything is decoded. The footer holds the
place and the SHA-256 of the index, so that a pack that was cut short, or is not one, is refused when it is opened;
the parts of a name are checked when they are read.

Used for the records of a subdir (three parts: proxy.conda.block) and for its rendered shards (one part, whose digest
is the shard's name). The same names and parts make the same bytes in a file of their own; appended to another pack
(proxy.conda.pack_writer) they have the same digests. Nothing here opens files: a pack is written to a binary file
object that the caller makes durable and renames, and read through a function that returns bytes at an offset
(`os.pread` or a slice of a map).
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import msgspec

#: Returns `length` bytes at `offset`, or fewer at the end of the file.
Read = Callable[[int, int], bytes | memoryview]

MAGIC = b"fgpack\x00\x01"
_FOOTER_BYTES = 8 + 8 + 32 + len(MAGIC)


class BadPack(Exception):
    """The bytes are no whole pack, or were damaged: it is made again."""


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where a name's parts lie, and what is known of them."""

    name: str
    offset: int
    lengths: tuple[int, ...]
    digest: bytes
    source: bytes

    @property
    def size(self) -> int:
        return sum(self.lengths)


class Index(msgspec.Struct, array_like=True):
    meta: bytes
    entries: list[Entry]


INDEX = msgspec.msgpack.Decoder(Index)


@dataclass(frozen=True, slots=True)
class Difference:
    """The names whose parts differ between two packs, that only the new and that only the old one has."""

    changed: list[str]
    added: list[str]
    removed: list[str]


@dataclass(frozen=True, slots=True)
class Pack:
    """An opened pack. `meta` is what its writer was given."""

    entries: dict[str, Entry]
    meta: bytes
    #: SHA-256 of the index: names the snapshot, since the index holds the digests of all it has.
    digest: bytes
    #: Where it ends in its file; another pack may have been appended since.
    size: int
    _read: Read

    @property
    def waste(self) -> float:
        """The share of the file, up to this pack's end, that it does not use."""
        return 1 - sum(entry.size for entry in self.entries.values()) / self.size

    def parts(self, name: str) -> tuple[bytes, ...]:
        """Return the parts of a name with one read, checked. Raises KeyError, BadPack."""
        entry = self.entries[name]
        data = bytes(self._read(entry.offset, entry.size))
        if hashlib.sha256(data).digest() != entry.digest:
            raise BadPack(f"the parts of {name} are damaged")
        return tuple(data[start:end] for start, end in pairwise(accumulate(entry.lengths, initial=0)))

    def part(self, name: str, number: int) -> bytes:
        """Return one part of a name; it is not checked."""
        entry = self.entries[name]
        return bytes(self._read(entry.offset + sum(entry.lengths[:number]), entry.lengths[number]))

    def raw(self, offset: int, length: int) -> bytes | memoryview:
        """Return bytes of the file, for copying."""
        return self._read(offset, length)


def footer(offset: int, index: bytes) -> bytes:
    """Return what ends a pack whose index lies at `offset`."""
    place = offset.to_bytes(8, "little") + len(index).to_bytes(8, "little")
    return place + hashlib.sha256(index).digest() + MAGIC


def open_pack(read: Read, size: int) -> Pack:
    """Open a pack of `size` bytes; its index is read and checked. Raises BadPack."""
    end = bytes(read(max(0, size - _FOOTER_BYTES), _FOOTER_BYTES))
    offset, length = int.from_bytes(end[:8], "little"), int.from_bytes(end[8:16], "little")
    if not end.endswith(MAGIC) or bytes(read(0, len(MAGIC))) != MAGIC:
        raise BadPack("not a pack of this version, or cut short")
    if offset + length + _FOOTER_BYTES != size:
        raise BadPack("its parts and its size do not agree")
    text = bytes(read(offset, length))
    if footer(offset, text) != end:
        raise BadPack("its index is damaged")
    try:
        index = INDEX.decode(text)
    except msgspec.DecodeError as error:
        raise BadPack(f"its index cannot be read: {error}") from error
    return Pack({entry.name: entry for entry in index.entries}, index.meta, end[16:48], size, read)


def digest_of(parts: Iterable[bytes]) -> bytes:
    """Return the SHA-256 of a name's parts."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.digest()


def diff(old: Pack | None, new: Pack) -> Difference:
    """Compare two packs by the digests of their names: no part is read."""
    before = old.entries if old else {}
    common = before.keys() & new.entries.keys()
    changed = [name for name in common if before[name].digest != new.entries[name].digest]
    return Difference(sorted(changed), sorted(new.entries.keys() - common), sorted(before.keys() - common))
