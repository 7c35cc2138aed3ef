"""The start is refused, with steps, whenever the state is in doubt; no empty one takes its place (B09)."""

import asyncio
import errno
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from proxy.state.approvals import Approvals
from proxy.state.database import Database
from proxy.state.errors import StateError
from proxy.state.file import StateFile
from proxy.state.fresh import HEAD, REVISIONS
from proxy.state.keys import Keys
from proxy.state.lock import StateLock
from proxy.state.upgrade import migrate
from tests.faults.process import ROOT
from tests.support.clock import FakeClock


@pytest.fixture
def made(tmp_path: Path) -> StateFile:
    file = StateFile(tmp_path / "state" / "state.sqlite")
    file.prepare()
    return file


def refused(file: StateFile) -> StateError:
    """Return why the start is refused; the folder is unchanged by that."""
    before = {path.name: path.read_bytes() for path in file.path.parent.iterdir() if path.is_file()}
    with pytest.raises(StateError) as caught:
        file.prepare()
    after = {path.name: path.read_bytes() for path in file.path.parent.iterdir() if path.is_file()}
    assert after == before
    return caught.value


def test_a_new_folder_gets_a_database_in_rollback_mode(made: StateFile) -> None:
    with sqlite3.connect(made.path) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    assert mode != "wal" and made.marker.exists() and made.check() == ()


def test_a_second_start_changes_nothing(made: StateFile) -> None:
    before = made.path.read_bytes()
    assert made.prepare() == HEAD
    assert made.path.read_bytes() == before


def test_a_lost_database_is_not_made_anew(made: StateFile) -> None:
    made.path.unlink()
    error = refused(made)
    assert "missing" in error.what and any("backup" in step for step in error.steps)
    assert not made.path.exists()


def test_a_lost_database_with_its_journal_left_is_not_made_anew(made: StateFile) -> None:
    made.marker.unlink()
    made.path.rename(made.path.with_name("state.sqlite-journal"))
    assert "missing" in refused(made).what


def test_a_new_beginning_takes_deleting_the_marker_too(made: StateFile) -> None:
    made.path.unlink()
    made.marker.unlink()
    assert made.prepare() == HEAD


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000])
def test_a_file_that_is_no_database_is_refused(made: StateFile, damage: bytes) -> None:
    made.path.write_bytes(damage)
    assert "damaged" in refused(made).what


def test_damaged_pages_are_refused(made: StateFile) -> None:
    data = bytearray(made.path.read_bytes())
    data[4096:12288] = b"\xff" * 8192
    made.path.write_bytes(data)
    assert "damaged" in refused(made).what


def test_damage_where_a_start_reads_nothing_is_found_by_looking_at_every_page(made: StateFile) -> None:
    rows = [("up", "", f"name-{number:05}", bytes(200)) for number in range(2000)]
    with closing(sqlite3.connect(made.path)) as connection:
        connection.executemany("INSERT INTO sightings VALUES (?, ?, ?, ?)", rows)
        connection.commit()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'sightings'").fetchone()
    data = bytearray(made.path.read_bytes())
    pages = range(size, len(data), size)
    # The last leaf that holds only such rows: the schema, its version and all other tables stay sound.
    at = max(
        page for page in pages if page != (root - 1) * size and data[page : page + size].count(b"name-") > 3
    )
    data[at + 8 : at + size // 2] = b"\xff" * (size // 2 - 8)
    made.path.write_bytes(data)
    with closing(sqlite3.connect(made.path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    assert "is damaged" in refused(made).what


def test_a_cut_off_file_is_refused(made: StateFile) -> None:
    made.path.write_bytes(made.path.read_bytes()[:5000])
    assert "damaged" in refused(made).what


@pytest.mark.parametrize("kind", ["directory", "symlink", "dangling"])
def test_what_is_no_plain_file_is_refused(made: StateFile, kind: str) -> None:
    elsewhere = made.path.with_name("elsewhere")
    shutil.copy(made.path, elsewhere)
    made.path.unlink()
    if kind == "directory":
        made.path.mkdir()
    else:
        made.path.symlink_to(elsewhere if kind == "symlink" else "nowhere")
    assert "not a plain file" in refused(made).what


def test_a_newer_schema_is_refused_and_left_alone(made: StateFile) -> None:
    connection = sqlite3.connect(made.path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    assert "'9999'" in refused(made).what


def test_a_foreign_database_is_refused(made: StateFile) -> None:
    made.path.unlink()
    connection = sqlite3.connect(made.path)
    connection.execute("CREATE TABLE other (a)")
    connection.close()
    assert "alembic_version" in refused(made).what


def test_a_locked_database_is_refused_after_a_while(made: StateFile) -> None:
    holder = sqlite3.connect(made.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert "locked" in refused(StateFile(made.path, lock_wait_s=0.05)).what
    finally:
        holder.close()


def test_the_whole_check_tells_what_is_damaged_while_the_server_runs(made: StateFile) -> None:
    assert made.check() == ()
    data = bytearray(made.path.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    made.path.write_bytes(data)
    assert made.check() != ()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StateError, match="cannot be used"):
        StateFile(tmp_path / "file" / "state.sqlite").prepare()


@pytest.mark.parametrize("url", [None, "sqlite:///elsewhere/x.db"])
async def test_temps_of_killed_starts_are_swept_and_nothing_else_is(tmp_path: Path, url: str | None) -> None:
    database = Database(tmp_path / "state", FakeClock(), url=url)
    await database.open()
    await database.close()
    folder, name = database.path.parent, database.path.name
    temps = [
        *(
            tmp_path / "state" / f".{each}.new"
            for each in ("server.json", "reload.json", "admin.key", "secret.key")
        ),
        *(tmp_path / "state" / each for each in ("server.json.new", "x.tmp")),
        *(folder / f"{name}{each}" for each in (".new", ".new-journal", ".before-0001-20261102T090000Z.new")),
    ]
    kept = [
        folder / f"{name}.before-0001-20261102T090000Z",
        folder / "mine.new",
        folder / ".mine",
        folder / f"{name}.bak",
    ]
    (tmp_path / "state" / ".a.new").mkdir()
    for path in (*temps, *kept):
        path.write_bytes(b"x")
    with pytest.raises(StateError):
        await held_elsewhere(database, tmp_path / "state")
    assert all(path.exists() for path in temps)
    await database.open()
    await database.close()
    assert not any(path.exists() for path in temps)
    assert all(path.exists() for path in kept)


async def held_elsewhere(database: Database, folder: Path) -> None:
    """Try to open it while another process has the folder: what it writes there is not ours to remove."""
    lock = StateLock(folder)
    lock.acquire()
    try:
        await database.open()
    finally:
        lock.release()


async def test_a_start_does_not_pay_for_sqlalchemy(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys; from proxy.state.database import Database; "
        "from proxy.state.sightings import Sightings; from proxy.state.owners import Owners; "
        "from proxy.model.clock import SystemClock; "
        "asyncio.run(Database(pathlib.Path(sys.argv[1]), SystemClock()).open()); "
        "sys.exit('sqlalchemy' in sys.modules or 'alembic' in sys.modules)"
    )
    for _ in ("fresh", "again"):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(tmp_path))
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_rows_are_not_given_before_the_database_is_open(tmp_path: Path) -> None:
    with pytest.raises(StateError):
        await Database(tmp_path, FakeClock()).rows()


@pytest.mark.parametrize("url", ["postgresql://h/db", "sqlite:relative"])
def test_other_databases_are_refused_by_name(tmp_path: Path, url: str) -> None:
    with pytest.raises(StateError, match="SQLite"):
        Database(tmp_path, FakeClock(), url=url)


def test_the_database_may_lie_elsewhere(tmp_path: Path) -> None:
    assert Database(tmp_path, FakeClock(), url=f"sqlite:///{tmp_path}/x.db").path == tmp_path / "x.db"
    assert Database(tmp_path, FakeClock(), url="sqlite:///x.db").path == tmp_path / "x.db"


def test_a_lock_tells_its_holder_also_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without room for its own number it keeps nobody else's."""
    (tmp_path / "lock").write_text("4194304\n")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    lock = StateLock(tmp_path)
    lock.acquire()
    lock.release()
    assert (tmp_path / "lock").read_bytes() == b""
    assert "No space left" in caplog.text


def test_a_lock_that_finds_no_room_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("proxy.state.lock.os.open", full)
    with pytest.raises(StateError, match="No space left") as refused:
        StateLock(tmp_path).acquire()
    assert "make room" in str(refused.value)


def test_a_marker_that_cannot_be_written_is_written_by_the_next_start(
    made: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.marker.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(
            Path, "write_text", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        assert made.prepare() == HEAD
    assert not made.marker.exists()
    made.prepare()
    assert made.marker.exists()


ALTERED = {
    "DROP TABLE keys": "it has no table keys",
    "DROP TABLE audit": "it has no table audit",
    "DROP TABLE sightings": "it has no table sightings",
    "DROP TRIGGER audit_keeps_rows": "it has no trigger audit_keeps_rows",
    "DROP INDEX approvals_active": "it has no index approvals_active",
    "ALTER TABLE approvals DROP COLUMN drift": "its table approvals is another one",
    "ALTER TABLE owners RENAME COLUMN upstream TO origin": "its table owners is another one",
}


@pytest.mark.parametrize("statement", ALTERED)
def test_a_database_that_is_not_of_its_revision_is_refused_with_the_steps(
    made: StateFile, statement: str
) -> None:
    with closing(sqlite3.connect(made.path)) as connection:
        connection.execute(statement)
        connection.commit()
    error = refused(made)
    assert ALTERED[statement] in error.what and any("backup" in step for step in error.steps)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_every_revision_is_known_by_its_structure(tmp_path: Path, revision: str) -> None:
    """What is there besides does no harm; what a former revision had under a later one's name does."""
    path = tmp_path / "state.sqlite"
    migrate(path, revision)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (a)")
        connection.execute("ANALYZE")
        connection.commit()
    assert StateFile(path).prepare() == revision
    for later in REVISIONS[REVISIONS.index(revision) + 1 :]:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (later,))
            connection.commit()
        assert f"says that its schema is {later}" in refused(StateFile(path)).what


def test_a_start_on_an_altered_database_ends_in_lines_for_a_person(made: StateFile, tmp_path: Path) -> None:
    with closing(sqlite3.connect(made.path)) as connection:
        connection.execute("DROP TABLE keys")
        connection.commit()
    command = [sys.executable, "-m", "proxy", "serve", "--data-dir", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert ended.returncode == 1
    assert "it has no table keys" in ended.stderr and "1. stop every feedgate" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("INSERT INTO keys VALUES ('i', 'n', x'00', x'00', 1, 'no list', '[]', 0, 1, 'me', NULL, NULL)", "a key"),
        ("INSERT INTO approvals VALUES ('i', 'f', 'pypi', 'n', '1', 'a', 'd', 1, x'00', 's', 'u', 'o', 'p', 1, 'me', "
         "'active', '', NULL, x'c1')", "an approval"),
    ],
)  # fmt: skip
async def test_a_row_that_cannot_be_read_refuses_the_start(
    made: StateFile, statement: str, what: str
) -> None:
    with closing(sqlite3.connect(made.path)) as connection:
        connection.execute(statement)
        connection.commit()
    database = Database(made.path.parent, FakeClock())
    await database.open()
    try:
        with pytest.raises(StateError, match=f"holds {what} that cannot be read") as caught:
            await Keys(database, FakeClock()).load()
            await Approvals(database).load()
        assert any("backup" in step for step in caught.value.steps)
    finally:
        await database.close()
