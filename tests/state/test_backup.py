"""An archive holds what it says, whole, or is refused as a whole; a restore leaves an empty folder or a full one."""

import asyncio
import hashlib
import io
import sqlite3
import stat
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from proxy.state.archive import ArchiveError, Places, may_hold
from proxy.state.backup import backup
from proxy.state.database import Database
from proxy.state.errors import StateError
from proxy.state.file import StateFile
from proxy.state.fresh import HEAD
from proxy.state.restore import restore
from proxy.state.seal import Seal
from proxy.state.unpack import examine
from tests.support.clock import START
from tests.support.length import sized

BLOBS = [bytes([number]) * (number + 1) * 1000 for number in range(3)]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def places(folder: Path) -> Places:
    state = folder / "data" / "state"
    return Places(state, state / "state.sqlite", folder / "data" / "vault", folder / "config.toml")


@pytest.fixture
def made(tmp_path: Path) -> Places:
    """A data folder with something of everything."""
    there = places(tmp_path / "made")
    StateFile(there.database).prepare()
    connection = sqlite3.connect(there.database)
    connection.execute("INSERT INTO owners VALUES ('f', 'n', 'u', 1)")
    connection.commit()
    connection.close()
    Seal(there.state).close(b"")
    (there.state / "admin.key").write_text("an-admins-key\n")
    assert there.config is not None
    there.config.write_text("# settings\n")
    for blob in BLOBS:
        path = there.vault / digest_of(blob)[:2] / digest_of(blob)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
    (there.vault / "tmp").mkdir()
    (there.vault / "tmp" / "partial").write_bytes(b"x")
    return there


@pytest.fixture
def archive(made: Places, tmp_path: Path) -> Path:
    path = tmp_path / "backup.tar"
    backup(path, made, now=START)
    return path


def content(there: Places) -> dict[str, bytes]:
    """Return every file that counts, and the rows."""
    assert there.config is not None
    found = {path.name: path.read_bytes() for path in there.vault.glob("??/*")}
    found |= {path.name: path.read_bytes() for path in there.state.glob("*.key")} | {
        "c": there.config.read_bytes()
    }
    connection = sqlite3.connect(there.database)
    found["rows"] = repr(connection.execute("SELECT * FROM owners").fetchall()).encode()
    connection.close()
    return found


def test_what_was_backed_up_is_restored(made: Places, archive: Path, tmp_path: Path) -> None:
    there = places(tmp_path / "restored")
    report, is_config_written = restore(archive, there)
    assert (report.files, report.vault, report.schema, is_config_written) == (7, 3, HEAD, True)
    assert content(there) == content(made)
    assert StateFile(there.database).prepare() == HEAD and StateFile(there.database).check() == ()
    assert not (there.vault / "tmp").exists() and not list(there.state.parent.glob(".*"))
    assert Seal(there.state).open(Seal(made.state).close(b"secret")) == b"secret"


def test_an_archive_is_for_its_owner_only_and_stands_alone(archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert [path.name for path in archive.parent.iterdir() if path.is_file()] == ["backup.tar"]


def test_a_backup_is_not_written_over_a_file(made: Places, archive: Path) -> None:
    before = archive.read_bytes()
    with pytest.raises(ArchiveError, match="there already"):
        backup(archive, made, now=START)
    assert archive.read_bytes() == before


def test_without_a_database_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="nothing to back up"):
        backup(tmp_path / "b", places(tmp_path / "none"), now=START)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_database_is_no_backup(made: Places, tmp_path: Path) -> None:
    data = bytearray(made.database.read_bytes())
    data[2 * 4096 : 3 * 4096] = bytes(4096)
    made.database.write_bytes(data)
    with pytest.raises(ArchiveError):
        backup(tmp_path / "b.tar", made, now=START)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_damaged_approved_bytes_are_left_out_and_told(made: Places, tmp_path: Path) -> None:
    rotten = next(iter(sorted(made.vault.glob("??/*"))))
    rotten.write_bytes(b"rot")
    report = backup(tmp_path / "b.tar", made, now=START)
    assert report.left_out == [rotten.name] and report.vault == 2
    there = places(tmp_path / "restored")
    restore(tmp_path / "b.tar", there)
    assert sorted(path.name for path in there.vault.glob("??/*")) == sorted(
        path.name for path in made.vault.glob("??/*") if path != rotten
    )


@pytest.mark.parametrize("which", ["state", "vault"])
def test_a_folder_that_is_not_empty_is_left_alone(archive: Path, tmp_path: Path, which: str) -> None:
    there = places(tmp_path / "used")
    folder = there.state if which == "state" else there.vault
    folder.mkdir(parents=True)
    (folder / "mine").write_text("x")
    with pytest.raises(ArchiveError, match="not empty"):
        restore(archive, there)
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_settings_that_are_there_stay(archive: Path, tmp_path: Path) -> None:
    there = places(tmp_path / "restored")
    assert there.config is not None
    there.config.parent.mkdir()
    there.config.write_text("# mine\n")
    assert restore(archive, there)[1] is False
    assert there.config.read_text() == "# mine\n"


def test_a_database_elsewhere_is_put_there(made: Places, archive: Path, tmp_path: Path) -> None:
    there = places(tmp_path / "restored")
    there = replace(there, database=tmp_path / "else" / "where.db")
    restore(archive, there)
    assert content(there) == content(made) and not (there.state / "state.sqlite").exists()


# -- archives that are not what they should be

Change = Callable[[list[tuple[str, bytes]]], None]


def rewritten(archive: Path, change: Change) -> None:
    """Write the archive again with other members."""
    with tarfile.open(archive) as tar:
        members = [(member.name, (tar.extractfile(member) or io.BytesIO()).read()) for member in tar]
    change(members)
    with tarfile.open(archive, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def refused(archive: Path, tmp_path: Path, words: str) -> None:
    there = places(tmp_path / "restored")
    with pytest.raises(ArchiveError, match=words):
        restore(archive, there)
    assert not there.state.exists() and not there.vault.exists() and not (there.config or Path()).exists()
    assert not list((tmp_path / "restored").rglob("*.sqlite")) if (tmp_path / "restored").exists() else True


def put(place: int, name: str, data: bytes = b"x") -> Change:
    return lambda members: members.insert(place, (name, data))


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "state/../../evil",
        "vault/aa/bb",
        "state/other",
        "config.toml/x",
        "vault/aa/" + "bb" * 32,
    ],
)
def test_what_does_not_belong_into_an_archive_is_refused(archive: Path, tmp_path: Path, name: str) -> None:
    assert not may_hold(name)
    rewritten(archive, put(3, name))
    refused(archive, tmp_path, "no backup holds")


def test_links_and_devices_are_refused(archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive, "a") as tar:
        info = tarfile.TarInfo("config.toml")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    refused(archive, tmp_path, "no backup holds")


def test_a_name_twice_is_refused(archive: Path, tmp_path: Path) -> None:
    rewritten(archive, put(3, "config.toml", b"other"))
    refused(archive, tmp_path, "does not belong|cannot be")


@pytest.mark.parametrize("place", range(1, 8))
def test_a_file_that_is_not_what_the_manifest_says_is_refused(
    archive: Path, tmp_path: Path, place: int
) -> None:
    def change(members: list[tuple[str, bytes]]) -> None:
        name, data = members[place]
        members[place] = name, bytes([data[0] ^ 1]) + data[1:]

    rewritten(archive, change)
    refused(archive, tmp_path, "is damaged")


def test_a_file_that_is_missing_is_refused(archive: Path, tmp_path: Path) -> None:
    rewritten(archive, lambda members: members.pop(2) and None)
    refused(archive, tmp_path, "is damaged")


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.97])
def test_an_archive_that_is_cut_off_is_refused(archive: Path, tmp_path: Path, part: float) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data.rstrip(b"\0")) * part)])
    refused(archive, tmp_path, "no backup|cut off|damaged|cannot be")


def test_a_newer_schema_is_refused_in_words(archive: Path, tmp_path: Path) -> None:
    def change(members: list[tuple[str, bytes]]) -> None:
        head = msgspec.json.decode(members[0][1])
        members[0] = members[0][0], msgspec.json.encode(head | {"schema": "9999", "version": "9.9"})

    rewritten(archive, change)
    refused(archive, tmp_path, "written by feedgate 9.9 with schema 9999; this program knows up to")


async def test_an_older_schema_is_upgraded_by_the_next_start(made: Places, tmp_path: Path) -> None:
    released = Path(__file__).parent.parent / "data" / "state" / "schema-0001.sql"
    made.database.unlink()
    connection = sqlite3.connect(made.database)
    connection.executescript(released.read_text())
    connection.close()
    backup(tmp_path / "old.tar", made, now=START)
    there = places(tmp_path / "restored")
    assert restore(tmp_path / "old.tar", there)[0].schema == "0001"
    from tests.support.clock import FakeClock

    database = Database(there.state, FakeClock())
    await database.open()
    assert await database.check() == ()
    await database.close()


def test_junk_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    refused(tmp_path / "junk", tmp_path, "no backup")
    refused(tmp_path / "gone", tmp_path, "no file")


def test_an_examined_archive_is_as_it_was_written(archive: Path) -> None:
    head, manifest = examine(archive)
    assert (head.created, head.schema, len(manifest.files)) == ("2026-11-02T09:00:00Z", HEAD, 7)


def test_a_restored_state_is_not_silently_begun_anew(archive: Path, tmp_path: Path) -> None:
    there = places(tmp_path / "restored")
    restore(archive, there)
    StateFile(there.database).prepare()
    there.database.unlink()
    with pytest.raises(StateError):
        StateFile(there.database).prepare()


async def test_a_restore_that_was_killed_leaves_no_half_state(archive: Path, tmp_path: Path) -> None:
    """At any rename or sync: there is no state, or all of it; and what to do is said."""
    script = (
        "import os, pathlib, sys; from tests.faults.killer import Killer; from proxy.state.archive import Places;"
        "from proxy.state.restore import restore; archive, folder, call, when = sys.argv[1:];"
        "killer = Killer(call, int(when)); setattr(os, call, killer.around(call, getattr(os, call)));"
        "base = pathlib.Path(folder); state = base / 'data' / 'state';"
        "restore(pathlib.Path(archive), Places(state, state / 'state.sqlite', base / 'data' / 'vault', base / 'c'))"
    )
    kills = 0
    for call in ("rename", "fsync"):
        for when in range(1, 40, sized(4, 1)):
            there = places(tmp_path / f"{call}-{when}")
            words = (
                sys.executable,
                "-c",
                script,
                str(archive),
                str(tmp_path / f"{call}-{when}"),
                call,
                str(when),
            )
            child = await asyncio.create_subprocess_exec(*words)
            if await asyncio.wait_for(child.wait(), 60) == 0:
                break
            kills += 1
            if there.database.exists():
                assert (
                    len(list(there.vault.glob("??/*"))) == len(BLOBS)
                    and StateFile(there.database).check() == ()
                )
            elif there.vault.exists():
                with pytest.raises(ArchiveError, match="cut off: delete"):
                    restore(archive, there)
            else:
                restore(archive, there)
    assert kills >= 3
