"""B05: calls of the system that fail: reading, syncing, opening one descriptor too many."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

from tests.faults.process import Served, needs
from tests.faults.stage import PAGE, WHEEL, Stage
from tests.support.raw_http import Raw

DESCRIPTORS = 64


def strace(folder: Path, *options: str) -> tuple[str, ...]:
    """Return the wrapper that makes calls fail; the program is its only child."""
    return ("strace", "-f", "-qq", "-y", "-o", str(folder / "trace"), *options)


async def prepared(stage: Stage, *filenames: str) -> None:
    """Run the server once, so that state, notes and these files are there."""
    async with stage.served() as served:
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, *filenames)
        for filename in filenames:
            await stage.stored(served, filename)
        assert await served.stop() == 0


@needs("strace")
async def test_read_error_is_a_miss_that_is_fetched_again_and_told(stage: Stage) -> None:
    """B05: the disk cannot read a stored file; its client gets the origin's."""
    await prepared(stage, WHEEL)
    digest = stage.digest(WHEEL)
    blob = stage.folder / "data/cache/blobs" / digest[:2] / digest
    stage.origin.forget()
    fail = ("-P", str(blob), "-e", "trace=pread64", "-e", "inject=pread64:error=EIO:when=1")
    async with stage.served(wrapper=strace(stage.folder, *fail)) as served:
        await stage.downloads(served, WHEEL)
        assert stage.origin.hits(stage.index.file_path(WHEEL)) == 1
        assert b"damaged and will be fetched again" in served.log
        await stage.stored(served, WHEEL)
        assert await served.metric('events{event="blobs:damaged"}') == 1


@needs("strace")
async def test_file_whose_sync_failed_is_discarded_and_never_synced_again(stage: Stage) -> None:
    """B05: a second fsync would report success for pages that the kernel has dropped."""
    await prepared(stage)
    fail = ("-e", "trace=fsync", "-e", "inject=fsync:error=EIO")
    async with stage.served(wrapper=strace(stage.folder, *fail)) as served:
        await stage.downloads(served, WHEEL, WHEEL)
        assert stage.digest(WHEEL) not in served.blobs()
        assert served.temps() == []
        assert await served.metric("store_degraded") == 1
        assert (await served.get("/pypi/pypi/simple/leaf/")).status == 200
        await served.stop()
    synced = re.findall(r"fsync\(\d+<([^>]*/cache/blobs/[^>]*)>", (stage.folder / "trace").read_text())
    assert synced
    assert len(synced) == len(set(synced))


@needs("prlimit")
async def test_server_outlives_running_out_of_descriptors(stage: Stage) -> None:
    """B05: while there are none, answers are refused in form; when there are again, all is as before."""
    async with stage.served(wrapper=("prlimit", f"--nofile={DESCRIPTORS}")) as served:
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, WHEEL)
        await stage.stored(served, WHEEL)
        async with AsyncExitStack() as crowd:
            for _ in range(2 * DESCRIPTORS):
                raw = await crowd.enter_async_context(Raw(_port(served)))
                await raw.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(1.5)
            descriptors = len(list(Path(f"/proc/{served.pid}/fd").iterdir()))
            assert descriptors <= DESCRIPTORS
        async with asyncio.timeout(10):
            while (await served.get("/healthz")).status != 200:
                await asyncio.sleep(0.1)
        await stage.downloads(served, WHEEL, "demo-1.1-py3-none-any.whl", "demo-1.0.tar.gz")
        assert (await served.get("/pypi/pypi/simple/leaf/")).status == 200
        assert stage.origin.hits(stage.index.file_path(WHEEL)) == 1


def _port(served: Served) -> int:
    return int(served.url.rpartition(":")[2])
