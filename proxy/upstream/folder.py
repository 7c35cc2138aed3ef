"""A folder as an origin: what may be opened below it, and what its files say of themselves.

Strictly confined. A URL's path is cut into names, none of which may be `..` or hold a separator. Links are followed
only where they stay below the folder: the way is resolved first, and then walked name by name from the folder's own
descriptor with O_NOFOLLOW, so that a link put there in between opens nothing. Only regular files are opened, and
without waiting (O_NONBLOCK: a pipe would hold the thread for ever). The folder itself may be a link: who configured
it chose it.

A file that is not there is an answer; a folder that is not there is not, or a mount that is missing would look like
an empty channel. Everything here blocks, and runs on the threads of the remote.
"""

import errno
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from io import FileIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from proxy.config.settings import Upstream
from proxy.upstream.errors import AddressRefused, AuthRefused, Unreachable, UpstreamError

ORIGIN = "file://"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Neither is a file that can be read, but nor is anything wrong with the folder.
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class Facts:
    """What tells one state of a file from another."""

    inode: int
    size: int
    mtime_ns: int

    @property
    def etag(self) -> str:
        return f'"{self.inode:x}-{self.size:x}-{self.mtime_ns:x}"'

    @property
    def last_modified(self) -> str:
        """The HTTP date of its last change."""
        return format_datetime(datetime.fromtimestamp(self.mtime_ns // 10**9, UTC), usegmt=True)


@dataclass(frozen=True, slots=True)
class Held:
    """An open file and what it was when it was opened."""

    file: FileIO
    facts: Facts

    def read_at(self, start: int, size: int) -> bytes:
        """Return up to that many bytes."""
        # By position: a call that was given up may still be under way when the next one begins.
        return os.pread(self.file.fileno(), size, start)

    def is_changed(self) -> bool:
        """Tell whether the file was written to since it was opened."""
        return _facts(os.fstat(self.file.fileno())) != self.facts

    def close(self) -> None:
        self.file.close()


class Folder:
    """One folder. Every call blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self) -> None:
        """Raise UpstreamError unless the folder is there and may be searched."""
        os.close(self._opened(self._path))

    def open(self, names: tuple[str, ...]) -> Held | None:
        """Return the file, or None where there is none. Raises UpstreamError."""
        root = self._resolved()
        folder = self._opened(root)
        try:
            return _walk(folder, self._way(root, names))
        except OSError as error:
            failure = _translated(error)
            if failure is None:
                return None
        finally:
            os.close(folder)
        raise failure

    def _resolved(self) -> Path:
        return Path(os.path.realpath(self._path))

    def _opened(self, path: Path) -> int:
        try:
            return os.open(path, _FOLDER)
        except PermissionError:
            refused: UpstreamError = AuthRefused("origin", "the folder may not be read", origin=ORIGIN)
        except OSError as error:
            detail = f"the folder cannot be opened ({os.strerror(error.errno or 0)})"
            refused = Unreachable("origin", detail, origin=ORIGIN)
        raise refused

    def _way(self, root: Path, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names from the folder to the file with all links resolved; refuse one that leads out."""
        resolved = Path(os.path.realpath(root.joinpath(*names)))
        if not resolved.is_relative_to(root):
            raise AddressRefused("guard", "a link that leads out of the folder", origin=ORIGIN)
        return resolved.relative_to(root).parts


def _walk(folder: int, names: tuple[str, ...]) -> Held | None:
    """Open the last name, each step from the descriptor of the one before."""
    at = os.dup(folder)
    try:
        for name in names[:-1]:
            at, before = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=at), at
            os.close(before)
        descriptor = os.open(names[-1], _FILE, dir_fd=at) if names else os.dup(at)
    finally:
        os.close(at)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        return None
    return Held(FileIO(descriptor, "rb"), _facts(facts))


def _facts(found: os.stat_result) -> Facts:
    return Facts(found.st_ino, found.st_size, found.st_mtime_ns)


def _translated(error: OSError) -> UpstreamError | None:
    """Return the failure, or None where the file is just not there."""
    if error.errno in _ABSENT:
        return None
    if error.errno == errno.ELOOP:
        return AddressRefused("guard", "a link that cannot be followed", origin=ORIGIN)
    if isinstance(error, PermissionError):
        return AuthRefused("origin", "the file may not be read", origin=ORIGIN)
    return unreadable(error)


def unreadable(error: OSError) -> UpstreamError:
    """Return the failure of a disk or a mount."""
    return Unreachable("origin", f"reading failed ({os.strerror(error.errno or 0)})", origin=ORIGIN)


def folder_of(upstream: Upstream) -> Path | None:
    """Return the folder of an upstream that is a `file://` channel."""
    parts = urlsplit(upstream.urls[0].reveal()) if upstream.urls else None
    return Path(unquote(parts.path)) if parts is not None and parts.scheme == "file" else None


def names_below(base: str, url: str) -> tuple[str, ...]:
    """Return the names from the base (a `file://` URL with a slash at its end) to a URL, absolute or relative.

    Raises AddressRefused for one that is not below the base, or that could be read in two ways.
    """
    below = url.removeprefix(base)
    is_elsewhere = below.startswith("/") or (below == url and urlsplit(url).scheme != "")
    names = tuple(unquote(name, errors="surrogateescape") for name in below.split("/")) if below else ()
    if is_elsewhere or any(_is_no_name(name) for name in names):
        raise AddressRefused("guard", "a URL that leads out of the channel's folder", origin=ORIGIN)
    return names


def _is_no_name(name: str) -> bool:
    return name in ("", ".", "..") or any(char in name for char in "/\\\0?#")
