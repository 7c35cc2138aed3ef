"""Work that is under way when a request, a site or an owner comes to its end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PAGE = "/pypi/pypi/simple/demo/"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def refreshing() -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("refresh")]


async def test_an_intake_that_is_cancelled_while_it_ends_its_companion_is_cancelled(
    origin: Origin, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    index.reshape(forms=(HTML,))
    index.add(wheel("demo", "1.0"))
    origin.always(index.api_path("demo"), Fault(silent=True))
    origin.always(index.page_path("demo"), Fault(status=404, delay_s=0.2))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        getting = asyncio.create_task(gateway.get(PAGE))
        while not origin.hits(index.page_path("demo")):
            await asyncio.sleep(0.01)
        (task,) = refreshing()
        companion = next(each for each in asyncio.all_tasks() if "_companion_body" in repr(each.get_coro()))
        # The page's answer makes the intake end its companion, and this comes while it waits for that end.
        companion.add_done_callback(lambda _: task.cancel())
        await asyncio.wait({task})
        assert task.cancelled()
        getting.cancel()
        await asyncio.gather(getting, return_exceptions=True)


@pytest.mark.parametrize("side", ["page", "metadata"])
async def test_a_client_that_waits_gets_its_answer_though_the_settings_change(
    origin: Origin, tmp_path: Path, side: str
) -> None:
    index = FakeIndex(origin)
    index.reshape(core_metadata=False)
    index.add(wheel("demo", "1.0"))
    before, after = feed(upstream(index.url)), feed(upstream(index.url, ttl_s=99.0))
    async with Gateway(tmp_path, before) as gateway:
        path, asked = PAGE, index.page_path("demo")
        if side == "metadata":
            listed = (await gateway.get(PAGE, Accept=JSON)).json()["files"][0]
            path = "/pypi/pypi/" + str(listed["url"]).removeprefix("../../") + ".metadata"
            asked = index.file_path("demo-1.0-py3-none-any.whl") + ".metadata"
        origin.always(asked, Fault(delay_s=0.5))
        origin.forget()
        getting = asyncio.create_task(gateway.get(path))
        while not origin.hits(asked):
            await asyncio.sleep(0.01)
        gateway.reload(after)
        assert (await getting).status == 200


async def test_a_client_whose_wait_is_ended_is_told_to_come_again(origin: Origin, tmp_path: Path) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    origin.always(index.page_path("demo"), Fault(silent=True))
    settings = feed(upstream(index.url, read_timeout_s=20.0))
    async with Gateway(tmp_path, settings, stop_timeout_s=0.1) as gateway:
        getting = asyncio.create_task(gateway.get(PAGE))
        while not origin.hits(index.page_path("demo")):
            await asyncio.sleep(0.01)
        gateway.reload(feed(upstream(index.url, ttl_s=99.0)))
        got = await getting
        assert (got.status, got.json()["type"], got.headers["retry-after"]) == (503, "urn:feedgate:busy", "2")


async def test_a_stop_does_not_wait_for_what_a_retired_site_began(origin: Origin, tmp_path: Path) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    origin.always(index.page_path("demo"), Fault(silent=True))
    settings = feed(upstream(index.url, read_timeout_s=60.0))
    gateway = Gateway(tmp_path, settings, stop_timeout_s=30.0)
    await gateway.start()
    getting = asyncio.create_task(gateway.get(PAGE))
    while not origin.hits(index.page_path("demo")):
        await asyncio.sleep(0.01)
    gateway.reload(feed(upstream(index.url, ttl_s=99.0)))
    getting.cancel()
    await asyncio.gather(getting, return_exceptions=True)
    async with asyncio.timeout(10):
        await gateway.stop()
