"""Reading a stored file in pieces, the last of them only when the whole file is known to be right.

Of a file that is not believed in yet, a verification begins with the first reader and runs beside all
readers. They read the very inode that is verified (same mark), at the disk's speed, and wait at the end if
they are faster. Law 4 asks for the artifact's last 4 KiB; here it is the last 4 KiB of the range that was
asked for, since the file is at hand and a range of a damaged one would otherwise look whole to its client.
"""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from proxy.artifacts.beliefs import Beliefs
from proxy.artifacts.blob import TAIL_BYTES, LostBlobError, mark_of
from proxy.artifacts.files import DiskError, Files, NotRegularError, OpenFile
from proxy.artifacts.pace import Pace
from proxy.artifacts.pools import Pools
from proxy.artifacts.verify import Verdict, failed
from proxy.model.clock import Clock
from proxy.model.digest import Sha256


class Reader:
    """Opens and reads stored files."""

    def __init__(
        self, files: Files, pools: Pools, beliefs: Beliefs, clock: Clock, path_of: Callable[[Sha256], Path]
    ) -> None:
        self._files = files
        self._pools = pools
        self._beliefs = beliefs
        self._clock = clock
        self._path_of = path_of

    async def open_believed(self, digest: Sha256) -> OpenFile:
        """Return the open file that was verified; to be released in a thread. Raises LostBlobError."""
        file, mark = await self._pools.run(self._open, digest)
        if mark != self._beliefs.mark(digest):
            self._pools.later(file.release)
            raise LostBlobError(digest, "it is not the file that was verified")
        return file

    async def stream(self, digest: Sha256, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Yield bytes start..stop-1. Raises LostBlobError instead of the end of a range that is not right."""
        file, mark = await self._pools.run(self._open, digest)
        try:
            free = stop
            if self._beliefs.mark(digest) != mark:
                free = max(start, stop - TAIL_BYTES)
                self._beliefs.begin(digest)
            pace = Pace(self._clock.monotonic())
            position = start
            while position < stop:
                if position == free < stop:
                    await self._prove(digest, mark)
                    free = stop
                size = min(pace.next_bytes(), free - position)
                pace.sending(size, self._clock.monotonic())
                # Not by way of a variable: the frame would hold the piece while the client does not read.
                yield await self._piece(digest, file, mark, position, size)
                pace.returned(self._clock.monotonic())
                position += size
        finally:
            self._pools.later(file.release)

    # -- parts

    async def _prove(self, digest: Sha256, mark: int) -> None:
        if self._beliefs.mark(digest) == mark:
            return
        checked = await self._beliefs.verify(digest)
        if checked.verdict is not Verdict.RIGHT or checked.mark != mark:
            raise LostBlobError(digest, checked.why or "another file took its place")

    async def _piece(self, digest: Sha256, file: OpenFile, mark: int, offset: int, size: int) -> bytes:
        try:
            data = await self._pools.run(self._files.read, file, offset, size)
        except DiskError as error:
            if failed(error).verdict is Verdict.DAMAGED:
                await self._beliefs.damaged(digest, mark, str(error))
            raise LostBlobError(digest, str(error)) from error
        if len(data) < size:
            await self._beliefs.verify(digest)
            raise LostBlobError(digest, "it is shorter than it was")
        return data

    def _open(self, digest: Sha256) -> tuple[OpenFile, int]:
        try:
            opened = self._files.open(self._path_of(digest))
        except (DiskError, NotRegularError) as error:
            raise LostBlobError(digest, str(error)) from error
        if opened is None:
            raise LostBlobError(digest, "it is gone")
        file, found = opened
        return file, mark_of(found)
