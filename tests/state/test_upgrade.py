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
from proxy.state.errors import StateError
from proxy.state.tables import metadata
from proxy.state.upgrade import MIGRATIONS, migrate, upgrade
from tests.support.clock import START

ROW = ("up", "", "demo", b"payload")

NEXT = """
import os, signal
from alembic import op
revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None

def upgrade() -> None:
    op.execute("CREATE TABLE extra (a INTEGER)")
    op.execute("UPDATE sightings SET payload = x'00'")
    {then}
"""


def migrations_with(folder: Path, then: str) -> Path:
    """Return a copy of the migrations with one more, which ends with the statement."""
    copied = folder / "migrations"
    shutil.copytree(MIGRATIONS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    (copied / "versions" / "m0002_next.py").write_text(NEXT.format(then=then))
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


TABLES = ["alembic_version", "owners", "sightings", "snapshots"]


def test_fresh_schema_is_what_the_migrations_make_and_what_the_tables_say(tmp_path: Path) -> None:
    fresh.make(tmp_path / "fresh")
    migrate(tmp_path / "migrated")
    columns = []
    for name in ("fresh", "migrated"):
        connection = sqlite3.connect(tmp_path / name)
        columns.append(
            {table: connection.execute(f"PRAGMA table_info({table})").fetchall() for table in TABLES}
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
    copy = upgrade(path, "0001", START, to="0002", migrations=migrations_with(tmp_path, "pass"))
    assert copy.name == "state.sqlite.before-0001-20261102T090000Z"
    assert content(copy) == ("0001", TABLES, [ROW])
    assert content(path) == ("0002", sorted([*TABLES, "extra"]), [(*ROW[:3], b"\0")])


def test_a_migration_that_fails_leaves_the_old_database(path: Path, tmp_path: Path) -> None:
    broken = migrations_with(tmp_path, "op.execute('SELECT * FROM nowhere')")
    with pytest.raises(StateError, match="nowhere"):
        upgrade(path, "0001", START, to="0002", migrations=broken)
    assert content(path) == ("0001", TABLES, [ROW])


async def test_a_kill_in_a_migration_leaves_the_old_database(path: Path, tmp_path: Path) -> None:
    deadly = migrations_with(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    script = (
        "import sys, pathlib; from proxy.state.upgrade import migrate; "
        "migrate(pathlib.Path(sys.argv[1]), '0002', pathlib.Path(sys.argv[2]))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path), str(deadly))
    assert await asyncio.wait_for(child.wait(), 30) == -signal.SIGKILL
    assert content(path) == ("0001", TABLES, [ROW])
