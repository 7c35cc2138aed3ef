"""Superseded shards: those that a new generation has replaced, kept for clients that hold an older shard index.

A missing shard is a hard error in conda and rattler, and libmamba uses an index for a day without asking. So what a
generation replaces is kept for eight days, in a small pack of its own, and served as it is stored; a shard holds
metadata only, the package itself is judged when it is asked for.
"""

import threading
from collections.abc import Iterator
from pathlib import Path

from proxy.conda.pack import BadPack, Pack, open_pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_render import by_digest
from proxy.feeds.conda.packs import PackFile
from proxy.model.digest import Sha256

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


def prune_superseded(folder: Path, now_ms: int) -> None:
    """Remove the packs that no client's index can speak of any more: each is named by its time. Blocks."""
    for path in superseded_files(folder):
        if path.stem.isdigit() and now_ms - int(path.stem) > KEPT_S * 1000:
            path.unlink(missing_ok=True)


class SupersededShards:
    """The superseded shards of a folder, looked up by digest; packs are opened when somebody asks.

    Any thread may ask: what is open is known under a lock, packs themselves never change.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._opened: dict[Path, tuple[Pack, dict[str, str]]] = {}

    def find(self, digest: Sha256) -> bytes | None:
        """Return a shard's bytes, checked, or None where no pack of the last days has it. Blocks."""
        for pack, names in self._packs():
            try:
                if (name := names.get(digest)) is not None:
                    return pack.parts(name)[0]
            except (OSError, BadPack):
                continue
        return None

    def _packs(self) -> Iterator[tuple[Pack, dict[str, str]]]:
        present = superseded_files(self._folder)
        with self._lock:
            self._opened = {path: opened for path, opened in self._opened.items() if path in present}
        for path in present:
            try:
                yield self._open(path)
            except (OSError, BadPack):
                continue

    def _open(self, path: Path) -> tuple[Pack, dict[str, str]]:
        with self._lock:
            if path not in self._opened:
                file = PackFile(path)  # lives as long as the pack that reads it
                pack = open_pack(file.read, file.size)
                self._opened[path] = (pack, by_digest(pack))
            return self._opened[path]
