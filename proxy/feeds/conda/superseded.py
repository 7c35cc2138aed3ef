"""Superseded shards: those that a new generation has replaced, kept for clients that hold an older shard index.

A missing shard is a hard error in conda and rattler, and libmamba uses an index for a day without asking. So what a
generation replaces is kept for eight days, in a small pack of its own, and served as it is stored; a shard holds
metadata only, the package itself is judged when it is asked for.
"""

import contextlib
import time
from pathlib import Path

from proxy.conda.pack import Pack
from proxy.conda.pack_writer import PackWriter

KEPT_S = 8 * 86400.0
_SUFFIX = ".superseded"


def write_superseded(folder: Path, old: Pack, new: Pack, now_ms: int) -> bool:
    """Keep the shards of `old` that `new` has not; tell whether there were any. Blocks."""
    served = {entry.digest for entry in new.entries.values()}
    gone = [name for name, entry in old.entries.items() if entry.digest not in served]
    if not gone:
        return False
    temp = folder / f".{now_ms}{_SUFFIX}"
    with temp.open("wb") as out:
        writer = PackWriter(out, b"")
        for name in sorted(gone):
            writer.copy(old, name)
        writer.finish()
    temp.rename(folder / f"{now_ms}{_SUFFIX}")
    return True


def superseded_files(folder: Path) -> list[Path]:
    """Return the packs of superseded shards, the newest first."""
    return sorted(folder.glob(f"[0-9]*{_SUFFIX}"), reverse=True)


def prune_superseded(folder: Path) -> None:
    """Remove the packs that no client's index can speak of any more. Blocks."""
    for path in superseded_files(folder):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > KEPT_S:
                path.unlink()
