"""The rows, as SQLAlchemy reads and writes them. The only module that has an engine while the server runs.

One connection: the process is the only writer (`lock.py`), and reads come from memory. A write that
returned is on disk (`synchronous=EXTRA`, rollback journal: design, section 4); a write that raised has
changed nothing. Errors of the library end here.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import delete, event, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from proxy.model.audit_entry import AuditEntry
from proxy.model.problem import Problem
from proxy.state.audit import append
from proxy.state.tables import owners, sightings, snapshots, vaulted

_LOG = logging.getLogger("feedgate.state")
#: SQLite takes 32,766 parameters; older ones 999.
_NAMES_AT_ONCE = 500
#: Rows that pass through the loop at once: more would hold it for too long.
_ROWS_AT_ONCE = 500
_TAKE = """\
INSERT INTO sightings (upstream, subdir, name, payload)
SELECT ?, ?, name, payload FROM learned.learned WHERE rowid BETWEEN ? AND ?
ON CONFLICT (upstream, subdir, name) DO UPDATE SET payload = excluded.payload"""
_PRAGMAS = (
    "journal_mode=TRUNCATE",
    "synchronous=EXTRA",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "trusted_schema=OFF",
)


class Rows:
    """What the state database holds, row by row."""

    def __init__(self, path: Path) -> None:
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=1, max_overflow=0)
        event.listen(self._engine.sync_engine, "connect", _configured)

    async def close(self) -> None:
        await self._engine.dispose()

    async def sightings(self, upstream: str, subdir: str, names: Iterable[str]) -> dict[str, bytes]:
        """Return the payloads of those names that have one."""
        wanted, found = list(names), dict[str, bytes]()
        async with self._connected() as connection:
            for at in range(0, len(wanted), _NAMES_AT_ONCE):
                query = select(sightings.c.name, sightings.c.payload).where(
                    sightings.c.upstream == upstream,
                    sightings.c.subdir == subdir,
                    sightings.c.name.in_(wanted[at : at + _NAMES_AT_ONCE]),
                )
                found.update({row.name: row.payload for row in await connection.execute(query)})
        return found

    async def write_sightings(self, upstream: str, subdir: str, payloads: Mapping[str, bytes]) -> None:
        """Write all of them or none; on disk when it returns."""
        rows = [
            {"upstream": upstream, "subdir": subdir, "name": name, "payload": payload}
            for name, payload in payloads.items()
        ]
        statement = insert(sightings)
        key = [sightings.c.upstream, sightings.c.subdir, sightings.c.name]
        await self._write(
            statement.on_conflict_do_update(key, set_={"payload": statement.excluded.payload}), rows
        )

    async def change_sighting(
        self, connection: AsyncConnection, upstream: str, subdir: str, name: str, payload: bytes
    ) -> None:
        """Write a name's sighting that a person changed, inside `change`."""
        statement = update(sightings).where(
            sightings.c.upstream == upstream, sightings.c.subdir == subdir, sightings.c.name == name
        )
        await connection.execute(statement.values(payload=payload))

    @asynccontextmanager
    async def learned(self, path: Path) -> AsyncIterator[None]:
        """Have a file of `learned.py` at hand; one at a time."""
        async with self._connected() as connection:
            await connection.exec_driver_sql("ATTACH DATABASE ? AS learned", (str(path),))
        try:
            yield
        finally:
            async with self._connected() as connection:
                await connection.exec_driver_sql("DETACH DATABASE learned")

    async def take_learned(self, upstream: str, subdir: str, start: int, count: int) -> int:
        """Copy so many rows of it, from number `start` on, all or none; return how many there were."""
        async with self._connected() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            taken = await connection.exec_driver_sql(_TAKE, (upstream, subdir, start + 1, start + count))
            return taken.rowcount

    async def snapshots(self) -> dict[tuple[str, str], int]:
        """Return (upstream, subdir) -> when its first complete listing had been taken."""
        async with self._connected() as connection:
            rows = (await connection.execute(select(snapshots))).all()
        return {(row.upstream, row.subdir): row.taken_ms for row in rows}

    async def write_snapshot(self, upstream: str, subdir: str, taken_ms: int) -> None:
        """Write it unless there is one already."""
        row = {"upstream": upstream, "subdir": subdir, "taken_ms": taken_ms}
        await self._write(insert(snapshots).on_conflict_do_nothing(), [row])

    async def owner(self, feed: str, name: str) -> str | None:
        query = select(owners.c.upstream).where(owners.c.feed == feed, owners.c.name == name)
        async with self._connected() as connection:
            found: str | None = (await connection.execute(query)).scalar_one_or_none()
        return found

    async def owner_since(self, feed: str, name: str) -> tuple[str, int] | None:
        """Return the owner of a name, and since when."""
        query = select(owners.c.upstream, owners.c.since_ms).where(
            owners.c.feed == feed, owners.c.name == name
        )
        async with self._connected() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (row.upstream, row.since_ms)

    async def set_owners(self, feed: str, names: Mapping[str, str], since_ms: int) -> None:
        """Write who owns these names from now on, all of them or none."""
        statement = insert(owners)
        changed = {"upstream": statement.excluded.upstream, "since_ms": statement.excluded.since_ms}
        rows = [
            {"feed": feed, "name": name, "upstream": upstream, "since_ms": since_ms}
            for name, upstream in names.items()
        ]
        await self._write(statement.on_conflict_do_update([owners.c.feed, owners.c.name], set_=changed), rows)

    async def owners(self, feed: str) -> dict[str, str]:
        """Return every name of the feed that has an owner, with the owner."""
        query = select(owners.c.name, owners.c.upstream).where(owners.c.feed == feed)
        found: dict[str, str] = {}
        async with self._connected() as connection, connection.stream(query) as rows:
            async for part in rows.partitions(_ROWS_AT_ONCE):
                found.update((name, upstream) for name, upstream in part)
        return found

    async def owners_after(
        self, feed: str, after: str, containing: str, limit: int
    ) -> list[tuple[str, str, int]]:
        """Return (name, upstream, since) of names that contain a text, in the order of the alphabet."""
        query = (
            select(owners.c.name, owners.c.upstream, owners.c.since_ms)
            .where(
                owners.c.feed == feed,
                owners.c.name > after,
                owners.c.name.contains(containing, autoescape=True),
            )
            .order_by(owners.c.name)
            .limit(limit)
        )
        async with self._connected() as connection:
            rows = (await connection.execute(query)).all()
        return [(row.name, row.upstream, row.since_ms) for row in rows]

    async def write_owners(self, feed: str, names: Mapping[str, str], since_ms: int) -> None:
        """Write new owners, all of them or none; who has one keeps it."""
        rows = [
            {"feed": feed, "name": name, "upstream": upstream, "since_ms": since_ms}
            for name, upstream in names.items()
        ]
        await self._write(insert(owners).on_conflict_do_nothing(), rows)

    async def write_vaulted(self, feed: str, digest: str, at_ms: int) -> None:
        """Write that bytes have come for a curated feed, unless it is known."""
        row = {"feed": feed, "sha256": digest, "at_ms": at_ms}
        await self._write(insert(vaulted).on_conflict_do_nothing(), [row])

    async def forget_vaulted(self, digest: str) -> None:
        """Forget for which feeds bytes had come."""
        await self._write(delete(vaulted).where(vaulted.c.sha256 == digest), [{}])

    @asynccontextmanager
    async def change(self, entries: Sequence[AuditEntry], at_ms: int) -> AsyncIterator[AsyncConnection]:
        """Let the caller's statements and then the audit's run in one transaction: all of it or nothing."""
        async with self._connected() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            await append(connection, entries, at_ms)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection to read with, for a moment: there is only this one."""
        async with self._connected() as connection:
            yield connection

    async def note(self, statement: Any, rows: Sequence[Mapping[str, object]]) -> None:
        """Write what tells of use and not of a change, so that no audit is needed."""
        await self._write(statement, rows)

    async def _write(self, statement: Any, rows: Sequence[Mapping[str, object]]) -> None:
        async with self._connected() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            for at in range(0, len(rows), _ROWS_AT_ONCE):
                await connection.execute(statement, rows[at : at + _ROWS_AT_ONCE])

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as err:
            raise problem_for(err) from err


def problem_for(error: SQLAlchemyError) -> Problem:
    """Return what a client is told; the driver's text goes to the log, with the traceback."""
    code = ""
    if isinstance(error, DBAPIError):
        code = getattr(error.orig, "sqlite_errorname", "")
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return Problem(
            "disk-full", f"the state cannot be written ({code}); reading goes on", retry_after_s=30
        )
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Problem("busy", "the state database is locked by another program", retry_after_s=5)
    # Not a fault of the program: the disk gave back something else than it was given, perhaps only this once.
    _LOG.error("the state database failed: %s", code or type(error).__name__)
    return Problem(
        "busy", "the state database does not answer; see the log and `feedgate doctor`", retry_after_s=30
    )


def _configured(connection: Any, _record: object) -> None:
    """The driver's own transactions would begin late: reads have none, and writes say `BEGIN IMMEDIATE`."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
