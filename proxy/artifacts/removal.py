"""Removing blobs: by size (evict, prune), by a person (purge), for damage.

An open stream does not notice: a removed file lives until its last descriptor is closed. What is pinned
goes only for damage or by `remove`. The accounting forgets first, so nobody is sent to a file on its way
out.
"""

import asyncio
import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from proxy.artifacts.accounting import Accounting
from proxy.artifacts.blob import mark_of
from proxy.artifacts.files import DiskError, Files, NotRegularError
from proxy.artifacts.pools import Pools
from proxy.artifacts.report import Told, nothing_told
from proxy.model.digest import Sha256

#: So many are forgotten, or compared, between two turns of the loop.
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Removed:
    """How many blobs went, and their bytes."""

    blobs: int
    total_bytes: int


class _Outcome(enum.Enum):
    GONE = "gone"
    REPLACED = "replaced"
    STUCK = "stuck"


class Removal:
    """Removes files and what is known of them; `forget` drops what else is remembered of a digest."""

    def __init__(
        self,
        accounting: Accounting,
        files: Files,
        pools: Pools,
        path_of: Callable[[Sha256], Path],
        forget: Callable[[Sha256], None],
        is_pinned: Callable[[Sha256], bool],
    ) -> None:
        self._accounting = accounting
        self._files = files
        self._pools = pools
        self._path_of = path_of
        self._forget = forget
        self._is_pinned = is_pinned

    async def prune(self, target_bytes: int, told: Told = nothing_told) -> Removed:
        """Remove the least recently used until the rest fits."""
        accounting = self._accounting
        if accounting.total_bytes > target_bytes and not accounting.is_ranked():
            accounting.take_ranks(await self._pools.run(accounting.rank))
        if accounting.total_bytes <= target_bytes:
            return Removed(0, 0)
        return await self.remove(accounting.victims(target_bytes, self._is_pinned), told)

    async def purge(self, match: Callable[[Sha256], bool]) -> Removed:
        """Remove what matches."""
        doomed: list[Sha256] = []
        for number, (digest, _) in enumerate(self._accounting.items()):
            if match(digest) and not self._is_pinned(digest):
                doomed.append(digest)
            if number % _BATCH == 0:
                await asyncio.sleep(0)
        return await self.remove(doomed)

    async def remove(self, digests: Iterable[Sha256], told: Told = nothing_told) -> Removed:
        """Remove these. What the disk will not let go is accounted for again by the next start's scan."""
        doomed = list(digests)
        total_bytes = 0
        for first in range(0, len(doomed), _BATCH):
            batch = doomed[first : first + _BATCH]
            for digest in batch:
                total_bytes += self._accounting.remove(digest)
                self._forget(digest)
            await self._pools.run(self._discard, batch)
            told(first + len(batch), total_bytes)
        return Removed(len(doomed), total_bytes)

    async def remove_damaged(self, digest: Sha256, mark: int) -> bool:
        """Remove what was found damaged, unless another file has taken its place; False if it is still there.

        `mark` is 0 for what could not be opened or is no regular file.
        """
        outcome = await self._pools.run(self._remove_marked, self._path_of(digest), mark)
        if outcome is not _Outcome.REPLACED:
            self._accounting.remove(digest)
            self._forget(digest)
        return outcome is not _Outcome.STUCK

    # -- in threads

    def _discard(self, digests: list[Sha256]) -> None:
        for digest in digests:
            self._files.discard(self._path_of(digest))

    def _remove_marked(self, path: Path, mark: int) -> _Outcome:
        try:
            if mark and self._mark(path) not in (None, mark):
                return _Outcome.REPLACED
            self._files.remove(path)
        except DiskError:
            return _Outcome.STUCK
        return _Outcome.GONE

    def _mark(self, path: Path) -> int | None:
        try:
            opened = self._files.open(path)
        except NotRegularError:
            return None
        if opened is None:
            return None
        file, found = opened
        file.release()
        return mark_of(found)
