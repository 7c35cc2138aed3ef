"""What was acknowledged is on disk, whatever happens to the process; one process at a time has the folder."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from proxy.state.database import Database
from proxy.state.errors import AlreadyRunningError, StateError
from proxy.state.lock import StateLock
from tests.support.clock import FakeClock
from tests.support.length import sized


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.state.child", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def opened(folder: Path) -> Database:
    """Open the folder's database as the next start does, and make sure that the file is sound."""
    database = Database(folder, FakeClock())
    await database.open()
    assert await database.check() == ()
    return database


async def test_acknowledged_rows_survive_a_kill(tmp_path: Path) -> None:
    acknowledged = []
    async with child("record", str(tmp_path), "n", "100000") as process:
        for _ in range(sized(25, 1000)):
            acknowledged.append(await line(process))
        process.kill()
    database = await opened(tmp_path)
    rows = await (await database.rows()).sightings("up", "", acknowledged)
    await database.close()
    assert set(rows) == set(acknowledged)


async def test_no_commit_is_lost_when_several_processes_write(tmp_path: Path) -> None:
    await (await opened(tmp_path)).close()
    writers, commits = "abcd"[: sized(2, 4)], sized(60, 2500)
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(child("write", str(tmp_path), name, str(commits)))
            for name in writers
        ]
        assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * len(writers)
    database = await opened(tmp_path)
    names = [f"{name}{number}" for name in writers for number in range(commits)]
    assert len(await (await database.rows()).sightings("up", "", names)) == len(names)
    await database.close()
    connection = sqlite3.connect(database.path)
    assert connection.execute("PRAGMA journal_mode").fetchone() != ("wal",)
    connection.close()


async def test_a_full_disk_refuses_changes_and_reading_goes_on(tmp_path: Path) -> None:
    async with child("fill", str(tmp_path)) as process:
        assert [await line(process) for _ in range(4)] == ["disk-full", "read", "absent", "written"]
    await (await opened(tmp_path)).close()


async def test_a_second_start_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    async with child("hold", str(tmp_path)) as process:
        assert await line(process) == "held"
        with pytest.raises(AlreadyRunningError, match=f"pid {process.pid}"):
            await Database(tmp_path, FakeClock()).open()


async def test_a_refused_start_leaves_the_folder_to_the_next_one(tmp_path: Path) -> None:
    await (await opened(tmp_path)).close()
    database = tmp_path / "state.sqlite"
    sound = database.read_bytes()
    database.write_bytes(b"")
    with pytest.raises(StateError, match="damaged"):
        await Database(tmp_path, FakeClock()).open()
    database.write_bytes(sound)
    await (await opened(tmp_path)).close()


async def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    async with child("hold", str(tmp_path)) as process:
        assert await line(process) == "held"
    await (await opened(tmp_path)).close()


def test_a_lock_given_back_can_be_taken_again(tmp_path: Path) -> None:
    first, second = StateLock(tmp_path / "new"), StateLock(tmp_path / "new")
    first.acquire()
    with pytest.raises(AlreadyRunningError):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    second.release()
