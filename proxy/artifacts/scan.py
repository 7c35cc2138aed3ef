"""What lies in the store's folder when the process starts: leftovers to sweep, blobs to account for.

The names are read, the bytes are not. A hundred thousand blobs take some seconds of a background thread,
during which the store serves already (`BlobStore.get` opens the file and asks nobody). What is found is handed on
folder by folder, so a scan needs the memory of one folder.
"""

import contextlib
import os
import re
from pathlib import Path

from proxy.artifacts.accounting import Entry
from proxy.artifacts.files import Files
from proxy.artifacts.ledger import Times
from proxy.model.digest import Sha256

_NAME = re.compile(r"[0-9a-f]{64}\Z")


def sweep(folder: Path, token: str, files: Files) -> int:
    """Remove every temp that another run of the program left; return how many. Blocks."""
    swept = 0
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - a list of names, not of paths
            if not name.startswith(token):
                files.discard(folder / name)
                swept += 1
    return swept


def scan(root: Path, first: int, times: Times, now: float) -> list[tuple[Sha256, Entry]]:
    """Return the blobs whose digests begin with this byte, in order. A time in the future counts as now. Blocks."""
    folder = root / f"{first:02x}"
    known = times.take(first)
    found: list[tuple[Sha256, Entry]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as listing:
        for item in listing:
            if not _NAME.match(item.name) or not item.name.startswith(folder.name):
                continue
            with contextlib.suppress(OSError):
                if not item.is_file(follow_symlinks=False):
                    continue
                stat = item.stat(follow_symlinks=False)
                used_at, checked_at = known.get(bytes.fromhex(item.name), (stat.st_mtime, 0))
                found.append(
                    (Sha256(item.name), Entry(stat.st_size, min(used_at, now), min(checked_at, now)))
                )
    found.sort(key=lambda item: item[0])
    return found
