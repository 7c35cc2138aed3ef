"""The notes and the strict disk below them (B08; reliability, section 0, items 1-3)."""

import asyncio
import pickle
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import diskcache
import pytest

from proxy.artifacts.disk import MAX_VALUE_BYTES, RefusedError, StrictDisk
from proxy.artifacts.notes import Notes
from proxy.model.clock import SystemClock
from proxy.model.tally import Tally
from tests.support.clock import FakeClock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "notes"


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
async def notes(folder: Path, tally: Tally) -> AsyncIterator[Notes]:
    notes = Notes(folder, SystemClock(), tally=tally)
    await notes.start()
    yield notes
    await notes.close()


async def test_a_note_comes_back(notes: Notes) -> None:
    await notes.set("a/1", b"one")
    await notes.set("a/2", b"")
    await notes.set("b/1", bytes(range(256)) * 1000)
    assert await notes.get("a/1") == b"one"
    assert await notes.get("a/2") == b""
    assert await notes.get("b/1") == bytes(range(256)) * 1000
    assert await notes.get("c") is None
    assert await notes.keys("a/") == ["a/1", "a/2"]


async def test_a_note_is_replaced_and_deleted(notes: Notes) -> None:
    await notes.set("k", b"one")
    await notes.set("k", b"two")
    assert await notes.get("k") == b"two"
    await notes.delete("k")
    await notes.delete("never there")
    assert await notes.get("k") is None
    assert await notes.keys() == []


async def test_a_note_expires_by_the_injected_clock(folder: Path) -> None:
    clock = FakeClock()
    notes = Notes(folder, clock)
    await notes.set("k", b"v", expire_s=60)
    clock.advance(59)
    assert await notes.get("k") == b"v"
    clock.advance(2)
    assert await notes.get("k") is None
    await notes.close()


async def test_notes_survive_a_restart(folder: Path) -> None:
    first = Notes(folder, SystemClock())
    await first.set("k", b"v")
    await first.close()
    second = Notes(folder, SystemClock())
    assert await second.get("k") == b"v"
    await second.close()


async def test_a_wiped_folder_is_harmless(folder: Path) -> None:
    first = Notes(folder, SystemClock())
    await first.set("k", b"v")
    await first.close()
    shutil.rmtree(folder)
    second = Notes(folder, SystemClock())
    assert await second.get("k") is None
    await second.set("k", b"w")
    assert await second.get("k") == b"w"
    await second.close()


async def test_a_note_that_is_too_large_is_not_remembered_and_forgets_the_old_one(
    notes: Notes, tally: Tally
) -> None:
    await notes.set("k", b"small")
    await notes.set("k", bytes(MAX_VALUE_BYTES + 1))
    assert await notes.get("k") is None
    assert tally.of("notes", "too-large") == 1


async def test_values_never_lie_in_files_of_their_own(notes: Notes, folder: Path) -> None:
    await notes.set("k", bytes(MAX_VALUE_BYTES))
    assert await notes.get("k") == bytes(MAX_VALUE_BYTES)
    assert {path.name for path in folder.iterdir()} <= {"cache.db", "cache.db-journal"}


async def test_many_notes_taken_at_once_are_all_there(notes: Notes) -> None:
    await asyncio.gather(*(notes.set(f"k{number}", b"%d" % number) for number in range(200)))
    assert await asyncio.gather(*(notes.get(f"k{number}") for number in range(200))) == [
        b"%d" % number for number in range(200)
    ]


# -- damage (B08)


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def change(folder: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(folder / "cache.db")
    with database:
        database.execute(statement, values)
    database.close()


def plant_pickle(folder: Path, outside: Path) -> None:
    change(folder, "UPDATE Cache SET mode = 4, value = ?", pickle.dumps(Bomb(outside / "hit")))


def plant_pickled_key(folder: Path, outside: Path) -> None:
    change(folder, "UPDATE Cache SET raw = 0, key = ?", pickle.dumps(Bomb(outside / "hit")))


def plant_absolute_name(folder: Path, outside: Path) -> None:
    change(folder, "UPDATE Cache SET mode = 2, value = NULL, filename = ?", str(outside / "precious"))


def plant_relative_name(folder: Path, outside: Path) -> None:
    change(folder, "UPDATE Cache SET mode = 2, value = NULL, filename = '../../outside/precious'")


def plant_text(folder: Path, outside: Path) -> None:
    change(folder, "UPDATE Cache SET value = 'text'")


def plant_pragma(folder: Path, outside: Path) -> None:
    change(folder, "UPDATE Settings SET value = 'wal' WHERE key = 'sqlite_journal_mode'")


def plant_trigger(folder: Path, outside: Path) -> None:
    change(folder, "CREATE TRIGGER more AFTER INSERT ON Cache BEGIN DELETE FROM Settings; END")


def lose_settings(folder: Path, outside: Path) -> None:
    change(folder, "DROP TABLE Settings")


def change_columns(folder: Path, outside: Path) -> None:
    change(folder, "DROP TABLE Cache")
    change(folder, "CREATE TABLE Cache (key)")


def truncate(folder: Path, outside: Path) -> None:
    path = folder / "cache.db"
    path.write_bytes(path.read_bytes()[:5000])


def scribble(folder: Path, outside: Path) -> None:
    path = folder / "cache.db"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def replace_with_noise(folder: Path, outside: Path) -> None:
    (folder / "cache.db").write_bytes(b"no database at all" * 1000)


def replace_with_folder(folder: Path, outside: Path) -> None:
    (folder / "cache.db").unlink()
    (folder / "cache.db").mkdir()


def replace_with_link(folder: Path, outside: Path) -> None:
    (folder / "cache.db").rename(outside / "linked")
    (folder / "cache.db").symlink_to(outside / "linked")


def replace_folder_with_link(folder: Path, outside: Path) -> None:
    folder.rename(outside / "moved")
    folder.symlink_to(outside / "moved")


def replace_folder_with_file(folder: Path, outside: Path) -> None:
    shutil.rmtree(folder)
    folder.write_bytes(b"x")


DAMAGES: list[Callable[[Path, Path], None]] = [
    plant_pickle,
    plant_pickled_key,
    plant_absolute_name,
    plant_relative_name,
    plant_text,
    plant_pragma,
    plant_trigger,
    lose_settings,
    change_columns,
    truncate,
    scribble,
    replace_with_noise,
    replace_with_folder,
    replace_with_link,
    replace_folder_with_link,
    replace_folder_with_file,
]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_bytes(b"precious")
    return outside


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_database_is_rebuilt_and_nothing_outside_is_touched(
    folder: Path, outside: Path, damage: Callable[[Path, Path], None]
) -> None:
    first = Notes(folder, SystemClock())
    await first.set("k", b"v")
    await first.close()
    await asyncio.to_thread(damage, folder, outside)
    second = Notes(folder, SystemClock())
    begun = time.monotonic()
    await second.start()
    found = await second.get("k")
    await second.set("k", b"w")
    assert await second.get("k") == b"w"
    assert time.monotonic() - begun < 5
    await second.close()
    # Without its settings the rest of the database is as good as before.
    assert found is None or damage is lose_settings
    assert (outside / "precious").read_bytes() == b"precious"
    assert not (outside / "hit").exists()


@pytest.mark.parametrize("damage", [plant_pickle, plant_absolute_name, plant_text, lose_settings])
async def test_damage_under_a_running_server_is_cured_too(
    notes: Notes, folder: Path, outside: Path, damage: Callable[[Path, Path], None], tally: Tally
) -> None:
    await notes.set("k", b"v")
    await asyncio.to_thread(damage, folder, outside)
    assert await notes.get("k") in (None, b"v")
    await notes.set("k", b"w")
    await notes.set("other", b"x")
    assert await notes.get("k") == b"w"
    assert await notes.get("other") == b"x"
    assert (outside / "precious").read_bytes() == b"precious"
    assert not (outside / "hit").exists()


@pytest.mark.parametrize("damage", [plant_pickle, plant_pickled_key, plant_absolute_name, plant_text])
async def test_a_planted_row_is_found_before_anybody_asks_for_it(
    folder: Path, outside: Path, damage: Callable[[Path, Path], None], tally: Tally
) -> None:
    first = Notes(folder, SystemClock())
    await first.set("planted", b"v")
    await first.close()
    await asyncio.to_thread(damage, folder, outside)
    second = Notes(folder, SystemClock(), tally=tally)
    assert await second.get("another") is None
    assert tally.of("notes", "rebuilt") == 1
    assert await second.keys() == []
    await second.close()


async def test_a_rotten_value_is_a_missing_note(notes: Notes, folder: Path) -> None:
    await notes.set("k", b"some value")
    await notes.set("l", b"other value")
    row = "SELECT value FROM Cache WHERE key = 'l'"
    await asyncio.to_thread(change, folder, f"UPDATE Cache SET value = ({row}) WHERE key = 'k'")
    assert await notes.get("k") is None
    assert await notes.get("l") == b"other value"


async def test_a_database_that_somebody_holds_is_left_alone(notes: Notes, folder: Path) -> None:
    await notes.set("k", b"v")
    other = sqlite3.connect(folder / "cache.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert await notes.get("k") is None
    await notes.set("k", b"w")
    other.execute("ROLLBACK")
    assert other.execute("SELECT count(*) FROM Cache").fetchone() == (1,)
    other.close()


def test_the_strict_disk_confines_file_names(tmp_path: Path, outside: Path) -> None:
    disk = StrictDisk(str(tmp_path / "d"), min_file_size=0)
    good = "ab/cd/" + "0" * 28 + ".val"
    (tmp_path / "d" / "ab" / "cd").mkdir(parents=True)
    (tmp_path / "d" / good).write_bytes(b"v")
    mode = diskcache.core.MODE_BINARY
    assert disk.fetch(mode, good, None, False) == b"v"
    for name in (str(outside / "precious"), "../outside/precious", "ab/../../outside/precious", "", None, 5):
        with pytest.raises(RefusedError):
            disk.fetch(mode, name, None, False)
        with pytest.raises(RefusedError):
            disk.remove(name)
    (tmp_path / "d" / "ee").mkdir()
    (tmp_path / "d" / "ee" / "ff").symlink_to(outside)
    linked = "ee/ff/" + "1" * 28 + ".val"
    (outside / ("1" * 28 + ".val")).write_bytes(b"not ours")
    with pytest.raises(RefusedError):
        disk.fetch(mode, linked, None, False)
    with pytest.raises(RefusedError):
        disk.remove(linked)
    (tmp_path / "d" / good).unlink()
    (tmp_path / "d" / good).symlink_to(outside / "precious")
    with pytest.raises(OSError, match="symbolic"):
        disk.fetch(mode, good, None, False)
    disk.remove(good)
    assert (outside / "precious").read_bytes() == b"precious"


def test_the_strict_disk_takes_text_keys_and_bytes_values_only(tmp_path: Path) -> None:
    disk = StrictDisk(str(tmp_path), min_file_size=100)
    for key in (b"k", 1, 1.5, None, ("k",)):
        with pytest.raises(RefusedError):
            disk.put(key)
    for value in ("v", 1, None, bytearray(b"v"), {"v": 1}):
        with pytest.raises(RefusedError):
            disk.store(value, False)
    for mode in (0, 3, 4):
        with pytest.raises(RefusedError):
            disk.fetch(mode, None, b"v", False)
    with pytest.raises(RefusedError):
        disk.get("k", 0)


# -- a disk that refuses

PROGRAM = """
import asyncio, resource, sys
from pathlib import Path
from proxy.artifacts.notes import Notes
from proxy.model.clock import SystemClock

async def main(how):
    folder = Path("mnt/notes")
    import subprocess
    notes = Notes(folder, SystemClock())
    if how == "read-only at start":
        subprocess.run(["mount", "-o", "remount,ro", "mnt"], check=True)
    await notes.set("before", b"v")
    if how == "full":
        try:
            with open("mnt/filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
        except OSError:
            pass
    for number in range(300):
        await notes.set(f"k{number}", bytes(2000))
        assert await notes.get(f"k{number}") in (None, bytes(2000))
    await notes.set("before", bytes(100_000))
    assert await notes.get("before") is None
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("cpu", used.ru_utime + used.ru_stime)
    print("files", sorted(path.name for path in folder.rglob("*")) if folder.exists() else [])
    await notes.close()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("how", ["read-only at start", "full"])
def test_a_disk_that_refuses_means_not_remembered_without_spinning(tmp_path: Path, how: str) -> None:
    (tmp_path / "mnt").mkdir()
    script = 'mount -t tmpfs -o size=1m none mnt && exec "$0" -c "$1" "$2"'
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, sys.executable, PROGRAM, how],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = dict(line.split(" ", 1) for line in result.stdout.splitlines())
    # Starting the interpreter and three hundred notes; a spinning retry would burn until the time limit.
    assert float(report["cpu"]) < 10
    assert ".val" not in report["files"]
