"""B05: calls of the system that fail: reading, syncing, opening one descriptor too many."""

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

from tests.faults.process import Served, needs
from tests.faults.stage import PAGE, WHEEL, Stage
from tests.support.length import sized
from tests.support.raw_http import Raw
from tests.support.wheels import wheel

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


@needs("fiu-run")
async def test_calls_that_fail_now_and_then_cost_no_right_byte(stage: Stage) -> None:
    """B05: one in ten reads, writes and syncs is an EIO; answers are right or told, and the next start is clean."""
    await prepared(stage)
    points = ("posix/io/rw/pread", "posix/io/rw/pwrite", "posix/io/sync/fsync", "posix/io/sync/fdatasync")
    pipes = str(stage.folder / "fiu")
    stage.index.add(*(wheel(f"part-{number}", "1.0", payload=100_000) for number in range(15)))
    files = [file.filename for file in stage.index.hosted.values()]
    # Not from the start: a state that cannot be read then is a reason not to start.
    async with stage.served(wrapper=("fiu-run", "-x", "-f", pipes)) as served:
        for point in points:
            await fiu(pipes, served, f"enable_random name={point},probability=0.1,failinfo=5")
        for _ in range(sized(3, 60)):
            pages = (PAGE, "/pypi/pypi/simple/leaf/", "/pypi/pypi/pypi/demo/json")
            answers = await asyncio.gather(*(served.get(path) for path in (*pages, *map(stage.path, files))))
            assert {answer.status for answer in answers} <= {200, 503}
            assert 200 in {answer.status for answer in answers}
        assert b"takes no writes" in served.log
        assert (await served.get("/healthz")).status == 200
        for point in points:
            await fiu(pipes, served, f"disable name={point}")
        assert await served.stop() == 0
    async with stage.served() as served:
        await stage.downloads(served, *files)
        assert await served.stop() == 0


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


async def fiu(pipes: str, served: Served, command: str) -> None:
    process = await asyncio.create_subprocess_exec("fiu-ctrl", "-f", pipes, "-c", command, str(served.pid))
    assert await process.wait() == 0


def _port(served: Served) -> int:
    return int(served.url.rpartition(":")[2])
