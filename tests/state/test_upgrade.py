"""An older database is copied, then migrated in one transaction (F06)."""

import asyncio
import shutil
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from proxy.state import fresh
from proxy.state.database import Database
from proxy.state.errors import StateError
from proxy.state.tables import metadata
from proxy.state.upgrade import MIGRATIONS, migrate, upgrade
from tests.support.clock import START, FakeClock
from tests.support.length import sized

#: What each released schema was, with rows.
RELEASED = Path(__file__).parent.parent / "data" / "state"

#: Upgrades and is gone before the N-th statement.
KILLED_AT = """
import os, pathlib, signal, sqlite3, sys
from proxy.state.upgrade import migrate
from sqlalchemy import Engine, event

count = 0

@event.listens_for(Engine, "before_cursor_execute")
def killed(*_):
    global count
    count += 1
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

migrate(pathlib.Path(sys.argv[1]))
"""

#: Opens the folder as a start does, and is gone at the N-th of a call.
STARTED_AND_KILLED_AT = """
import asyncio, os, pathlib, sys
from proxy.state.database import Database
from tests.faults.killer import Killer
from tests.support.clock import FakeClock

folder, call, number = sys.argv[1:]
killer = Killer(call, int(number))
setattr(os, call, killer.around(call, getattr(os, call)))
asyncio.run(Database(pathlib.Path(folder), FakeClock()).open())
"""

ROW = ("up", "", "demo", b"payload")

NEXT = """
import os, signal
from alembic import op
revision, down_revision, branch_labels, depends_on = "next", "0003", None, None

def upgrade() -> None:
    op.execute("CREATE TABLE extra (a INTEGER)")
    op.execute("UPDATE sightings SET payload = x'00'")
    {then}
"""


def migrations_with(folder: Path, then: str) -> Path:
    """Return a copy of the migrations with one more, which ends with the statement."""
    copied = folder / "migrations"
    shutil.copytree(MIGRATIONS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "versions" / "m9999_next.py").write_text(NEXT.format(then=then))
    return copied


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "state.sqlite"
    fresh.make(file)
    connection = sqlite3.connect(file)
    connection.execute("INSERT INTO sightings VALUES (?, ?, ?, ?)", ROW)
    connection.commit()
    connection.close()
    return file


def content(path: Path) -> tuple[str, list[str], list[tuple[object, ...]]]:
    """Return the revision, the tables and the rows."""
    connection = sqlite3.connect(path)
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
    rows = connection.execute("SELECT * FROM sightings").fetchall()
    connection.close()
    return revision, sorted(tables), rows


TABLES = sorted(["alembic_version", "sqlite_sequence", *metadata.tables])


def test_fresh_schema_is_what_the_migrations_make_and_what_the_tables_say(tmp_path: Path) -> None:
    fresh.make(tmp_path / "fresh")
    migrate(tmp_path / "migrated")
    columns = []
    for name in ("fresh", "migrated"):
        connection = sqlite3.connect(tmp_path / name)
        made = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') ORDER BY 1, 2"
        columns.append(
            {table: connection.execute(f"PRAGMA table_info({table})").fetchall() for table in TABLES}
            | {"others": connection.execute(made).fetchall()}
        )
        connection.close()
    assert columns[0] == columns[1] and content(tmp_path / "migrated")[:2] == (fresh.HEAD, TABLES)
    engine = create_engine(f"sqlite:///{tmp_path / 'fresh'}")
    with engine.connect() as opened:
        assert compare_metadata(MigrationContext.configure(opened), metadata) == []
    engine.dispose()


def test_the_program_knows_every_revision_of_its_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    found = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(reversed(found)) == list(fresh.REVISIONS)


def test_the_old_database_is_kept_as_a_copy(path: Path, tmp_path: Path) -> None:
    copy = upgrade(path, fresh.HEAD, START, to="next", migrations=migrations_with(tmp_path, "pass"))
    assert copy.name == f"state.sqlite.before-{fresh.HEAD}-20261102T090000Z"
    assert content(copy) == (fresh.HEAD, TABLES, [ROW])
    assert content(path) == ("next", sorted([*TABLES, "extra"]), [(*ROW[:3], b"\0")])


def test_a_migration_that_fails_leaves_the_old_database(path: Path, tmp_path: Path) -> None:
    broken = migrations_with(tmp_path, "op.execute('SELECT * FROM nowhere')")
    with pytest.raises(StateError, match="nowhere"):
        upgrade(path, fresh.HEAD, START, to="next", migrations=broken)
    assert content(path) == (fresh.HEAD, TABLES, [ROW])


async def test_a_kill_in_a_migration_leaves_the_old_database(path: Path, tmp_path: Path) -> None:
    deadly = migrations_with(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    script = (
        "import sys, pathlib; from proxy.state.upgrade import migrate; "
        "migrate(pathlib.Path(sys.argv[1]), 'next', pathlib.Path(sys.argv[2]))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), str(deadly))
    assert await asyncio.wait_for(child.wait(), 30) == -signal.SIGKILL
    assert content(path) == (fresh.HEAD, TABLES, [ROW])


@pytest.fixture(params=sorted(path.name for path in RELEASED.glob("schema-*.sql")))
def released(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database as a released version left it, with rows in each of its tables."""
    file = tmp_path / "released.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript((RELEASED / request.param).read_text())
    connection.close()
    return file


def rows_of(path: Path, tables: list[str]) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
    connection.close()
    return found


def test_every_released_schema_is_upgraded_with_all_its_rows(released: Path) -> None:
    revision, tables, _ = content(released)
    kept = [table for table in tables if table in metadata.tables]
    before = rows_of(released, kept)
    assert all(before.values())
    upgrade(released, revision, START)
    assert content(released)[:2] == (fresh.HEAD, TABLES)
    assert rows_of(released, kept) == before


async def test_killed_at_any_statement_of_an_upgrade_the_next_start_does_it(
    released: Path, tmp_path: Path
) -> None:
    """F06: whichever statement the kill comes at, the old schema is still there, or the new one is, whole."""
    revision, tables, rows = content(released)
    for number in range(1, 1000, sized(5, 1)):
        path = tmp_path / f"killed-{number}" / "state.sqlite"
        path.parent.mkdir()
        shutil.copy(released, path)
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_AT, str(path), str(number))
        status = await asyncio.wait_for(child.wait(), 60)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        assert content(path) == (revision, tables, rows)
        upgrade(path, revision, START)
        assert content(path)[0] == fresh.HEAD and content(path)[2] == rows
    assert number > 3


async def test_killed_at_any_call_for_a_file_the_next_start_upgrades(released: Path, tmp_path: Path) -> None:
    """F06: the copy that is made first included."""
    revision, _, rows = content(released)
    calls = 0
    for call in ("open", "fsync", "rename", "unlink"):
        for number in range(1, 100, sized(2, 1)):
            folder = tmp_path / f"{call}-{number}"
            folder.mkdir()
            shutil.copy(released, folder / "state.sqlite")
            words = (sys.executable, "-c", STARTED_AND_KILLED_AT, str(folder), call, str(number))
            child = await asyncio.create_subprocess_exec(*words)
            if await asyncio.wait_for(child.wait(), 60) == 0:
                break
            calls += 1
            assert content(folder / "state.sqlite")[2] == rows
            database = Database(folder, FakeClock())
            await database.open()
            assert await database.check() == ()
            await database.close()
            assert (
                content(folder / "state.sqlite")[0] == fresh.HEAD
                and content(folder / "state.sqlite")[2] == rows
            )
            copies = list(folder.glob("state.sqlite.before-*"))
            assert all(content(copy)[0] == revision for copy in copies if not copy.name.endswith(".new"))
    assert calls >= sized(3, 5)


def test_what_was_approved_before_bytes_had_to_be_shown_counts_as_it_did(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    migrate(path, "0002")
    connection = sqlite3.connect(path)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(approvals)")]
    told = {"at_ms": 5, "record": b"r", "size": None, "revoked_ms": None, "drift": None}
    for id_, feed, digest, state in (("1", "a", "11", "active"), ("2", "b", "11", "active"),
                                     ("3", "c", "33", "revoked"), ("4", "b", "44", "active")):  # fmt: skip
        row = told | {"id": id_, "feed": feed, "sha256": digest, "state": state, "artifact": id_}
        marks = ", ".join("?" * len(columns))
        connection.execute(f"INSERT INTO approvals VALUES ({marks})", [row.get(name, "") for name in columns])
    connection.commit()
    connection.close()
    migrate(path)
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT feed, sha256, at_ms FROM vaulted ORDER BY 1, 2").fetchall()
    connection.close()
    assert found == [("a", "11", 5), ("b", "11", 5), ("b", "44", 5)]
