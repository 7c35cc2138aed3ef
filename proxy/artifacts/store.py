"""The blob store: content-addressed files, verified, bounded, never in the way (design, 4; laws 4, 5).

`<root>/aa/<sha256>` is a blob, `<root>/tmp/` holds what is being written, `<root>/ledger` times of use.
A file gets its name by write, fsync, rename, fsync of the folder, and is believed after a verification in
this process: when fetched, on the first read after a start, when inode, size or times differ, and by the
scrub. A damaged one is removed, counted, and is a miss. Without a disk that takes writes the store serves
what it has.

The rule for others: `get` gives verified blobs only; what `find` gives with `is_verified=False` leaves
through `stream`. Nothing here is state: the whole folder may be wiped while the server is stopped.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from proxy.artifacts.accounting import Accounting
from proxy.artifacts.beliefs import Beliefs
from proxy.artifacts.blob import SMALL_BYTES, Blob, LostBlobError, mark_of
from proxy.artifacts.files import DiskError, Files, OpenFile
from proxy.artifacts.health import Health
from proxy.artifacts.partial import Partial
from proxy.artifacts.pools import Pools
from proxy.artifacts.reading import Reader
from proxy.artifacts.removal import Removal, Removed
from proxy.artifacts.report import StoreStats, Told, VerifyReport, nothing_told
from proxy.artifacts.small import SmallBlobs
from proxy.artifacts.upkeep import Upkeep
from proxy.artifacts.verify import Verdict, Verifier
from proxy.model.clock import Clock
from proxy.model.digest import Sha256
from proxy.model.tally import Tally

#: Up to this size `find` verifies before it answers: some milliseconds.
_AT_ONCE_BYTES = 4 * 1024 * 1024


def nothing_is_pinned(_: Sha256) -> bool:
    return False


class BlobStore:
    """The blobs below `root`. `is_pinned` names those that eviction, prune and purge leave alone."""

    def __init__(
        self,
        root: Path,
        clock: Clock,
        *,
        max_bytes: int,
        scrub_s: float,
        memory_bytes: int = 32 * 1024 * 1024,
        retry_s: float = 15.0,
        is_pinned: Callable[[Sha256], bool] = nothing_is_pinned,
        tally: Tally | None = None,
        files: Files | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self.clock = clock
        self.tally = tally or Tally()
        self.pools = Pools()
        self._root = root
        self._temps = root / "tmp"
        self._scrub_s = scrub_s
        self._files = files or Files()
        # The names of this run's temps begin with it, so that the sweep knows the others.
        self._token = secrets.token_hex(8)
        self._serial = 0
        self._small = SmallBlobs(memory_bytes)
        self._accounting = Accounting()
        self._removal = Removal(
            self._accounting, self._files, self.pools, self.path_of, self._small.drop, is_pinned
        )
        verifier = Verifier(self._files, self.pools, clock)
        self._beliefs = Beliefs(
            verifier, self._accounting, self._removal, clock, self.tally, scrub_s, self.path_of
        )
        self._reader = Reader(self._files, self.pools, self._beliefs, clock, self.path_of)
        self._upkeep = Upkeep(
            root, self._temps, self._token, self._accounting, self._files, self.pools, clock
        )
        self.health = Health(self._probe, self.pools, retry_s=retry_s)

    # -- life

    async def start(self) -> None:
        """Make the folders and begin the work in the background; never fails for the disk's sake."""
        try:
            await self.pools.run(self._files.make_folder, self._temps)
        except DiskError as error:
            self.health.failed(error)
        self._upkeep.start(self._make_room, self._beliefs.verify, self._scrub_s)

    async def scanned(self) -> None:
        """Wait until every blob of the folder is accounted for."""
        await self._upkeep.is_scanned.wait()

    async def close(self) -> None:
        """Stop the background work, keep the ledger, wait for the threads."""
        await self.health.close()
        await self._upkeep.close()
        await self._beliefs.close()
        await self.pools.close()

    # -- reading

    def path_of(self, digest: Sha256) -> Path:
        return Path(f"{self._root}/{digest[:2]}/{digest}")

    def peek(self, digest: Sha256) -> Blob | None:
        """Return the blob if it was verified in this process and did not change since: at most one lstat."""
        blob = self._small.get(digest)
        if blob is None:
            mark = self._beliefs.mark(digest)
            if mark is None:
                return None
            path = self.path_of(digest)
            try:
                found = os.lstat(path)
            except OSError:
                return None
            if mark_of(found) != mark:
                return None
            if found.st_size <= SMALL_BYTES:
                # It has been pushed out of memory, or was just fetched: `get` brings its bytes.
                return None
            blob = Blob(digest, found.st_size, path)
        self._accounting.touch(digest, self._now())
        return blob

    async def get(self, digest: Sha256) -> Blob | None:
        """Return the blob, verified; a large one that was not yet may take a second per GB (see `find`)."""
        return self.peek(digest) or await self._believe(digest)

    async def find(self, digest: Sha256) -> Blob | None:
        """Return the blob at once; a large one may have `is_verified=False` and leaves by `stream` only."""
        blob = self.peek(digest)
        if blob is not None:
            return blob
        size = await self.pools.run(self._size, digest)
        if size is None or size <= _AT_ONCE_BYTES:
            return await self._believe(digest)
        self._accounting.add(digest, size, self._now())
        return Blob(digest, size, self.path_of(digest), is_verified=False)

    async def read(self, blob: Blob) -> bytes:
        """Return all bytes of a blob. Raises LostBlobError if it was evicted or damaged meanwhile."""
        if blob.data is not None:
            return blob.data
        pieces = [piece async for piece in self.stream(blob)]
        return await self.pools.run(b"".join, pieces)

    def stream(self, blob: Blob, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield bytes start..stop-1 in pieces of at most 256 KiB.

        Of a blob that was not verified in this process yet, the last 4 KiB of the range come only after the
        whole file, hashed meanwhile by one task for however many readers, proved right. Raises
        LostBlobError.
        """
        end = blob.size if stop is None else min(stop, blob.size)
        return self._reader.stream(blob.digest, start, end)

    async def open(self, blob: Blob) -> OpenFile:
        """Open a verified blob's file, for sendfile; call `release` in a thread when done.

        The descriptor stays good when the blob is evicted. Raises LostBlobError when the file is gone or is
        not the one that was verified.
        """
        return await self._reader.open_believed(blob.digest)

    # -- writing

    async def put(self, data: bytes) -> Blob:
        """Keep bytes made here; if the disk refuses, the returned blob carries them and is all there is."""
        digest = await self._digest(data)
        blob = self.peek(digest) or await self._write(digest, data)
        self._small.keep(blob)
        return blob

    def partial(self) -> Partial:
        """Return a temp file to be written; the first `append` creates it."""
        self._serial += 1
        return Partial(self._temps / f"{self._token}-{self._serial}", self._files, self.pools)

    async def adopt(self, partial: Partial, digest: Sha256) -> Blob:
        """Give the written file its name, durably. Raises DiskError (the file is gone then), ValueError."""
        if partial.hashes.sha256() != digest:
            raise ValueError("a partial is adopted under its own digest only")
        path = self.path_of(digest)
        try:
            mark, data = await self.pools.sync(partial.publish, path)
        except DiskError:
            await partial.discard()
            raise
        self._beliefs.note(digest, partial.size, mark)
        self._accounting.touch(digest, self._now())
        await self._make_room()
        blob = Blob(digest, partial.size, path, data)
        self._small.keep(blob)
        return blob

    def spare_path(self) -> Path:
        """Return a name in the store's folder for a file that a child writes; `take` makes it a blob."""
        self._serial += 1
        return self._temps / f"{self._token}-{self._serial}"

    async def take(self, path: Path, digest: Sha256) -> Blob:
        """Give a file that a child of ours wrote and hashed its name, durably. Raises DiskError, LostBlobError."""
        size, mark = await self.pools.sync(self._take, path, digest)
        self._beliefs.note(digest, size, mark)
        self._accounting.touch(digest, self._now())
        await self._make_room()
        return Blob(digest, size, self.path_of(digest))

    def _take(self, path: Path, digest: Sha256) -> tuple[int, int]:
        opened = self._files.open(path)
        if opened is None:
            raise LostBlobError(digest, "the file that a child wrote is not there")
        file = opened[0]
        try:
            found = self._files.publish(file, path, self.path_of(digest))
        except DiskError:
            self._files.discard(path)
            raise
        finally:
            file.release()
        return found.st_size, mark_of(found)

    # -- the person's commands

    async def remove(self, digest: Sha256) -> None:
        """Remove one blob, pinned or not."""
        await self._removal.remove([digest])

    async def verify_all(self, told: Told = nothing_told) -> VerifyReport:
        """Verify every blob now, whatever was verified before; damaged ones are removed.

        `told` is called with how many were looked at, and their bytes.
        """
        await self.scanned()
        checked = total_bytes = 0
        damaged: list[Sha256] = []
        for digest, entry in self._accounting.items():
            checked += 1
            total_bytes += entry.size
            if (await self._beliefs.verify(digest)).verdict is Verdict.DAMAGED:
                damaged.append(digest)
            told(checked, total_bytes)
        return VerifyReport(checked, total_bytes, tuple(damaged))

    async def prune(self, target_bytes: int, told: Told = nothing_told) -> Removed:
        """Evict until at most that many bytes are held, pinned blobs excepted; `told` how many are gone, of bytes."""
        await self.scanned()
        return await self._removal.prune(target_bytes, told)

    async def limit(self, max_bytes: int) -> None:
        """Hold at most so many bytes from now on, and evict at once what is too much."""
        self.max_bytes = max_bytes
        await self._make_room()

    async def purge(self, match: Callable[[Sha256], bool]) -> Removed:
        """Remove what matches, pinned blobs excepted."""
        await self.scanned()
        return await self._removal.purge(match)

    def stats(self) -> StoreStats:
        return StoreStats(
            blobs=len(self._accounting),
            total_bytes=self._accounting.total_bytes,
            max_bytes=self.max_bytes,
            memory_bytes=self._small.size_bytes,
            is_scanned=self._upkeep.is_scanned.is_set(),
            degraded=self.health.degraded,
            damaged=self.tally.of("blobs", "damaged"),
            evicted=self.tally.of("blobs", "evicted"),
            write_failures=self.health.failures,
        )

    # -- parts

    async def _believe(self, digest: Sha256) -> Blob | None:
        checked = await self._beliefs.verify(digest)
        if checked.verdict is not Verdict.RIGHT:
            return None
        self._accounting.touch(digest, self._now())
        blob = Blob(digest, checked.size, self.path_of(digest), checked.data)
        self._small.keep(blob)
        return blob

    async def _write(self, digest: Sha256, data: bytes) -> Blob:
        blob = Blob(digest, len(data), self.path_of(digest), data)
        if self.health.degraded is not None:
            return blob
        partial = self.partial()
        try:
            await partial.append(data)
            return await self.adopt(partial, digest)
        except DiskError as error:
            self.health.failed(error)
            await partial.discard()
            return blob
        finally:
            partial.close()

    async def _make_room(self) -> None:
        if self._upkeep.is_scanned.is_set():
            removed = await self._removal.prune(self.max_bytes)
            if removed.blobs:
                self.tally.count("blobs", "evicted", removed.blobs)

    async def _digest(self, data: bytes) -> Sha256:
        if len(data) <= SMALL_BYTES:
            return Sha256(hashlib.sha256(data).hexdigest())
        return Sha256(await self.pools.run(lambda: hashlib.sha256(data).hexdigest()))

    def _now(self) -> float:
        return self.clock.now().timestamp()

    # -- in threads

    def _size(self, digest: Sha256) -> int | None:
        try:
            found = self.path_of(digest).lstat()
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def _probe(self) -> None:
        self._files.probe(self._temps / f"{self._token}-probe")
