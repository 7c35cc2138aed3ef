"""No audit, no change: a change is told in its own transaction, in a chain that nobody alters unseen (F02)."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from proxy.model.audit_entry import AuditEntry, as_kept
from proxy.model.problem import Problem
from proxy.model.redact import Secret, SecretUrl
from proxy.state.audit import hash_of, read
from proxy.state.audit_trail import GENESIS, AuditTrail, Chain, Wanted
from proxy.state.database import Database
from proxy.state.tables import audit, declared
from tests.support.clock import START, FakeClock


@dataclass(frozen=True)
class Somebody:
    id: str = "k1"
    name: str = "ann"
    address: str = "127.0.0.9"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path, FakeClock())
    await opened.open()
    yield opened
    await opened.close()


def entry(subject: str = "main", action: str = "feed.create", **more: object) -> AuditEntry:
    return AuditEntry(Somebody(), action, subject, **more)  # type: ignore[arg-type]


async def put(connection: AsyncConnection, name: str) -> None:
    row = {"noun": "feed", "name": name, "document": b"{}", "changed_ms": 1}
    await connection.execute(insert(declared).values(row))


async def changed(database: Database, *names: str) -> None:
    for name in names:
        async with database.change(entry(name)) as connection:
            await put(connection, name)


async def names_of(database: Database) -> list[str]:
    async with (await database.rows()).read() as connection:
        return [row.name for row in await connection.execute(select(declared))]


async def chain_of(database: Database) -> Chain:
    return await AuditTrail(database).verify()


def altered(database: Database, *statements: str) -> None:
    """Do what somebody with the file and no scruples does."""
    connection = sqlite3.connect(database.path)
    for trigger in ("audit_keeps_rows", "audit_keeps_fields", "audit_keeps_numbers"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        assert connection.execute(statement).rowcount == 1
    connection.commit()
    connection.close()


async def test_change_and_its_entry_are_there_together(database: Database) -> None:
    told = entry(before=None, after={"kind": "pypi"}, detail="why", feed="main", request_id="r1")
    async with database.change(told) as connection:
        await put(connection, "main")
    async with (await database.rows()).read() as connection:
        (record,) = await read(connection, Wanted(limit=10))
    assert (record.number, record.at_ms, record.previous) == (1, round(START.timestamp() * 1000), GENESIS)
    assert (record.actor_id, record.actor, record.address) == ("k1", "ann", "127.0.0.9")
    assert (record.action, record.subject, record.feed, record.request_id) == (
        "feed.create",
        "main",
        "main",
        "r1",
    )
    assert (record.before, record.after, record.detail) == (None, '{"kind":"pypi"}', "why")
    assert await names_of(database) == ["main"]


async def test_change_that_fails_leaves_neither(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.change(entry()) as connection:
            await put(connection, "main")
            raise RuntimeError
    assert await names_of(database) == []
    assert await chain_of(database) == Chain(0, (0, GENESIS))


async def test_entry_that_cannot_be_written_undoes_the_change(database: Database) -> None:
    await changed(database, "first")
    connection = sqlite3.connect(database.path)
    connection.execute(
        "CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'not writable'); END"
    )
    connection.commit()
    connection.close()
    with pytest.raises(Problem) as caught:
        await changed(database, "second")
    assert caught.value.status == 503
    assert await names_of(database) == ["first"]


async def test_change_without_an_entry_is_a_mistake(database: Database) -> None:
    with pytest.raises(ValueError, match="audit"):
        async with database.change():
            pytest.fail("reached")


async def test_several_entries_are_chained(database: Database) -> None:
    async with database.change(entry("a"), entry("b")):
        pass
    await changed(database, "c")
    chain = await chain_of(database)
    assert (chain.entries, chain.head[0], chain.fault) == (3, 3, None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'bob'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
    ],
)
async def test_entries_can_only_be_added(database: Database, statement: str) -> None:
    await changed(database, "a")
    connection = sqlite3.connect(database.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "column", [column.name for column in audit.columns if column.name not in ("number",)]
)
async def test_every_field_of_an_entry_is_held_by_the_chain(database: Database, column: str) -> None:
    await changed(database, "a", "b", "c")
    altered(database, f"UPDATE audit SET {column} = '7' WHERE number = 2")
    fault = (await chain_of(database)).fault
    assert fault is not None and "2" in fault


async def test_entry_written_anew_with_a_hash_that_fits_is_not_what_the_next_one_follows(
    database: Database,
) -> None:
    await changed(database, "one", "two", "three")
    async with (await database.rows()).read() as connection:
        second = (await read(connection, Wanted(limit=10)))[1]
    forged = replace(second, subject="another")
    altered(
        database,
        f"UPDATE audit SET subject = 'another', hash = '{hash_of(forged)}' WHERE number = {second.number}",
    )
    chain = await chain_of(database)
    assert chain.fault == f"entry {second.number + 1} does not follow the entry before it"


async def test_entry_taken_out_is_missed(database: Database) -> None:
    await changed(database, "a", "b", "c")
    altered(database, "DELETE FROM audit WHERE number = 2")
    assert (await chain_of(database)).fault == "entry 2 is missing"


async def test_end_cut_off_is_missed(database: Database) -> None:
    await changed(database, "a", "b", "c")
    altered(database, "DELETE FROM audit WHERE number = 3")
    chain = await chain_of(database)
    assert (chain.entries, chain.fault) == (2, "the entries after number 2 are missing")


async def test_order_is_by_number_whatever_the_clock_does(tmp_path: Path) -> None:
    """B13."""
    clock = FakeClock()
    database = Database(tmp_path, clock)
    await database.open()
    for days in (0, 2, -3, 1):
        clock.set(START + timedelta(days=days))
        await changed(database, f"day{days}")
    async with (await database.rows()).read() as connection:
        found = await read(connection, Wanted(limit=9))
        late = await read(connection, Wanted(limit=9, since_ms=round(START.timestamp() * 1000)))
    await database.close()
    assert [each.subject for each in found] == ["day0", "day2", "day-3", "day1"]
    assert [each.subject for each in late] == ["day0", "day2", "day1"]
    await database.open()
    assert (await chain_of(database)).fault is None
    await database.close()


async def test_chain_longer_than_one_look_is_looked_at_whole(database: Database) -> None:
    async with database.change(*(entry(str(number)) for number in range(1203))):
        pass
    assert (await chain_of(database)).entries == 1203
    altered(database, "UPDATE audit SET subject = 'x' WHERE number = 1100")
    chain = await chain_of(database)
    assert (chain.entries, chain.fault) == (1099, "entry 1100 was changed")


async def test_entries_are_found_by_what_they_tell(database: Database) -> None:
    async with database.change(
        entry("x", "feed.edit", feed="x"), entry("y", "policy.edit"), entry("z", "feed.delete", feed="z")
    ):
        pass

    async def found(**wanted: object) -> list[str]:
        async with (await database.rows()).read() as connection:
            return [each.subject for each in await read(connection, Wanted(limit=9, **wanted))]  # type: ignore[arg-type]

    assert await found(feed="x") == ["x"]
    assert await found(action="feed") == ["x", "z"] and await found(action="feed.edit") == ["x"]
    assert (
        await found(actor="ann") == await found(actor="k1") == ["x", "y", "z"]
        and await found(actor="bob") == []
    )
    assert await found(after=1) == ["y", "z"]
    at_ms = round(START.timestamp() * 1000)
    assert await found(since_ms=at_ms) == ["x", "y", "z"] and await found(since_ms=at_ms + 1) == []


def test_secrets_are_not_kept() -> None:
    value = {
        "password": Secret("s3cret"),
        "urls": [SecretUrl("https://u:s3cret@h/x"), "https://u:s3cret@h/x"],
    }
    assert as_kept(["https://u:***@h/x"]) == '["https://u:***@h/x"]'
    assert as_kept(value) == '{"password":"***","urls":["https://h/x","https://h/x"]}'
    with pytest.raises(TypeError):
        as_kept({"key": object()})
