"""The ledger: when each blob was last used and last verified, kept over restarts in one small file.

Losing it costs nothing but the order of eviction and of the scrub, so it is not fsynced, and a record that
makes no sense is left out. A record is the digest and two times in seconds since 1970: 40 bytes.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

from proxy.artifacts.accounting import Entry
from proxy.artifacts.files import Files
from proxy.model.digest import Sha256

_RECORD = struct.Struct("<32sII")
#: Four million blobs; a larger file is not ours.
_MAX_BYTES = 4_000_000 * _RECORD.size
_LAST_TIME = 2**32 - 1

Times = dict[Sha256, tuple[int, int]]


def load(path: Path, files: Files) -> Times:
    """Return the times by digest; empty if there is no ledger or it is damaged. Blocks; raises DiskError."""
    opened = files.open(path)
    if opened is None:
        return {}
    file, found = opened
    try:
        if found.st_size > _MAX_BYTES or found.st_size % _RECORD.size:
            return {}
        data = files.read(file, 0, found.st_size)
    finally:
        file.release()
    whole = len(data) - len(data) % _RECORD.size
    return {
        Sha256(digest.hex()): (used_at, checked_at)
        for digest, used_at, checked_at in _RECORD.iter_unpack(data[:whole])
    }


def save(path: Path, temp: Path, entries: Iterable[tuple[Sha256, Entry]], files: Files) -> None:
    """Write the ledger anew. Blocks; raises DiskError."""
    data = bytearray()
    for digest, entry in entries:
        data += _RECORD.pack(bytes.fromhex(digest), _seconds(entry.used_at), _seconds(entry.checked_at))
    files.replace(path, bytes(data), temp)


def _seconds(moment: float) -> int:
    return min(max(int(moment), 0), _LAST_TIME)
