"""Superseded shards: those that a new generation has replaced, kept for clients that hold an older shard index.

A missing shard is a hard error in conda and rattler, and libmamba uses an index for a day without asking. So what a
generation replaces is kept for eight days, in a small pack of its own, and served as it is stored; a shard holds
metadata only, the package itself is judged when it is asked for.

A curated feed may change every second, so packs that are many are merged into one for each quarter of a day.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from proxy.conda.pack import BadPack, Pack, open_pack
from proxy.conda.pack_writer import PackWriter
from proxy.conda.shard_render import by_digest
from proxy.feeds.conda.packs import PackFile
from proxy.model.digest import Sha256

KEPT_S = 8 * 86400.0
_SUFFIX = ".superseded"
_MOST_PACKS = 64
_GROUP_MS = 6 * 3600 * 1000


def write_superseded(folder: Path, old: Pack, new: Pack | None, now_ms: int) -> bool:
    """Keep the shards of `old` that `new` has not; tell whether there were any. Blocks."""
    served = {entry.digest for entry in new.entries.values()} if new is not None else set()
    gone = [name for name, entry in old.entries.items() if entry.digest not in served]
    if not gone:
        return False
    _write(folder, now_ms, {name: (old, name) for name in gone})
    return True


def _write(folder: Path, at_ms: int, shards: Mapping[str, tuple[Pack, str]]) -> None:
    """Write a pack of shards, by any key; it is named by its time, or the next moment that has none yet."""
    path = folder / f"{at_ms}{_SUFFIX}"
    while path.exists():
        at_ms += 1
        path = folder / f"{at_ms}{_SUFFIX}"
    temp = folder / f".{at_ms}{_SUFFIX}"
    with temp.open("wb") as out:
        writer = PackWriter(out, b"")
        for key, (pack, name) in sorted(shards.items()):
            with contextlib.suppress(
                BadPack
            ):  # nobody gets a damaged shard, and the others are none the worse
                writer.add(key, pack.parts(name), source=b"")
        writer.finish()
    temp.rename(path)


def merge_superseded(folder: Path) -> None:
    """Merge packs that are too many, each quarter of a day into one; whoever looks up meanwhile finds all. Blocks."""
    present = [path for path in superseded_files(folder) if path.stem.isdigit()]
    if len(present) <= _MOST_PACKS:
        return
    groups: dict[int, list[Path]] = {}
    for path in present:
        groups.setdefault(int(path.stem) // _GROUP_MS, []).append(path)
    for paths in groups.values():
        if len(paths) > 1:
            _merge(folder, paths)


def _merge(folder: Path, paths: Sequence[Path]) -> None:
    shards: dict[str, tuple[Pack, str]] = {}
    for path in paths:
        with contextlib.suppress(OSError, BadPack):
            pack, names = _open(path)
            shards |= {digest: (pack, name) for digest, name in names.items()}
    _write(folder, max(int(path.stem) for path in paths), shards)
    for path in paths:
        path.unlink(missing_ok=True)


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
        for _ in range(2):
            present = superseded_files(self._folder)
            for pack, names in self._packs(present):
                try:
                    if (name := names.get(digest)) is not None:
                        return pack.parts(name)[0]
                except (OSError, BadPack):
                    continue
            if superseded_files(self._folder) == present:
                break  # else some were merged meanwhile
        return None

    def _packs(self, present: Sequence[Path]) -> Iterator[tuple[Pack, dict[str, str]]]:
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
                self._opened[path] = _open(path)
            return self._opened[path]


def _open(path: Path) -> tuple[Pack, dict[str, str]]:
    file = PackFile(path)  # lives as long as the pack that reads it
    pack = open_pack(file.read, file.size)
    return pack, by_digest(pack)
