"""B07, B08: what lies in the cache folder is not what was put there."""

import asyncio
import os
import pickle
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.scene import SDIST, WHEEL, Scene
from tests.support.wheels import wheel

BIG = "big-1.0-py3-none-any.whl"
BIG_BYTES = 6 * 1024 * 1024

Damage = Callable[[Path], object]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def flip_unseen(path: Path) -> None:
    """Rot does not touch the times."""
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(path: Path) -> None:
    path.write_bytes(b"the bytes of another blob" * 1000)


def replace_by(make: Damage) -> Damage:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def link_to_passwd(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def link_to_right_bytes(path: Path) -> None:
    """A link to the very bytes is a link all the same."""
    target = path.parent.parent.parent / "outside"
    target.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(target)


def folder(path: Path) -> None:
    path.mkdir()
    (path / "file").write_bytes(b"x")


DAMAGES: dict[str, Damage] = {
    "flipped bit": flip,
    "flipped bit, same times": flip_unseen,
    "no bytes": lambda path: path.write_bytes(b""),
    "half the bytes": lambda path: os.truncate(path, path.stat().st_size // 2),
    "one byte more": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "swapped": swap,
    "deleted": lambda path: path.unlink(),
    "a symlink elsewhere": replace_by(link_to_passwd),
    "a symlink to the same bytes": link_to_right_bytes,
    "a dangling symlink": replace_by(lambda path: path.symlink_to("nowhere")),
    "a FIFO": replace_by(lambda path: os.mkfifo(path)),
    "a folder": replace_by(folder),
}


def blob_of(scene: Scene, filename: str) -> Path:
    digest = scene.index.file(filename).built.sha256
    return scene.folder / "data/cache/blobs" / digest[:2] / digest


async def stored(scene: Scene, *filenames: str) -> None:
    for filename in filenames:
        assert (await scene.get(scene.path(filename))).status == 200
    await scene.settled()


# -- B07


@pytest.mark.parametrize("is_restarted", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damaged_blob_is_found_and_fetched_again(
    scene: Scene, damage: Damage, is_restarted: bool
) -> None:
    """B07: the client gets the right bytes, the disk gets them back, nothing is followed and nothing hangs."""
    await scene.start()
    # The bytes of a small one are in memory while the server runs, and the disk is not asked.
    damaged = (WHEEL, SDIST) if is_restarted else (WHEEL,)
    await stored(scene, *damaged)
    for filename in damaged:
        await asyncio.to_thread(damage, blob_of(scene, filename))
    if is_restarted:
        await scene.restart()
    async with asyncio.timeout(5):
        for filename in damaged:
            answer = await scene.get(scene.path(filename))
            assert (answer.status, answer.body) == (200, scene.index.file(filename).built.data)
        await scene.settled()
    passwd = Path("/etc/passwd")
    assert passwd.is_file()
    found = blob_of(scene, WHEEL)
    assert found.is_file()
    assert not found.is_symlink()
    assert found.read_bytes() == scene.data
    assert scene.origin.hits(scene.file_path, method="GET") == 2
    if damage is not DAMAGES["deleted"]:
        assert scene.counted("blobs", "damaged") >= 1
        assert f"damaged and will be fetched again: sha256 {found.name}" in scene.log.text


@pytest.mark.parametrize("name", ["flipped bit", "half the bytes", "swapped", "a FIFO"])
async def test_damage_of_a_large_blob_is_found_before_its_last_byte(scene: Scene, name: str) -> None:
    """B07: it leaves while it is verified, so a client may be cut off; the next one gets it whole."""
    scene.index.add(wheel("big", "1.0", payload=BIG_BYTES))
    await scene.start()
    await stored(scene, BIG)
    await asyncio.to_thread(DAMAGES[name], blob_of(scene, BIG))
    await scene.restart()
    async with asyncio.timeout(10):
        first = await scene.get(scene.path(BIG))
        assert (
            not (first.is_complete and first.status == 200) or first.body == scene.index.file(BIG).built.data
        )
        second = await scene.get(scene.path(BIG))
    assert (second.status, second.body) == (200, scene.index.file(BIG).built.data)


@pytest.mark.parametrize("asked", ["bytes=-1000", "bytes=0-99", "bytes=6000000-"])
async def test_range_of_a_damaged_blob_comes_from_the_origin(scene: Scene, asked: str) -> None:
    """B07: nothing of it has left, so nobody needs to be cut off."""
    scene.index.add(wheel("big", "1.0", payload=BIG_BYTES))
    await scene.start()
    await stored(scene, BIG)
    await asyncio.to_thread(flip, blob_of(scene, BIG))
    await scene.restart()
    answer = await scene.get(scene.path(BIG), Range=asked)
    if answer.is_complete:
        assert answer.status == 206
    else:
        # More than 4 KiB of it: they leave while the file is verified.
        assert asked.endswith("-")
    again = await scene.get(scene.path(BIG), Range=asked)
    assert (again.status, again.is_complete) == (206, True)


async def test_whole_cache_may_be_wiped_while_stopped(scene: Scene) -> None:
    """B07, design 4: it costs refetches only."""
    await scene.start()
    await stored(scene, WHEEL, SDIST)
    await scene.auditor.lag.stop()
    await scene.gateway.stop()
    await asyncio.to_thread(wipe, scene.folder / "data/cache")
    await scene.gateway.start()
    assert (await scene.get(scene.page)).status == 200
    await stored(scene, WHEEL)
    assert scene.holds_wheel


def wipe(place: Path) -> None:
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


# -- B08


class Planted:
    """What must never be unpickled."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self._witness,)


def row(
    folder: Path,
    *,
    key: object = "k",
    raw: int = 1,
    mode: int = 1,
    filename: str | None = None,
    value: object,
) -> None:
    """Put a row into the notes' database, in place of every value that is there."""
    database = sqlite3.connect(folder / "cache.db")
    with database:
        database.execute(
            "INSERT INTO Cache (key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, "
            "filename, value) VALUES (?, ?, 0, NULL, 0, 0, NULL, 0, ?, ?, ?)",
            (key, raw, mode, filename, value),
        )
        if key == "k":
            database.execute("UPDATE Cache SET mode = ?, filename = ?, value = ?", (mode, filename, value))
    database.close()


def garbage(folder: Path) -> None:
    (folder / "cache.db").write_bytes(b"garbage" * 5000)


def scratched(folder: Path) -> None:
    """The header stays, the pages do not."""
    path = folder / "cache.db"
    data = bytearray(path.read_bytes())
    data[200:] = bytes(len(data) - 200)
    path.write_bytes(data)


def as_folder(folder: Path) -> None:
    (folder / "cache.db").unlink()
    (folder / "cache.db").mkdir()


def as_link(folder: Path) -> None:
    (folder / "cache.db").unlink()
    (folder / "cache.db").symlink_to("/etc/passwd")


def trigger(folder: Path) -> None:
    database = sqlite3.connect(folder / "cache.db")
    with database:
        database.execute("CREATE TRIGGER t AFTER INSERT ON Cache BEGIN DELETE FROM Cache; END")
    database.close()


NOTES: dict[str, Damage] = {
    "garbage": garbage,
    "empty": lambda folder: (folder / "cache.db").write_bytes(b""),
    "cut": lambda folder: os.truncate(folder / "cache.db", 5000),
    "scratched": scratched,
    "a folder": as_folder,
    "a symlink": as_link,
    "a trigger": trigger,
    "a pickled value": lambda folder: row(folder, mode=4, value=pickle.dumps(Planted(folder.parent / "ran"))),
    "a pickled key": lambda folder: row(
        folder, key=pickle.dumps(Planted(folder.parent / "ran")), raw=0, value=b"x"
    ),
    "an absolute file": lambda folder: row(
        folder, mode=2, filename=str(folder.parent / "victim"), value=None
    ),
    "a file outside": lambda folder: row(folder, mode=2, filename="../victim", value=None),
    "foreign bytes": lambda folder: row(folder, value=b"\x93\x00" * 40),
}


@pytest.mark.parametrize("damage", NOTES.values(), ids=NOTES)
async def test_damaged_notes_are_made_anew_and_nothing_else_is_touched(scene: Scene, damage: Damage) -> None:
    """B08: rebuilt within 5 s; no code runs, no file outside is read, removed or served."""
    await scene.start()
    page = await scene.warm()
    await stored(scene, WHEEL)
    await scene.auditor.lag.stop()
    await scene.gateway.stop()
    notes = scene.folder / "data/cache/notes"
    victim = notes.parent / "victim"
    victim.write_bytes(b"untouched")
    await asyncio.to_thread(damage, notes)
    await scene.gateway.start()
    async with asyncio.timeout(5):
        again = await scene.warm()
        await stored(scene, WHEEL, SDIST)
    assert again.json()["files"] == page.json()["files"]
    assert victim.read_bytes() == b"untouched"
    assert not (notes.parent / "ran").exists()
    # What is remembered now is remembered over the next start.
    asked = scene.origin.hits(scene.page_path)
    await scene.restart()
    await scene.warm()
    assert scene.origin.hits(scene.page_path) == asked
    victim.unlink()
