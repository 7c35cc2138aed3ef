"""B14: the server is told to stop while it is sending."""

import asyncio
import signal
import time

from tests.faults.stage import BULK, WHEEL, Stage
from tests.support.faults import Fault
from tests.support.length import sized
from tests.support.raw_http import Raw

MIB = 1024 * 1024


async def test_stream_under_way_is_finished_before_the_server_ends(stage: Stage) -> None:
    """B14: long: 500 MB. Nobody new is let in; exit status 0."""
    size = sized(40, 500) * MIB
    body = await stage.add_bulk(size)
    stage.origin.always(stage.index.file_path(BULK), Fault(rate=size / 1.5))
    async with stage.served(stop_timeout="20s") as served:
        download = asyncio.create_task(served.get(stage.path(BULK)))
        await _begun(stage)
        served.signal(signal.SIGTERM)
        ended = asyncio.create_task(served.wait())
        await asyncio.sleep(0.3)
        assert not ended.done()
        assert (await served.get("/healthz")).status == 0
        answer = await download
        assert (answer.status, answer.is_complete, len(answer.body)) == (200, True, size)
        assert answer.body[:MIB] == body[:MIB]
        assert await ended == 0
    assert stage.origin.hits(stage.index.file_path(BULK)) == 1


async def test_stream_that_does_not_end_in_time_is_cut_off(stage: Stage) -> None:
    """B14: visibly incomplete, and nothing of it is left under its name."""
    size = 64 * MIB
    await stage.add_bulk(size)
    stage.origin.always(stage.index.file_path(BULK), Fault(rate=size / 20))
    async with stage.served(stop_timeout="1s") as served:
        downloads = [asyncio.create_task(served.get(stage.path(BULK))) for _ in range(3)]
        await _begun(stage)
        began = time.monotonic()
        assert await served.stop() == 0
        assert time.monotonic() - began < 10
        answers = await asyncio.gather(*downloads)
        assert not any(answer.is_complete for answer in answers)
    data = stage.folder / "data/cache/blobs"
    assert stage.digest(BULK) not in {path.name for path in data.glob("??/*")}
    assert list(data.glob("tmp/*")) == []


async def test_slow_reader_of_a_held_file_does_not_hold_up_the_stop(stage: Stage) -> None:
    """B14: who reads nothing is cut off after `stop_timeout`; idle connections end at once."""
    await stage.add_bulk(16 * MIB)
    async with stage.served(stop_timeout="1s") as served:
        await stage.downloads(served, BULK, WHEEL)
        port = int(served.url.rpartition(":")[2])
        async with Raw(port, receive_buffer=4096) as stuck, Raw(port) as idle:
            assert (await idle.ask("GET", "/healthz")).status == 200
            await stuck.send(f"GET {stage.path(BULK)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await stuck.reader.readexactly(1000)
            began = time.monotonic()
            served.signal(signal.SIGINT)
            assert await idle.read_to_end() == b""
            assert await served.wait() == 0
            assert time.monotonic() - began < 10


async def test_stop_during_the_start_of_everything_ends_well(stage: Stage) -> None:
    """B14: twice the signal, in the middle of a refresh; exit status 0 and the next start is clean."""
    stage.origin.always("*", Fault(silent=True))
    async with stage.served(stop_timeout="1s") as served:
        asking = [asyncio.create_task(served.get(f"/pypi/pypi/simple/name-{n}/")) for n in range(20)]
        await asyncio.sleep(0.3)
        served.signal(signal.SIGTERM)
        served.signal(signal.SIGTERM)
        assert await served.wait() == 0
        await asyncio.gather(*asking)
    stage.origin.heal()
    async with stage.served() as served:
        await stage.downloads(served, WHEEL)
        assert await served.stop() == 0


async def _begun(stage: Stage) -> None:
    async with asyncio.timeout(10):
        while not stage.origin.hits(stage.index.file_path(BULK)):
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
