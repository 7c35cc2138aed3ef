"""The one place that knows diskcache: a strict `Disk`, and a small shelf of bytes on top of it.

CVE-2025-69872: diskcache unpickles rows of mode 4 and keys with raw=0, and reads and deletes whatever file
a row names, also an absolute path; no release cures it and `JSONDisk` does not either (reliability, section
0). So: keys are str, values bytes; every other mode is refused, on the way in and on the way out; a row's
file name must have diskcache's own form and is resolved below the folder, for reading and for removing;
`retry` is off (it spins for ever on a read-only disk); `check(fix=True)` is never called (it blesses
truncated files).

Before diskcache opens a database that is found on the disk, sqlite alone looks at it: diskcache obeys the
settings that it finds inside. Each value carries a digest of key and value, since SQLite has none.
Everything here blocks and belongs to one thread.
"""

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import diskcache

#: A larger value is not remembered: the shelf is for small facts.
MAX_VALUE_BYTES = 1024 * 1024
_FILE_NAME = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}\.val\Z")
_DIGEST_BYTES = 16
_EXPIRY = struct.Struct("<d")
_BUSY_S = 1.0

_SETTINGS = {
    "statistics": 0,
    "tag_index": 0,
    "eviction_policy": "least-recently-stored",
    "cull_limit": 10,
    "size_limit": 256 * 1024 * 1024,
    # Everything stays in the database: a value in a file of its own is leaked by a full disk.
    "disk_min_file_size": 2 * MAX_VALUE_BYTES,
    "disk_pickle_protocol": 4,
    "sqlite_auto_vacuum": 1,
    "sqlite_cache_size": 2048,
    # No WAL and no mmap: a truncated file under a mapping kills the process. What a power cut may damage is
    # found by the values' digests, so nothing waits for an fsync.
    "sqlite_journal_mode": "truncate",
    "sqlite_mmap_size": 0,
    "sqlite_synchronous": 0,
}
_COUNTERS = frozenset({"count", "size", "hits", "misses"})
_OBJECTS = frozenset(
    {
        ("table", "Settings"),
        ("table", "Cache"),
        ("index", "sqlite_autoindex_Settings_1"),
        ("index", "Cache_key_raw"),
        ("index", "Cache_expire_time"),
        ("index", "Cache_store_time"),
        ("trigger", "Settings_count_insert"),
        ("trigger", "Settings_count_delete"),
        ("trigger", "Settings_size_insert"),
        ("trigger", "Settings_size_update"),
        ("trigger", "Settings_size_delete"),
    }
)
_FOREIGN_ROWS = (
    "SELECT 1 FROM Cache WHERE mode IS NOT 1 OR raw IS NOT 1 OR filename IS NOT NULL"
    " OR typeof(key) != 'text' OR typeof(value) != 'blob' LIMIT 1"
)
#: These say that the disk refuses; every other error says that the database is damaged.
REFUSALS = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_NOMEM,
    }
)


class RefusedError(Exception):
    """The database holds what this program never writes; not an OSError, which diskcache would swallow."""


class StrictDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types, so its base class is Any
    """Str keys, bytes values, files below the folder; everything else raises RefusedError."""

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise RefusedError(f"a key must be str, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if type(key) is not str or raw != 1:
            raise RefusedError("a key that is not plain text")
        return key

    def store(
        self, value: object, read: bool, key: object = diskcache.UNKNOWN
    ) -> tuple[int, int, str | None, bytes | None]:
        if type(value) is not bytes or read:
            raise RefusedError(f"a value must be bytes, not {type(value).__name__}")
        stored: tuple[int, int, str | None, bytes | None] = super().store(value, False, key=key)
        return stored

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> bytes:
        if read:
            raise RefusedError("values are not handed out as files")
        if mode == diskcache.core.MODE_RAW and filename is None and type(value) is bytes:
            return value
        if mode == diskcache.core.MODE_BINARY and value is None:
            return self._read(self._confined(filename))
        raise RefusedError(f"a value of mode {mode!r}")

    def remove(self, file_path: object) -> None:
        path = self._confined(file_path)
        with contextlib.suppress(OSError):
            path.unlink()

    def _confined(self, filename: object) -> Path:
        if type(filename) is not str or not _FILE_NAME.match(filename):
            raise RefusedError("a file name that is not diskcache's")
        folder = Path(self._directory).resolve()
        path = folder / filename
        if path.parent.resolve() != path.parent:
            raise RefusedError("a file name that leads out of the folder")
        return path

    @staticmethod
    def _read(path: Path) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:  # noqa: PTH123 - from a descriptor
            return file.read(MAX_VALUE_BYTES + 1)


class ShelfDamagedError(Exception):
    """The database is not what this program writes; it is to be rebuilt."""


class ShelfFailedError(Exception):
    """The disk refuses: read-only, full, locked, no permission. Another time."""


class Shelf:
    """Small values by key, with an expiry in seconds since 1970.

    Every call may raise ShelfDamagedError or ShelfFailedError.
    """

    def __init__(self, folder: Path) -> None:
        text = str(folder)
        if os.path.expandvars(text) != text or text.startswith("~"):
            raise ShelfFailedError("diskcache would expand the folder's name and open another one")
        with _translated():
            _inspect(folder)
            self._cache = diskcache.Cache(text, timeout=_BUSY_S, disk=StrictDisk, **_SETTINGS)

    def get(self, key: str, now: float) -> bytes | None:
        """Return the value, None if there is none, it has expired or is damaged."""
        with _translated():
            stored = self._cache.get(key, default=None, retry=False)
        if stored is None:
            return None
        digest, rest = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if _digest(key, rest) != digest:
            self.delete(key)
            return None
        (expires_at,) = _EXPIRY.unpack_from(rest)
        return rest[_EXPIRY.size :] if expires_at > now else None

    def set(self, key: str, value: bytes, expires_at: float) -> None:
        rest = _EXPIRY.pack(expires_at) + value
        with _translated():
            self._cache.set(key, _digest(key, rest) + rest, retry=False)

    def delete(self, key: str) -> None:
        with _translated():
            self._cache.delete(key, retry=False)

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with the prefix, in order, expired ones too."""
        with _translated():
            return [key for key in self._cache.iterkeys() if key.startswith(prefix)]

    def close(self) -> None:
        with _translated():
            self._cache.close()


def rebuild(folder: Path) -> None:
    """Remove the folder and what is in it; nothing that it points to. Raises ShelfFailedError."""
    with _translated():
        if folder.is_symlink() or folder.is_file():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


def _inspect(folder: Path) -> None:
    """Look at a database that is there already. Raises RefusedError, OSError, sqlite3.Error."""
    path = folder / diskcache.core.DBNAME
    for place, is_plain in ((folder, Path.is_dir), (path, Path.is_file)):
        if place.is_symlink() or (place.exists() and not is_plain(place)):
            raise RefusedError("no plain file in a plain folder")
    if not path.exists():
        return
    # Not mode=ro: what a kill left in the journal must be rolled back first.
    name = f"{path.resolve().as_uri()}?mode=rw"
    with contextlib.closing(sqlite3.connect(name, uri=True, timeout=_BUSY_S, isolation_level=None)) as db:
        # Whether it can be written is asked here, because diskcache asks again for a minute.
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
        names = {(kind, name) for kind, name in db.execute("SELECT type, name FROM sqlite_master")}
        if not names <= _OBJECTS:
            raise RefusedError("tables, views or triggers that are not diskcache's")
        if ("table", "Settings") in names:
            _inspect_settings(db)
        if ("table", "Cache") in names and db.execute(_FOREIGN_ROWS).fetchone() is not None:
            raise RefusedError("a row that is not plain")


def _inspect_settings(db: sqlite3.Connection) -> None:
    for key, value in db.execute("SELECT key, value FROM Settings"):
        is_ours = type(value) is int if key in _COUNTERS else key in _SETTINGS and _SETTINGS[key] == value
        if not is_ours:
            raise RefusedError(f"a setting that is not ours: {key!r}")


def _digest(key: str, rest: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\0" + rest, digest_size=_DIGEST_BYTES).digest()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, diskcache.Timeout) as error:
        raise ShelfFailedError(str(error) or "the database is busy or cannot be written") from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in REFUSALS:
            raise ShelfFailedError(str(error)) from error
        raise ShelfDamagedError(str(error)) from error
    except (RefusedError, ValueError, TypeError, KeyError, AssertionError) as error:
        # The last four are what diskcache makes of rows and settings that nobody would expect.
        raise ShelfDamagedError(str(error)) from error
