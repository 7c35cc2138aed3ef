"""A partial: a temp file being written, hashed as it grows, readable while it does.

Its name lies in the store's `tmp/`, so nothing that was half-written is ever found under a digest; what a
kill leaves there goes with the sweep of the next start. Writing and hashing share one thread hop.
"""

import errno
import threading
from pathlib import Path

from proxy.artifacts.blob import SMALL_BYTES, mark_of
from proxy.artifacts.files import DiskError, Files, OpenFile
from proxy.artifacts.hashes import Hashes
from proxy.artifacts.pools import Pools


class Partial:
    """One temp file. It is created by the first `append`."""

    def __init__(self, path: Path, files: Files, pools: Pools) -> None:
        self.path = path
        #: May be replaced by others before the first byte.
        self.hashes = Hashes()
        #: Bytes written; a failed append adds none.
        self.size = 0
        self._files = files
        self._pools = pools
        self._file: OpenFile | None = None
        self._is_over = False
        # Held through every change of the name or the bytes: a cancelled append goes on in its thread.
        self._lock = threading.Lock()

    async def append(self, data: bytes) -> None:
        """Write the next bytes and hash them. Raises DiskError; then `size` and `hashes` are as before."""
        await self._pools.run(self._append, data)

    async def read(self, offset: int, size: int) -> bytes:
        """Return exactly that many written bytes. Raises DiskError, also when they are not there any more."""
        return await self._pools.run(self._read, offset, size)

    def publish(self, target: Path) -> tuple[int, bytes | None]:
        """Make the file durable as `target`; return its mark, and its bytes if it is small. Raises DiskError.

        Runs in a thread.
        """
        with self._lock:
            if self._is_over:
                raise DiskError("publish", errno.ENOENT)
            file = self._created()
            found = self._files.publish(file, self.path, target)
            self._is_over = True
            data = self._files.read(file, 0, self.size) if self.size <= SMALL_BYTES else None
            return mark_of(found), data

    async def discard(self) -> None:
        """Remove the name; the bytes stay readable until `close`."""
        await self._pools.run(self._discard)

    def discard_soon(self) -> None:
        """Remove the name, without anybody waiting."""
        self._pools.later(self._discard)

    def close(self) -> None:
        """Let go of the bytes, and of the name if it was not published; reads under way still end well."""
        self._pools.later(self._close)

    # -- in threads

    def _created(self) -> OpenFile:
        if self._file is None:
            self._file = self._files.create(self.path)
        return self._file

    def _append(self, data: bytes) -> None:
        with self._lock:
            if self._is_over:
                raise DiskError("write", errno.ENOENT)
            self._files.write(self._created(), data, self.size)
            self.hashes.update(data)
            self.size += len(data)

    def _read(self, offset: int, size: int) -> bytes:
        file = self._file
        if file is None:
            raise DiskError("read", errno.EBADF)
        data = self._files.read(file, offset, size)
        if len(data) < size:
            raise DiskError("read", errno.EIO)
        return data

    def _discard(self) -> None:
        with self._lock:
            if not self._is_over:
                self._is_over = True
                self._files.discard(self.path)

    def _close(self) -> None:
        self._discard()
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                file.release()
