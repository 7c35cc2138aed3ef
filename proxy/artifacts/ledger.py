"""The ledger: when each blob was last used and last verified, kept over restarts in one small file.

Losing it costs nothing but the order of eviction and of the scrub, so it is not fsynced, and a record that
makes no sense is left out. A record is the digest and two times in seconds since 1970: 40 bytes, in any order.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from proxy.artifacts.accounting import Entry
from proxy.artifacts.files import Files
from proxy.model.digest import Sha256

_RECORD = struct.Struct("<32sII")
#: Four million blobs; a larger file is not ours.
_MAX_BYTES = 4_000_000 * _RECORD.size
_LAST_TIME = 2**32 - 1
_BATCH = 2000


class Times:
    """A ledger's records by the first byte of their digests, 40 bytes for each until they are taken."""

    def __init__(self) -> None:
        self._parts = [bytearray() for _ in range(256)]

    def add(self, records: bytes) -> None:
        """Take whole records."""
        for at in range(0, len(records), _RECORD.size):
            self._parts[records[at]] += records[at : at + _RECORD.size]

    def take(self, first: int) -> dict[bytes, tuple[int, int]]:
        """Return (last used, last verified) by the digests that begin with this byte, once."""
        part, self._parts[first] = self._parts[first], bytearray()
        return {digest: (used_at, checked_at) for digest, used_at, checked_at in _RECORD.iter_unpack(part)}


def load(path: Path, files: Files) -> Times:
    """Return the times; none if there is no ledger or it is damaged. Blocks; raises DiskError."""
    times = Times()
    opened = files.open(path)
    if opened is None:
        return times
    file, found = opened
    try:
        if found.st_size <= _MAX_BYTES and found.st_size % _RECORD.size == 0:
            size = _BATCH * _RECORD.size
            for offset in range(0, found.st_size, size):
                records = files.read(file, offset, size)
                times.add(records[: len(records) - len(records) % _RECORD.size])
    finally:
        file.release()
    return times


def save(path: Path, temp: Path, entries: Iterable[tuple[Sha256, Entry]], files: Files) -> None:
    """Write the ledger again. Blocks; raises DiskError."""
    files.replace(path, _records(entries), temp)


def _records(entries: Iterable[tuple[Sha256, Entry]]) -> Iterator[bytes]:
    records = (
        _RECORD.pack(bytes.fromhex(digest), _whole(entry.used_at), _whole(entry.checked_at))
        for digest, entry in entries
    )
    while batch := b"".join(islice(records, _BATCH)):
        yield batch


def _whole(moment: float) -> int:
    return min(max(int(moment), 0), _LAST_TIME)
