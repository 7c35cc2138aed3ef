"""What a catalog remembers of a name when several things are learned of it at once."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from proxy.feeds.name_catalog import NameCatalog
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PAGE = "/pypi/pypi/simple/demo/"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def catalog_of(gateway: Gateway) -> NameCatalog:
    return next(iter(gateway.app.site.catalogs.values()))


async def shard_of(gateway: Gateway) -> bytes:
    held = await catalog_of(gateway).find("demo", offline=True)
    blob = await gateway.app.base.store.get(held.shard) if held.shard is not None else None
    assert blob is not None
    return await gateway.app.base.store.read(blob)


async def test_two_amendments_at_once_are_both_kept(origin: Origin, tmp_path: Path) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    async with Gateway(tmp_path, feed(upstream(index.url))) as gateway:
        await gateway.get(PAGE)
        both = threading.Barrier(2)

        def adding(letter: bytes) -> Callable[[bytes], bytes]:
            is_first = True

            def edit(data: bytes) -> bytes:
                nonlocal is_first
                if is_first:
                    is_first = False
                    both.wait(5)
                return data + letter

            return edit

        catalog = catalog_of(gateway)
        await asyncio.gather(catalog.amend("demo", adding(b"A")), catalog.amend("demo", adding(b"B")))
        assert sorted((await shard_of(gateway))[-2:]) == sorted(b"AB")


@pytest.mark.parametrize("fault", [Fault(delay_s=0.3), Fault(delay_s=0.3, status=503)], ids=["304", "503"])
async def test_an_amendment_made_during_a_refresh_outlives_it(
    origin: Origin, tmp_path: Path, fault: Fault
) -> None:
    index, clock = FakeIndex(origin), FakeClock()
    index.add(wheel("demo", "1.0"))
    async with Gateway(tmp_path, feed(upstream(index.url, ttl_s=60.0)), clock=clock) as gateway:
        await gateway.get(PAGE)
        clock.advance(120)
        origin.always(index.page_path("demo"), fault)
        catalog = catalog_of(gateway)
        origin.forget()
        assert (await catalog.find("demo")).how == "stale"
        refreshing = [task for task in asyncio.all_tasks() if task.get_name().startswith("refresh")]
        await catalog.amend("demo", lambda data: data + b"A")
        await asyncio.wait(refreshing)
        assert refreshing
        assert (await shard_of(gateway)).endswith(b"A")
