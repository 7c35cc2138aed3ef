"""The state database: opened at the start, closed at the end, refused when in doubt.

`open` settles that a sound database of the right schema is there, without SQLAlchemy (a fifth of a second to
import); that comes with the first row, or with `warm`, in a thread, before the server is ready (proxy.imports).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.model.audit_entry import AuditEntry
from proxy.model.clock import Clock
from proxy.state.errors import StateError
from proxy.state.file import StateFile, sweep_temps
from proxy.state.fresh import HEAD
from proxy.state.lock import StateLock

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from proxy.state.rows import Rows


class Database:
    """The SQLite file below `<data>/state`, for one process."""

    def __init__(self, folder: Path, clock: Clock, *, url: str | None = None) -> None:
        self._folder = folder
        self._file = StateFile(database_path(folder, url))
        self._lock = StateLock(folder)
        self._clock = clock
        self._rows: Rows | None = None
        self._loading = asyncio.Lock()
        self._is_open = False

    @property
    def path(self) -> Path:
        return self._file.path

    @property
    def is_new(self) -> bool:
        """Whether `open` made it, because there never was one."""
        return self._file.is_new

    async def open(self) -> None:
        """Take the folder's lock; make, check or upgrade the file.

        Raises StateError with the steps to take (AlreadyRunningError if another process has the folder);
        nothing has changed then.
        """
        await asyncio.to_thread(self._take)
        self._is_open = True

    def _take(self) -> None:
        self._lock.acquire()
        try:
            sweep_temps(self._folder, self._file.path)
            self._prepare()
        except BaseException:
            self._lock.release()
            raise

    def _prepare(self) -> None:
        revision = self._file.prepare()
        if revision != HEAD:
            from proxy.state.upgrade import upgrade

            upgrade(self._file.path, revision, self._clock.now())

    async def warm(self) -> None:
        """Load what the first row needs, off the loop; call it once the server listens."""
        await self.rows()

    async def rows(self) -> "Rows":
        """Return the rows of the open database."""
        if self._rows is None:
            async with self._loading:
                if self._rows is None:
                    if not self._is_open:
                        raise StateError("the state database is not open")
                    self._rows = await asyncio.to_thread(_load, self._file.path)
        return self._rows

    @asynccontextmanager
    async def change(self, *entries: AuditEntry) -> AsyncIterator["AsyncConnection"]:
        """Change the state and tell it to the audit: `async with database.change(entry) as connection:`.

        What the block executes and the entries are one transaction, on disk when the block is left without an
        exception; otherwise nothing of it has happened: no audit, no change (design, law 6). Raises Problem. Inside,
        use this connection and no other way to the rows, and await nothing else that takes long: all wait for it.
        What is remembered in memory is changed after the block.
        """
        if not entries:
            raise ValueError("a change without an entry in the audit")
        rows = await self.rows()
        async with rows.change(entries, round(self._clock.now().timestamp() * 1000)) as connection:
            yield connection

    async def check(self) -> tuple[str, ...]:
        """Return what is wrong in the whole file; empty means sound."""
        return await asyncio.to_thread(self._file.check)

    async def close(self) -> None:
        """Let go of the file and of the lock; harmless when it is not open."""
        self._is_open = False
        rows, self._rows = self._rows, None
        if rows is not None:
            await rows.close()
        self._lock.release()


def _load(path: Path) -> "Rows":
    from proxy.state.rows import Rows

    return Rows(path)


def database_path(folder: Path, url: str | None) -> Path:
    """Return where the file lies: `sqlite:///path`, or `state.sqlite` in the folder."""
    if url is None or url == "sqlite":
        return folder / "state.sqlite"
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] != "sqlite" or not rest.startswith("/"):
        raise StateError("[state] url: only SQLite is there so far (sqlite:///path)", ("remove the key",))
    return folder / rest.removeprefix("/")
