"""The file layer: every call that touches the disk for a blob, made in threads only.

An `OSError` becomes a `DiskError` here and nowhere else. That one is not an `OSError` on purpose: aiohttp's
`ClientOSError` is, so a handler for one would catch the other (reliability, B05). Files are opened without
following a symlink and without waiting for a FIFO, and must be regular (B07).
"""

import contextlib
import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

#: These say that the disk takes no more for now; the others say that one call failed (EMFILE, a lost folder).
LASTING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM})
_PROBE_BYTES = 64 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_A_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})


class DiskError(Exception):
    """A call on this machine's disk failed: `op` names it, `code` is the errno."""

    def __init__(self, op: str, code: int) -> None:
        super().__init__(f"{op}: {os.strerror(code)}")
        self.op = op
        self.code = code

    @property
    def is_lasting(self) -> bool:
        return self.code in LASTING


class NotRegularError(Exception):
    """Something else lies where a file belongs: a symlink, FIFO, socket or directory."""


class OpenFile:
    """A descriptor that closes when its last user lets go, so that no thread works on a reused number."""

    __slots__ = ("_fd", "_lock", "_uses")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._uses = 1
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self) -> Iterator[int]:
        """Give the descriptor for the length of one call."""
        with self._lock:
            if self._uses == 0:
                raise DiskError("use", errno.EBADF)
            self._uses += 1
        try:
            yield self._fd
        finally:
            self.release()

    def release(self) -> None:
        """Let go; closing the last link of a large removed file may take a while, so call it in a thread."""
        with self._lock:
            self._uses -= 1
            is_last = self._uses == 0
        if is_last:
            os.close(self._fd)


class Files:
    """The calls. Tests put failing ones in place of the attributes below."""

    open_fd = staticmethod(os.open)
    pread = staticmethod(os.pread)
    pwrite = staticmethod(os.pwrite)
    fsync = staticmethod(os.fsync)
    rename = staticmethod(os.rename)
    unlink = staticmethod(os.unlink)

    def create(self, path: Path) -> OpenFile:
        """Create a file for writing and reading; its folder is made again if somebody wiped it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _translated("create"):
            try:
                return OpenFile(self.open_fd(path, flags, 0o600))
            except FileNotFoundError:
                self.make_folder(path.parent)
                return OpenFile(self.open_fd(path, flags, 0o600))

    def make_folder(self, path: Path) -> None:
        """Make a folder of the store's own, durable, in place of whatever else lies there."""
        with _translated("mkdir"):
            missing = [each for each in (path, *path.parents) if not each.is_dir()]
            try:
                path.mkdir(parents=True, exist_ok=True)
            except FileExistsError:
                self.unlink(path)
                path.mkdir()
        with _translated("fsync"):
            for each in reversed(missing):
                self._sync_folder(each.parent)

    def open(self, path: Path) -> tuple[OpenFile, os.stat_result] | None:
        """Open a regular file for reading; None if there is none. Raises NotRegularError, DiskError."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with _translated("open"):
            try:
                fd = self.open_fd(path, flags)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if error.errno in _NOT_A_FILE:
                    raise NotRegularError(str(error.strerror)) from error
                raise
            found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise NotRegularError(stat.filemode(found.st_mode))
        return OpenFile(fd), found

    def stat(self, file: OpenFile) -> os.stat_result:
        with _translated("stat"), file.use() as fd:
            return os.fstat(fd)

    def read(self, file: OpenFile, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from the offset; fewer only at the end of the file."""
        with _translated("read"), file.use() as fd:
            data = self.pread(fd, size, offset)
            while len(data) < size and (more := self.pread(fd, size - len(data), offset + len(data))):
                data += more
            return data

    def write(self, file: OpenFile, data: bytes, offset: int) -> None:
        view = memoryview(data)
        with _translated("write"), file.use() as fd:
            while view:
                done = self.pwrite(fd, view, offset)
                view, offset = view[done:], offset + done

    def publish(self, file: OpenFile, source: Path, target: Path) -> os.stat_result:
        """Make the written file durable under its name: fsync, rename, fsync of the folder.

        A failed fsync means that what is on the disk is unknown; the caller discards the file, because a
        second fsync would report success for pages that the kernel has dropped.
        """
        with _translated("fsync"), file.use() as fd:
            self.fsync(fd)
        with _translated("rename"):
            folder = self._folder(target.parent)
        try:
            with _translated("rename"):
                self._rename_over(source, target)
            try:
                with _translated("fsync"), file.use() as fd:
                    self.fsync(folder)
                    return os.fstat(fd)
            except DiskError:
                self.discard(target)
                raise
        finally:
            os.close(folder)

    def replace(self, path: Path, pieces: Iterable[bytes], temp: Path) -> None:
        """Write a file whose loss costs nothing: whole or not at all, not fsynced."""
        file = self.create(temp)
        try:
            offset = 0
            for piece in pieces:
                self.write(file, piece, offset)
                offset += len(piece)
            with _translated("rename"):
                self.rename(temp, path)
        except DiskError:
            self.discard(temp)
            raise
        finally:
            file.release()

    def probe(self, path: Path) -> None:
        """Write, sync and remove a little file. Raises DiskError."""
        file = self.create(path)
        try:
            self.write(file, bytes(_PROBE_BYTES), 0)
            with _translated("fsync"), file.use() as fd:
                self.fsync(fd)
        finally:
            file.release()
            self.discard(path)

    def remove(self, path: Path) -> None:
        """Remove whatever lies there, without following it. Raises DiskError."""
        with _translated("remove"), contextlib.suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(path).st_mode):
                shutil.rmtree(path)
            else:
                self.unlink(path)

    def discard(self, path: Path) -> None:
        """Remove what may be there; what cannot be removed now goes with the sweep of the next start."""
        with contextlib.suppress(DiskError):
            self.remove(path)

    def _rename_over(self, source: Path, target: Path) -> None:
        try:
            self.rename(source, target)
        except (IsADirectoryError, NotADirectoryError):
            shutil.rmtree(target)
            self.rename(source, target)

    def _folder(self, path: Path) -> int:
        """Open a folder for its fsync, made if need be and then durable itself."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return self.open_fd(path, _FOLDER)
        self.make_folder(path)
        return self.open_fd(path, _FOLDER)

    def _sync_folder(self, path: Path) -> None:
        # A folder above the store's own may be closed to reading, and then cannot be synced.
        with contextlib.suppress(PermissionError):
            folder = self.open_fd(path, _FOLDER)
            try:
                self.fsync(folder)
            finally:
                os.close(folder)


@contextlib.contextmanager
def _translated(op: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(op, error.errno or errno.EIO) from error
