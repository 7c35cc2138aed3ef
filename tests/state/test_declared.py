"""Documents that may hold secrets: sealed in the database, read before anything else, lost together or not at all."""

import sqlite3
import stat
from pathlib import Path

import pytest

from proxy.config.stored import Declared
from proxy.model.actor import SYSTEM
from proxy.model.audit_entry import AuditEntry
from proxy.state.database import Database
from proxy.state.declared import read_stored, remove, sealed, write
from proxy.state.errors import StateError
from proxy.state.seal import Seal
from tests.support.clock import FakeClock

THING = Declared({"kind": "pypi", "upstreams": ["https://u:hunter2@h.example/"]}, "tag")


@pytest.fixture
async def database(tmp_path: Path) -> Database:
    opened = Database(tmp_path, FakeClock())
    await opened.open()
    async with opened.change(AuditEntry(SYSTEM, "feed.create", "main")) as connection:
        await write(connection, "feeds", "main", sealed(Seal(tmp_path), "feeds", "main", THING), 1)
    await opened.close()
    return opened


def changed(database: Database, statement: str) -> None:
    connection = sqlite3.connect(database.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


async def test_what_is_written_is_read_back_and_secret_meanwhile(database: Database, tmp_path: Path) -> None:
    assert read_stored(tmp_path) == {"feeds": {"main": THING}}
    assert b"hunter2" not in database.path.read_bytes() and b"h.example" not in database.path.read_bytes()
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600


async def test_what_is_removed_is_gone(database: Database, tmp_path: Path) -> None:
    await database.open()
    async with database.change(AuditEntry(SYSTEM, "feed.delete", "main")) as connection:
        await remove(connection, "feeds", "main")
    await database.close()
    assert read_stored(tmp_path) == {}


async def test_without_the_key_nothing_starts(database: Database, tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    held = key.read_bytes()
    key.unlink()
    with pytest.raises(StateError, match="missing"):
        read_stored(tmp_path)
    Seal(tmp_path).close(b"")
    with pytest.raises(StateError, match="not the one"):
        read_stored(tmp_path)
    key.write_bytes(b"junk")
    with pytest.raises(StateError, match="not the one"):
        read_stored(tmp_path)
    key.write_bytes(held)
    assert "feeds" in read_stored(tmp_path)


async def test_rows_that_change_places_are_found(database: Database, tmp_path: Path) -> None:
    changed(database, "UPDATE declared SET name = 'other'")
    with pytest.raises(StateError, match="altered"):
        read_stored(tmp_path)


async def test_the_key_is_made_once(tmp_path: Path) -> None:
    sealed_before = Seal(tmp_path).close(b"x")
    Seal(tmp_path).close(b"y")
    assert Seal(tmp_path).open(sealed_before) == b"x"


async def test_a_key_that_others_may_read_is_complained_of(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret.key").chmod(0o644)
    assert read_stored(tmp_path) and "set its mode to 0600" in caplog.text


def test_a_folder_without_a_database_has_nothing_stored(tmp_path: Path) -> None:
    assert read_stored(tmp_path / "nothing") == {}
    (tmp_path / "state.sqlite").write_bytes(b"junk" * 1000)
    assert read_stored(tmp_path) == {}


async def test_a_database_of_the_schema_before_has_nothing_stored(database: Database, tmp_path: Path) -> None:
    changed(database, "DROP TABLE declared")
    assert read_stored(tmp_path) == {}


async def test_a_database_that_is_locked_is_no_empty_one(database: Database, tmp_path: Path) -> None:
    """Nothing read is not nothing stored: the server would start without those feeds."""
    other = sqlite3.connect(database.path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateError, match="locked"):
        read_stored(tmp_path, wait_s=0.1)
    other.close()
