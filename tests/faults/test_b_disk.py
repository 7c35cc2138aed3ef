"""B04, B06: a disk that is full, has no inodes left, or takes no writes at all."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.faults.process import ROOT, Served, needs
from tests.faults.stage import PAGE, Stage, is_idle

TMPFS = "mount -t tmpfs -o size={size},nr_inodes={inodes} none '{place}'"

pytestmark = needs("unshare", "nsenter", "mount")


@asynccontextmanager
async def mounted(
    stage: Stage, place: str, size: str = "8m", inodes: int = 1000, config: str = ""
) -> AsyncIterator[Served]:
    """Serve with a small file system in place of a folder."""
    mount = TMPFS.format(size=size, inodes=inodes, place=stage.folder / "data" / place)
    async with stage.served(mounts={place: mount}, config=config) as served:
        yield served


def wheel_name(number: int) -> str:
    return f"demo-1.{number}-py3-none-any.whl"


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the file system of a folder up to some bytes; return the file that does it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(16_384)):
                pass
        except OSError:
            pass
    with path.open("r+b") as file:
        file.truncate(max(0, path.stat().st_size - leave))
    return path


async def test_full_disk_passes_verified_files_through_and_takes_them_again_when_there_is_room(
    stage: Stage,
) -> None:
    """B04: hits and misses go on, nothing spins, nothing leaks; writing goes on within 30 s of room."""
    async with mounted(stage, "cache") as served:
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, wheel_name(0))
        await stage.stored(served, wheel_name(0))
        filler = fill(served.seen / "cache", leave=100_000)
        held = served.blobs()
        await stage.downloads(served, wheel_name(0), wheel_name(1), wheel_name(2), wheel_name(1))
        assert stage.origin.hits(stage.index.file_path(wheel_name(1))) == 2
        assert served.blobs() == held
        assert served.temps() == []
        assert await served.metric("store_degraded") == 1
        assert b"the disk takes no writes" in served.log
        assert await is_idle(served, 0.2)
        assert (await served.get("/readyz")).status == 200
        filler.unlink()
        async with asyncio.timeout(30):
            while await served.metric("store_degraded"):
                await asyncio.sleep(0.1)
        await stage.downloads(served, wheel_name(3))
        await stage.stored(served, wheel_name(3))


async def test_disk_that_fills_up_under_a_download_lets_it_go_on(stage: Stage) -> None:
    """B04: what is on the disk is read, what no longer fits comes straight from the origin."""
    async with mounted(stage, "cache/blobs") as served:
        assert (await served.get(PAGE)).status == 200
        fill(served.seen / "cache/blobs", leave=300_000)
        answers = await asyncio.gather(*(served.get(stage.path(wheel_name(0))) for _ in range(3)))
        assert [(answer.status, answer.is_complete) for answer in answers] == [(200, True)] * 3
        assert served.temps() == []
        assert stage.digest(wheel_name(0)) not in served.blobs()


async def test_full_state_refuses_what_it_would_have_to_remember_and_serves_the_rest(stage: Stage) -> None:
    """B04: a name's first owner cannot be kept, so it is not given out; what is known is."""
    second = (
        f'[[feeds.pypi.upstreams]]\nurl = "{stage.index.url}"\nonly = ["none-of-these"]\nallow_private = true'
    )
    async with mounted(stage, "state", config=second) as served:
        assert (await served.get(PAGE)).status == 200
        fill(served.seen / "state")
        refused = await served.get("/pypi/pypi/simple/leaf/")
        assert refused.told == (503, "disk-full")
        assert refused.retry_after_s >= 1
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, wheel_name(0))
        assert await is_idle(served, 0.2)
        (served.seen / "state/filler").unlink()
        assert (await served.get("/pypi/pypi/simple/leaf/")).status == 200


async def test_full_log_stops_nobody(stage: Stage) -> None:
    """B04: lines are lost, answers are not."""
    async with mounted(stage, "log", size="64k") as served:
        assert (await served.get(PAGE)).status == 200
        fill(served.seen / "log")
        await stage.downloads(served, *(wheel_name(number) for number in range(4)))
        assert await is_idle(served, 0.2)
        assert (await served.get("/healthz")).status == 200
        size = len(served.log)
        await stage.downloads(served, wheel_name(0))
        await asyncio.sleep(0.3)
        assert len(served.log) == size


async def test_disk_without_inodes_passes_files_through(stage: Stage) -> None:
    """B05: there is room, and no name for it."""
    async with mounted(stage, "cache/blobs", inodes=12) as served:
        assert (await served.get(PAGE)).status == 200
        for number in range(20):
            try:
                (served.seen / f"cache/blobs/{number}").touch()
            except OSError:
                break
        await stage.downloads(served, wheel_name(0), wheel_name(1))
        assert stage.digest(wheel_name(0)) not in served.blobs()
        assert await served.metric("store_degraded") == 1


async def test_cache_that_becomes_read_only_serves_hits_and_passes_misses_through(stage: Stage) -> None:
    """B06: while it runs (the notes' database stays as it is: Linux refuses while a file is open for writing)."""
    async with mounted(stage, "cache/blobs") as served:
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, wheel_name(0))
        await stage.stored(served, wheel_name(0))
        await served.inside("mount", "-o", "remount,ro", str(served.data / "cache/blobs"))
        await _serves_read_only(stage, served)


async def test_cache_that_is_read_only_from_the_start_serves_what_it_has(stage: Stage) -> None:
    """B06: the start does not fail for it."""
    async with stage.served() as before:
        assert (await before.get(PAGE)).status == 200
        await stage.downloads(before, wheel_name(0))
        assert await before.stop() == 0
    place = stage.folder / "data/cache"
    mount = f"mount --bind '{place}' '{place}' && mount -o remount,bind,ro '{place}'"
    async with stage.served(mounts={"cache": mount}) as served:
        stage.origin.forget()
        await _serves_read_only(stage, served)
        assert await served.stop() == 0


#: What takes the last of a disk: its room, or its names.
TAKES_ALL = {
    "full": "cat /dev/zero >'{place}/filler' 2>/dev/null || true",
    "without-inodes": "(n=0; while true; do : >'{place}/n'$n || exit 0; n=$((n+1)); done) 2>/dev/null || true",
}


@pytest.mark.parametrize("lack", TAKES_ALL)
async def test_a_start_on_a_disk_that_takes_nothing_serves_what_is_held_and_passes_the_rest_through(
    stage: Stage, lack: str
) -> None:
    """B04, B05: what is only convenient to write is not written, and said once each; nothing stops the start."""
    config = '[feeds.chan]\nkind = "conda"\nupstreams = ["http://127.0.0.1:9/chan"]'
    async with stage.served(config=config) as before:
        assert (await before.get(PAGE)).status == 200
        await stage.downloads(before, wheel_name(0))
        await stage.stored(before, wheel_name(0))
        assert await before.stop() == 0
    saved, place = stage.folder / "saved", stage.folder / "data"
    await asyncio.to_thread(place.rename, saved)
    mount = TMPFS.format(size="8m", inodes=400, place=place)
    mount += f" && cp -a '{saved}/.' '{place}' && rm '{place}/state/server.json'; {TAKES_ALL[lack].format(place=place)}"
    async with stage.served(mounts={"": mount}, config=config) as served:
        assert (await served.get("/readyz")).status == 200
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, wheel_name(0), wheel_name(1))
        assert (await served.get("/pypi/pypi/simple/leaf/")).status == 200
        assert served.log.count(b"server.json could not be written") == 1
        assert not list((served.seen / "state").glob(".*"))
        assert await is_idle(served, 0.2)
        assert await served.stop() == 0


async def _serves_read_only(stage: Stage, served: Served) -> None:
    await stage.downloads(served, wheel_name(0), wheel_name(1), wheel_name(2), wheel_name(0))
    assert stage.origin.hits(stage.index.file_path(wheel_name(0))) <= 1
    assert (await served.get("/pypi/pypi/simple/leaf/")).status == 200
    assert (await served.get(f"{stage.path(wheel_name(2))}.metadata")).status == 200
    assert await served.metric("store_degraded") == 1
    assert "the disk takes no writes" in str((await served.get("/readyz")).json()["degraded"])
    assert await is_idle(served, 0.05)


async def test_a_start_whose_output_goes_nowhere_serves(tmp_path: Path) -> None:
    """B04: the disk behind the output is full; where the server is stands in its folder."""
    config, told = tmp_path / "config.toml", tmp_path / "data/state/server.json"
    config.write_text("[server]\nport = 0\n")
    with Path("/dev/full").open("wb") as full:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", "serve", "--config", str(config), "--data-dir", str(tmp_path / "data"),
            cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=full, stderr=full,
        )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while not told.exists():
                assert process.returncode is None
                await asyncio.sleep(0.05)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{orjson.loads(told.read_bytes())['url']}/readyz") as got,
        ):
            assert got.status == 200
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
