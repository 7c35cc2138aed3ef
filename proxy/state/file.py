"""The state database's file at a start: is it there, is it sound, is it of a schema this program knows?

Answered with the standard library in a few milliseconds, before SQLAlchemy is even imported. Law
(reliability, B09): a database that is missing where one was, damaged, locked or newer than the program
stops the start with the steps to take; an empty one is made only where there never was one. That there was
one is remembered by a file beside it.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from proxy.state import fresh
from proxy.state.errors import StateError
from proxy.state.fresh import HEAD, REVISIONS, sync_folder
from proxy.state.structure import faults_of, made_by, structure_of

_LOG = logging.getLogger("feedgate.state")
#: Up to this size every page is checked at the start; larger files are checked by `doctor`.
CHECKED_BYTES = 16 * 1024**2
_MAGIC = b"SQLite format 3\0"
_NEW = (".new", ".new-journal")
_UNHIDDEN = ("server.json.new", "reload.json.new", "admin.key.new", "secret.key.new")
_MARKER_TEXT = (
    "This folder has, or had, a state database (state.sqlite).\n"
    "feedgate does not start without it rather than make an empty one: restore it from a backup,\n"
    "or, to begin anew on purpose, delete this file too.\n"
)


class StateFile:
    """Where the database lies, and what is known about it without opening it for work."""

    def __init__(self, path: Path, *, lock_wait_s: float = 5.0) -> None:
        self.path = path
        self._lock_wait_s = lock_wait_s
        self.marker = path.with_name(f"{path.name}.exists")
        #: Whether `prepare` made it, because there never was one.
        self.is_new = False

    def is_there(self) -> bool:
        """Return whether there is a database, or was one once. Raises StateError where that cannot be seen."""
        for path in (self.path, self.marker, self._journal):
            try:
                path.lstat()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as err:
                raise StateError(
                    f"the state folder {self.path.parent} cannot be read: {err.strerror}",
                    ("run the command as the user that it belongs to",),
                ) from err
            return True
        return False

    def prepare(self) -> str:
        """Make sure that a sound database is there; return its revision. Blocks; raises StateError."""
        try:
            fresh.make_folder(self.path.parent)
            if not os.path.lexists(self.path):
                self._refuse_if_lost()
                fresh.make(self.path)
                self.is_new = True
            revision = self._revision()
            if not self.marker.exists():
                self._mark()
        except (OSError, sqlite3.Error) as err:
            raise StateError(
                f"the state folder {self.path.parent} cannot be used: {err}",
                ("make room, or give this process's user the right to write there, then start again",),
            ) from err
        return revision

    def _mark(self) -> None:
        """Remember that there is a database; on a full disk the next start does."""
        try:
            self.marker.write_text(_MARKER_TEXT)
            sync_folder(self.path.parent)
        except OSError as err:
            with contextlib.suppress(OSError):
                self.marker.unlink(missing_ok=True)
            _LOG.warning("%s could not be written: %s; the next start tries again", self.marker, err.strerror)

    def check(self) -> tuple[str, ...]:
        """Return what SQLite finds wrong in the whole file; empty means sound. Blocks, maybe for long."""
        try:
            return self._examined("PRAGMA integrity_check")
        except sqlite3.DatabaseError as err:
            return (str(err),)

    @property
    def _journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-journal")

    def restore_steps(self) -> tuple[str, ...]:
        """Return what to do about a database that cannot be used."""
        copies = sorted(self.path.parent.glob(f"{self.path.name}.before-*"))
        steps = [
            "stop every feedgate that uses this folder",
            f"move {self.path} (and {self.path.name}-journal, if there) aside and keep them",
            f"put a backup of it in its place (`feedgate restore`, or copy the file to {self.path})",
        ]
        if copies:
            steps.append(f"the newest automatic copy is {copies[-1]}")
        return (*steps, "start again")

    def _refuse_if_lost(self) -> None:
        if self.marker.exists() or self._journal.exists():
            raise StateError(
                f"the state database {self.path} is missing, and there was one; no empty one is made instead",
                (*self.restore_steps(), f"or, to begin anew on purpose, delete {self.marker} too"),
            )

    def _revision(self) -> str:
        try:
            self._refuse_foreign()
            revision = self._read_revision()
        except sqlite3.DatabaseError as err:
            raise self.translated(err) from err
        if revision not in REVISIONS:
            raise StateError(
                f"the state database {self.path} has schema {revision!r}; this program knows up to {HEAD!r}",
                (
                    "start the feedgate that wrote it (a newer version), or",
                    f"restore the copy made before the upgrade ({self.path.name}.before-…)",
                ),
            )
        self._refuse_another_schema(revision)
        return revision

    def _refuse_another_schema(self, revision: str) -> None:
        """Refuse a database that is not what its revision says: every later look into it would fail."""
        try:
            with closing(self._connect()) as connection:
                found = structure_of(connection)
        except sqlite3.DatabaseError as err:
            raise self.translated(err) from err
        faults = faults_of(found, made_by(fresh.schema_of(revision)))
        if faults:
            raise StateError(
                f"the state database {self.path} says that its schema is {revision}, and it is not: {faults[0]}"
                + (f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""),
                self.restore_steps(),
            )

    def _refuse_foreign(self) -> None:
        if self.path.is_symlink() or not self.path.is_file():
            raise StateError(f"{self.path} is not a plain file", self.restore_steps())
        with self.path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise StateError(
                    f"{self.path} is not an SQLite database: it is damaged", self.restore_steps()
                )

    def _read_revision(self) -> str:
        if self.path.stat().st_size <= CHECKED_BYTES:
            faults = self._examined("PRAGMA quick_check")
            if faults:
                raise StateError(
                    f"the state database {self.path} is damaged: {faults[0]}", self.restore_steps()
                )
        connection = self._connect()
        try:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        finally:
            connection.close()
        return str(rows[0][0]) if len(rows) == 1 else "none"

    def _examined(self, pragma: str) -> tuple[str, ...]:
        connection = self._connect()
        try:
            lines = [str(row[0]) for row in connection.execute(pragma)]
        finally:
            connection.close()
        return () if lines == ["ok"] else tuple(lines) or ("no answer",)

    def _connect(self) -> sqlite3.Connection:
        """Open it for reading and writing (a crash's journal is played back), never creating it."""
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._lock_wait_s,
            isolation_level=None,
        )

    @contextlib.contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Refuse rows that cannot be read at a start, such as `what`. Raises StateError."""
        try:
            yield
        except sqlite3.DatabaseError as err:
            raise self.translated(err) from err
        except (ValueError, KeyError, TypeError) as err:
            raise StateError(
                f"the state database {self.path} holds {what} that cannot be read: {err}",
                self.restore_steps(),
            ) from err

    def translated(self, error: sqlite3.DatabaseError) -> StateError:
        code = getattr(error, "sqlite_errorname", "") or ""
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return StateError(
                f"another program keeps the state database {self.path} locked for {self._lock_wait_s:.0f} s",
                ("end whatever has it open (a database browser, a backup), then start again",),
            )
        if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            return StateError(
                f"the state database {self.path} cannot be opened for writing ({error})",
                ("give this process's user the right to write the file and its folder",),
            )
        return StateError(f"the state database {self.path} is damaged: {error}", self.restore_steps())


def sweep_temps(folder: Path, database: Path) -> None:
    """Remove what a killed process left half-written in the state folder. Blocks; whoever calls has the folder's lock.

    Temps of small files end in `.new` and are hidden (an earlier version's were not), or end in `.tmp`; those of the
    database begin with its name. Each is a file; what else is so named stays.
    """
    for place, is_temp in ((folder, _is_temp), (database.parent, partial(_is_temp_of, database.name))):
        with contextlib.suppress(OSError):
            for path in [path for path in place.iterdir() if is_temp(path.name)]:
                with contextlib.suppress(OSError):
                    path.unlink()


def _is_temp(name: str) -> bool:
    return name.endswith(".tmp") or (name.endswith(_NEW) and (name.startswith(".") or name in _UNHIDDEN))


def _is_temp_of(database: str, name: str) -> bool:
    return name.startswith(f"{database}.") and name.endswith(_NEW)
