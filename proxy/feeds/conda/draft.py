"""Drafts: the two files that a next generation is written to, before it has a name.

Most often they are those of the generation before, which grow: what did not change lies in them already, so a
refresh writes what changed and an index (proxy.conda.pack_writer). The files then have a name for each of the two
generations, and `.sizes` tells where each of them ends in them.

Grown is only what ends where the generation before ends, and what nobody else grows just now, such as the orphan of a
server that was killed. Otherwise, and where more than half would be waste, the files are new: a whole copy, never a
guess. A draft that is dropped leaves the former files as long as they were.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from proxy.feeds.conda.packs import BUFFER_BYTES, Generation, records_path, shards_path, sizes_path

_MOST_WASTE = 0.5


@dataclass(frozen=True, slots=True)
class Draft:
    """The files, open for writing. `base` is the generation that they already hold, if they grow."""

    paths: tuple[Path, Path]
    records: BinaryIO
    shards: BinaryIO
    base: Generation | None

    def finish(self) -> None:
        """Write out what is still in memory; nothing more is written."""
        self.records.close()
        self.shards.close()

    def drop(self) -> None:
        """Take it all back."""
        self.finish()
        for number, path in enumerate(self.paths):
            if self.base is not None and path.exists():
                os.truncate(path, self.base.sizes[number])
            path.unlink(missing_ok=True)


@contextmanager
def drafting(folder: Path, now_ms: int, previous: Generation | None) -> Iterator[Draft]:
    """Open a draft for the length of the block; one that fails is dropped. Blocks."""
    paths = folder / f".{now_ms}.records", folder / f".{now_ms}.shards"
    with ExitStack() as held:
        base = previous if previous is not None and _grows(folder, previous, paths, held) else None
        files = [path.open("wb" if base is None else "r+b", BUFFER_BYTES) for path in paths]
        for file in files if base is not None else ():
            file.seek(0, os.SEEK_END)
        draft = Draft(paths, files[0], files[1], base)
        try:
            yield draft
        except BaseException:
            draft.drop()
            raise
        finally:
            draft.finish()


@asynccontextmanager
async def unfinished_removed(folder: Path, now_ms: int) -> AsyncIterator[None]:
    """For the length of the block a child has a draft; what one that is killed leaves behind is removed."""
    try:
        yield
    except BaseException:
        await asyncio.to_thread(_remove, folder, now_ms)
        raise


def _remove(folder: Path, now_ms: int) -> None:
    for path in folder.glob(f".{now_ms}.*"):
        path.unlink(missing_ok=True)


def _grows(folder: Path, previous: Generation, paths: tuple[Path, Path], held: ExitStack) -> bool:
    """Give the former files these names as well and lock them for as long as `held`, if they can grow."""
    packs = previous.snapshot.pack, previous.shards
    if not previous.snapshot.is_current or max(pack.waste for pack in packs) > _MOST_WASTE:
        return False
    if not sizes_path(folder, previous.stem).exists():
        return False
    try:
        for former, path in zip((records_path, shards_path), paths, strict=True):
            path.hardlink_to(former(folder, previous.stem))
        file = held.enter_context(paths[0].open("rb"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if tuple(path.stat().st_size for path in paths) == previous.sizes:
            return True
    except OSError:  # a file system without second names or locks, or somebody has the lock
        pass
    for path in paths:
        path.unlink(missing_ok=True)
    return False
