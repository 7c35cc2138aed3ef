"""Keys on disk: only digests, every change with its audit entry, uses in batches."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from proxy.model import key_value
from proxy.model.actor import LOCAL, Grant
from proxy.model.key import Key
from proxy.model.problem import Problem
from proxy.state import key_digests
from proxy.state.database import Database
from proxy.state.keys import Keys
from tests.support.clock import FakeClock

GIVEN = "a-given-key-of-people"
CI = Key(
    "id-ci", "ci", (Grant("pypi", ("read", "promote")), Grant("*", ("read",))), ("builders",), expires_ms=99
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "state", FakeClock())
    await made.open()
    yield made
    await made.close()


async def loaded(database: Database) -> Keys:
    keys = Keys(database, FakeClock())
    await keys.load()
    return keys


async def test_a_key_is_found_again_after_a_restart_with_all_that_it_grants(database: Database) -> None:
    value = key_value.make()
    keys = await loaded(database)
    await keys.create(CI, value, LOCAL)
    await keys.create(Key("id-old", "old"), GIVEN, LOCAL)
    for known in (keys, await loaded(database)):
        assert known.find_made(value) == CI
        found = await known.find_given(GIVEN)
        assert found is not None
        assert found.name == "old"
        assert [key.name for key in known.all()] == ["ci", "old"]
        assert known.find_made(key_value.make()) is None
        assert await known.find_given("another-value-of-people") is None


async def test_no_value_is_anywhere_on_disk(database: Database) -> None:
    value = key_value.make()
    keys = await loaded(database)
    await keys.create(CI, value, LOCAL)
    await keys.create(Key("id-old", "old"), GIVEN, LOCAL)
    await keys.delete("id-old", LOCAL)
    files = [path for path in database.path.parent.rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert value.encode() not in content
        assert GIVEN.encode() not in content


async def test_every_change_is_in_the_audit_without_the_value(database: Database) -> None:
    keys = await loaded(database)
    await keys.create(CI, GIVEN, LOCAL, "req-1")
    await keys.delete("id-ci", LOCAL)
    with closing(sqlite3.connect(database.path)) as connection:
        rows = connection.execute("SELECT actor, action, subject, before, after FROM audit").fetchall()
        assert connection.execute("SELECT count(*) FROM keys").fetchone() == (0,)
    assert [row[:3] for row in rows] == [
        ("local command", "key.create", "id-ci"), ("local command", "key.delete", "id-ci"),
    ]  # fmt: skip
    assert '"promote"' in rows[0][4]
    assert rows[1][3] == rows[0][4]
    assert GIVEN not in str(rows)


async def test_no_audit_no_key(database: Database) -> None:
    keys = await loaded(database)
    with closing(sqlite3.connect(database.path)) as connection:
        connection.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.commit()
    with pytest.raises(Problem):
        await keys.create(CI, GIVEN, LOCAL)
    assert keys.all() == []
    assert await keys.find_given(GIVEN) is None
    assert (await loaded(database)).all() == []


async def test_names_and_values_are_given_once(database: Database) -> None:
    keys = await loaded(database)
    await keys.create(CI, GIVEN, LOCAL)
    for key, value in ((Key("id-2", "ci"), key_value.make()), (Key("id-2", "other"), GIVEN)):
        with pytest.raises(Problem) as refused:
            await keys.create(key, value, LOCAL)
        assert refused.value.word == "conflict"
        assert GIVEN not in str(refused.value)
    with pytest.raises(Problem) as refused:
        await keys.delete("id-2", LOCAL)
    assert refused.value.word == "unknown"


async def test_a_deleted_key_opens_nothing_and_its_value_may_be_given_again(database: Database) -> None:
    keys, told = await loaded(database), list[str]()
    keys.on_change(lambda: told.append("changed"))
    await keys.create(CI, GIVEN, LOCAL)
    await keys.delete("id-ci", LOCAL)
    assert await keys.find_given(GIVEN) is None
    assert not keys.has_given
    await keys.create(Key("id-2", "ci"), GIVEN, LOCAL)
    assert keys.has_given
    assert told == ["changed"] * 3


async def test_uses_are_written_together_and_without_an_audit(database: Database) -> None:
    keys = await loaded(database)
    await keys.create(CI, GIVEN, LOCAL)
    await keys.create(Key("id-2", "two"), key_value.make(), LOCAL)
    for _ in range(5):
        keys.note_use("id-ci")
    keys.note_use("id-of-a-key-that-is-gone")
    assert [key.last_used_ms for key in keys.all()] == [None, None]
    await keys.write_uses()
    used = keys.now_ms()
    for known in (keys, await loaded(database)):
        assert {key.name: key.last_used_ms for key in known.all()} == {"ci": used, "two": None}
    with closing(sqlite3.connect(database.path)) as connection:
        assert connection.execute("SELECT count(*) FROM audit").fetchone() == (2,)


async def test_uses_that_cannot_be_written_now_are_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await loaded(database)
    await keys.create(CI, GIVEN, LOCAL)
    rows = await database.rows()

    async def full(*_: object) -> None:
        raise Problem("disk-full", "no room")

    keys.note_use("id-ci")
    monkeypatch.setattr(rows, "note", full)
    await keys.write_uses()
    monkeypatch.undo()
    await keys.close()
    assert (await loaded(database)).all()[0].last_used_ms is not None


async def test_many_creations_at_once_are_all_there(database: Database) -> None:
    keys = await loaded(database)
    values = {f"key-{number}": key_value.make() for number in range(20)}
    await asyncio.gather(
        *(keys.create(Key(f"id-{name}", name), value, LOCAL) for name, value in values.items())
    )
    again = await loaded(database)
    for name, value in values.items():
        found = again.find_made(value)
        assert found is not None
        assert found.name == name


def test_digests_depend_on_the_salt_and_on_every_character() -> None:
    salts = [key_digests.new_salt() for _ in range(2)]
    value = key_value.make()
    digests = {key_digests.digest(one, salt) for salt in salts for one in (value, value[:-1] + "~", GIVEN)}
    assert len(digests) == 6
    assert key_digests.digest(GIVEN, salts[0]) == key_digests.slow(GIVEN, salts[0])
    assert key_digests.digest(value, salts[0]) == key_digests.fast(value, salts[0])
