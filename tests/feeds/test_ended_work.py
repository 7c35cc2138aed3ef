"""Work that is under way when a request, a site or an owner comes to its end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import HTML, FakeIndex
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
