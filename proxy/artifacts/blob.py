"""A blob: bytes named by their SHA-256 (design, section 2), and how a file is told from another one.

A `Blob` that left the store was verified in this process unless it says `is_verified=False`; such a one
leaves the server only through `BlobStore.stream`, which keeps the last 4 KiB back until the digest is right
(design, law 4). Everybody else may send `data`, or the file at `path`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from proxy.artifacts.packed import MARK_LIMIT
from proxy.model.digest import Sha256

#: What of a streamed artifact is kept back until its digest is known to be right (design, law 4).
TAIL_BYTES = 4096
#: The most that is read or written in one thread hop, and the largest piece handed to a reader.
PIECE_BYTES = 256 * 1024
#: Blobs up to this size carry their bytes.
SMALL_BYTES = 64 * 1024


class LostBlobError(Exception):
    """A stored blob is gone or not what its name says, found after it had been handed out.

    A damaged one was removed and counted: whoever was sending it aborts, and the next `get` is a miss.
    """

    def __init__(self, digest: Sha256, why: str) -> None:
        super().__init__(f"blob {digest}: {why}")
        self.digest = digest
        self.why = why


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob. `data` is None for what is larger than SMALL_BYTES and lies in the file at `path`."""

    digest: Sha256
    size: int
    path: Path
    data: bytes | None = None
    is_verified: bool = True


def mark_of(stat: os.stat_result) -> int:
    """Return a number from 1 that differs when another inode, size or time is found under the same name.

    The change time is part of it: it cannot be set back by a program that restores the modification time. 32 bits:
    one change in four thousand million goes unnoticed until the scrub.
    """
    return hash((stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)) % (MARK_LIMIT - 1) + 1
