"""What lies in the store's folder when the process starts: leftovers to sweep, blobs to account for.

The names are read, the bytes are not. A hundred thousand blobs take some seconds of a background thread,
during which the store serves already (`BlobStore.get` opens the file and asks nobody).
"""

import contextlib
import heapq
import os
import re
from collections.abc import Iterator
from pathlib import Path

from proxy.artifacts.accounting import Entry
from proxy.artifacts.files import Files
from proxy.artifacts.ledger import Times
from proxy.model.digest import Sha256

_NAME = re.compile(r"[0-9a-f]{64}\Z")

Found = list[tuple[float, Sha256, int]]


def sweep(folder: Path, token: str, files: Files) -> int:
    """Remove every temp that another run of the program left; return how many. Blocks."""
    swept = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - a list of names, not of paths
            if not name.startswith(token):
                files.discard(folder / name)
                swept += 1
    return swept


def folders(root: Path) -> list[Path]:
    """Return the folders that may hold blobs."""
    return [root / f"{number:02x}" for number in range(256)]


def scan(folder: Path, times: Times) -> Found:
    """Return (last used, digest, size) of a folder's blobs, most recently used first. Blocks."""
    found: Found = []
    with contextlib.suppress(OSError), os.scandir(folder) as listing:
        for item in listing:
            if not _NAME.match(item.name) or not item.name.startswith(folder.name):
                continue
            digest = Sha256(item.name)
            with contextlib.suppress(OSError):
                if not item.is_file(follow_symlinks=False):
                    continue
                stat = item.stat(follow_symlinks=False)
                used_at = times[digest][0] if digest in times else stat.st_mtime
                found.append((used_at, digest, stat.st_size))
    found.sort(reverse=True)
    return found


def merged(found: list[Found], times: Times, now: float) -> Iterator[tuple[Sha256, Entry]]:
    """Yield all entries, most recently used first. A time in the future counts as now."""
    for used_at, digest, size in heapq.merge(*found, reverse=True):
        checked_at = times[digest][1] if digest in times else 0
        yield digest, Entry(size, min(used_at, now), min(checked_at, now))
