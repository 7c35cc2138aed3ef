"""Writing a pack (proxy.conda.pack says what it is): names in ascending order, each added or copied once.

A next snapshot is made from the one before: what did not change is copied in runs, without being looked at. Or it is
appended to the file of the one before, then not even that: a pack is known by its file *and its size*, so the longer
file holds both, and a reader of the old one sees nothing of the new. What no longer belongs to the newest is
waste (`Pack.waste`); when there is too much of it, the next pack is written to a file of its own.
"""

from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from proxy.conda.pack import MAGIC, Entry, Index, Pack, digest_of, footer

#: How much is copied at once from the pack before.
_PIECE_BYTES = 4 * 1024**2


class PackWriter:
    """Writes one pack to a binary file object that stands at the start of an empty file.

    Or, with `base`, at the end of that pack in its file, which has been cut to the pack's size: what a killed writer
    left behind is no part of it.
    """

    def __init__(self, out: BinaryIO, meta: bytes, base: Pack | None = None) -> None:
        self._out = out
        self._meta = meta
        self._base = base
        self._entries: list[Entry] = []
        self._at = out.write(MAGIC) if base is None else base.size
        #: What is to be copied next: a pack, and a stretch of its file.
        self._run: tuple[Pack, int, int] | None = None

    def add(self, name: str, parts: Sequence[bytes], *, source: bytes, digest: bytes | None = None) -> bytes:
        """Write a name; return the digest of its parts, which may be given where it is known."""
        self._copy_run()
        digest = digest or digest_of(parts)
        entry = Entry(name, self._at, tuple(map(len, parts)), digest, source)
        self._enter(entry)
        self._at += entry.size
        for part in parts:
            self._out.write(part)
        return digest

    def copy(self, pack: Pack, name: str, *, source: bytes | None = None) -> bytes:
        """Take a name over from another pack; return the digest of its parts."""
        entry = pack.entries[name]
        source = entry.source if source is None else source
        if pack is self._base:
            self._enter(Entry(name, entry.offset, entry.lengths, entry.digest, source))
            return entry.digest
        end = entry.offset + entry.size
        if self._run and self._run[0] is pack and self._run[2] == entry.offset:
            self._run = (pack, self._run[1], end)
        else:
            self._copy_run()
            self._run = (pack, entry.offset, end)
        self._enter(Entry(name, self._at, entry.lengths, entry.digest, source))
        self._at += entry.size
        return entry.digest

    def finish(self, meta: bytes | None = None) -> bytes:
        """Write what ends the pack, with `meta` if it was not known at the start; return its digest.

        Making it durable is the caller's.
        """
        self._copy_run()
        index = msgspec.msgpack.encode(Index(self._meta if meta is None else meta, self._entries))
        end = footer(self._at, index)
        self._out.write(index)
        self._out.write(end)
        return end[16:48]

    def _enter(self, entry: Entry) -> None:
        if self._entries and entry.name <= self._entries[-1].name:
            raise ValueError(
                f"{entry.name} after {self._entries[-1].name}: a pack is written in ascending order"
            )
        self._entries.append(entry)

    def _copy_run(self) -> None:
        if self._run is None:
            return
        pack, start, end = self._run
        self._run = None
        for offset in range(start, end, _PIECE_BYTES):
            length = min(_PIECE_BYTES, end - offset)
            piece = pack.raw(offset, length)
            if len(piece) != length:
                raise EOFError("the pack before ends early")
            self._out.write(piece)
