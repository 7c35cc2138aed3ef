"""C05, C07, C08: clients that hardly read, hardly ask, or ask for everything."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.faults.scene import Scene
from tests.faults.stage import BULK, PAGE, WHEEL, Stage
from tests.support.faults import Fault
from tests.support.gateway import feed
from tests.support.length import sized
from tests.support.raw_http import Raw
from tests.support.wheels import wheel

MIB = 1024 * 1024
READERS = sized(96, 256)


def port(scene: Scene) -> int:
    return int(scene.gateway.url.rpartition(":")[2])


async def ended(raw: Raw, within_s: float) -> bool:
    """Tell whether the server ends the connection in time, whatever it says before."""
    try:
        async with asyncio.timeout(within_s):
            while await raw.reader.read(65_536):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


# -- C05: readers


async def test_stuck_and_slow_readers_slow_nobody_down_and_cost_little(stage: Stage) -> None:
    """C05: a process of its own, so that its memory can be measured; cold and held files."""
    size = 24 * MIB
    await stage.add_bulk(size)
    stage.origin.always(stage.index.file_path(BULK), Fault(rate=size / 1.0))
    async with stage.served() as served, AsyncExitStack() as crowd:
        assert (await served.get(PAGE)).status == 200
        await stage.downloads(served, WHEEL)
        await stage.stored(served, WHEEL)
        before = served.memory_bytes()
        where = int(served.url.rpartition(":")[2])
        readers = [await crowd.enter_async_context(Raw(where, receive_buffer=4096)) for _ in range(READERS)]
        for raw in readers:
            await raw.send(f"GET {stage.path(BULK)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        slow = [asyncio.create_task(trickle(raw)) for raw in readers[::2]]
        fast = await served.get(stage.path(BULK))
        assert (fast.status, fast.is_complete, len(fast.body)) == (200, True, size)
        # The origin needs a second; the crowd must not make much more of it.
        assert fast.took_s < 6
        held = [await served.get(stage.path(WHEEL)) for _ in range(20)]
        assert all(answer.is_complete for answer in held)
        assert sorted(answer.took_s for answer in held)[-2] < 1.0
        assert served.memory_bytes() - before <= 32 * MIB
        assert stage.origin.hits(stage.index.file_path(BULK)) == 1
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def trickle(raw: Raw) -> None:
    while await raw.reader.read(1024):
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "arriving"])
async def test_reader_without_progress_is_cut_off(scene: Scene, is_held: bool) -> None:
    """C05: after `write_timeout`; who reads, however slowly, is not."""
    scene.index.add(wheel("big", "1.0", payload=8 * MIB))
    path = scene.path("big-1.0-py3-none-any.whl")
    await scene.start(server={"write_timeout_s": 0.6})
    if is_held:
        assert (await scene.get(path)).is_complete
        await scene.settled()
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with Raw(port(scene), receive_buffer=4096) as stuck, Raw(port(scene), receive_buffer=4096) as slow:
        await stuck.send(request)
        await slow.send(request)
        for _ in range(12):
            assert await slow.reader.read(4096)
            await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            while not scene.gateway.app.metrics.cut_connections["client"]:
                await asyncio.sleep(0.05)
        assert await slow.reader.read(4096)
        assert scene.gateway.app.metrics.cut_connections["client"] == 1
        assert await ended(stuck, 5)


# -- C07: slowloris


async def test_head_that_does_not_end_is_cut_off(scene: Scene) -> None:
    """C07: dripped or just begun; others are served meanwhile."""
    await scene.start(server={"header_timeout_s": 0.5})
    async with AsyncExitStack() as crowd:
        raws = [await crowd.enter_async_context(Raw(port(scene))) for _ in range(sized(60, 500))]
        for raw in raws:
            await raw.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        dripping = asyncio.create_task(drip(raws[0]))
        answers = [await scene.get("/healthz") for _ in range(20)]
        assert {answer.status for answer in answers} == {200}
        assert all(await asyncio.gather(*(ended(raw, 5) for raw in raws)))
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
    assert scene.gateway.app.metrics.cut_connections["head"] >= len(raws)


async def drip(raw: Raw) -> None:
    while True:
        await raw.send(b"X-A: b\r\n")
        await asyncio.sleep(0.1)


async def test_body_that_does_not_come_is_answered_and_ended(scene: Scene) -> None:
    """C07: `body_timeout`."""
    await scene.start(server={"body_timeout_s": 0.4})
    async with Raw(port(scene)) as raw:
        await raw.send(b"POST /pypi/pypi/pypi HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<")
        reply = await raw.read("POST")
        assert reply.status == 408
        assert await ended(raw, 5)


async def test_idle_connection_is_ended(scene: Scene) -> None:
    """C07: `idle_timeout`, after an answer and before the first request."""
    await scene.start(server={"idle_timeout_s": 0.5})
    async with Raw(port(scene)) as used, Raw(port(scene)) as unused:
        assert (await used.ask("GET", "/healthz")).status == 200
        assert await ended(used, 5)
        assert await ended(unused, 10)


# -- C08: asking for everything


async def test_names_outside_the_rules_are_never_asked_of_the_origin(scene: Scene) -> None:
    """C08: reserved names, and names that no upstream may have; metrics do not grow with them."""
    open_ = scene.upstream(except_=("secret-*",))
    await scene.start(feed(open_, reserved=("corp-*",)))
    for start in range(0, sized(300, 100_000), 50):
        names = [f"{('corp', 'secret')[n % 2]}-{n}" for n in range(start, start + 50)]
        paths = [f"/pypi/pypi/simple/{name}/" for name in names]
        paths += [f"/pypi/pypi/packages/x/{name.replace('-', '_')}-1.0-py3-none-any.whl" for name in names]
        answers = await asyncio.gather(*(scene.get(path) for path in paths))
        assert {answer.told for answer in answers} == {(404, "unknown")}
        scene.auditor.answers.clear()
    assert scene.origin.hits() == 0
    metrics = (await scene.get("/metrics")).body
    assert b"corp-" not in metrics
    assert len(metrics.splitlines()) < 400


async def test_thousand_pipelined_requests_are_answered_in_order_or_the_connection_ends(scene: Scene) -> None:
    """C08: without a thousand handlers at once."""
    await scene.start()
    await scene.warm()
    count = 1000
    lines = b"".join(
        f"GET /pypi/pypi/simple/demo/?n={n} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n in range(count)
    )
    async with Raw(port(scene)) as raw:
        sending = asyncio.create_task(raw.send(lines))
        replies = [await raw.read() for _ in range(count)]
        await sending
    assert {reply.status for reply in replies} == {200}
    assert len({reply.header("x-request-id") for reply in replies}) == count
    numbers = [int(str(reply.header("x-request-id")).rpartition("-")[2], 16) for reply in replies]
    assert numbers == sorted(numbers)
    assert scene.origin.hits(scene.page_path) == 1


async def test_pipelined_requests_behind_a_slow_one_wait_without_being_read_on(scene: Scene) -> None:
    """C08: a client cannot make the server keep megabytes of requests."""
    await scene.start(read_timeout_s=3.0)
    scene.origin.always(scene.index.page_path("slow"), Fault(delay_s=0.8, status=404))
    lines = b"GET /pypi/pypi/simple/slow/ HTTP/1.1\r\nHost: x\r\n\r\n"
    lines += b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000
    async with Raw(port(scene)) as raw:
        sending = asyncio.create_task(raw.send(lines))
        first = await raw.read()
        assert first.status == 404
        assert (await raw.read()).status == 200
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        raw.writer.transport.abort()
