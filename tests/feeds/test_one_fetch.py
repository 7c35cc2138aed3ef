"""One fetch for everybody, also for who comes while it ends; and an end that may come twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.artifacts.blob import Blob
from proxy.feeds.keeper import ArtifactRef
from tests.support.faults import Fault, failing
from tests.support.gateway import Gateway, Got, eventually, feed, upstream
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.mark.parametrize("is_hashed", [True, False])
async def test_a_fetch_that_ends_while_the_store_is_asked_is_not_begun_again(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_hashed: bool
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0", payload=200_000), hashed=is_hashed)
    path = index.file_path(WHEEL)
    origin.always(path, Fault(delay_s=0.3))
    async with Gateway(tmp_path, feed(upstream(index.url, json_api=None))) as gateway:
        first = asyncio.create_task(gateway.get(f"/pypi/pypi/packages{path}"))
        while not origin.hits(path):
            await asyncio.sleep(0.01)

        async def looked_too_early(ref: ArtifactRef) -> Blob | None:
            await first
            return None

        monkeypatch.setattr(gateway.app.site.pypi_feeds["pypi"], "blob", looked_too_early)
        second = await gateway.get(f"/pypi/pypi/packages{path}")
        assert second.status == 200
        assert second.body == (await first).body == index.file(WHEEL).built.data
        assert origin.hits(path) == 1


@pytest.mark.parametrize("is_hashed", [True, False])
@pytest.mark.parametrize("size", [100, 200_000])
async def test_who_looked_before_a_fetch_began_and_comes_after_its_end_begins_no_other(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_hashed: bool, size: int
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0", payload=size), hashed=is_hashed)
    path = index.file_path(WHEEL)
    async with Gateway(tmp_path, feed(upstream(index.url, json_api=None))) as gateway:
        pypi = gateway.app.site.pypi_feeds["pypi"]
        real = pypi.blob

        async def looked_too_early(ref: ArtifactRef) -> Blob | None:
            """The whole of a fetch goes by between the look and what is made of it."""
            found = await real(ref)
            monkeypatch.setattr(pypi, "blob", real)
            assert (await gateway.get(f"/pypi/pypi/packages{path}")).status == 200
            while gateway.app.base.flights.current():
                await asyncio.sleep(0.01)
            return found

        monkeypatch.setattr(pypi, "blob", looked_too_early)
        late = await gateway.get(f"/pypi/pypi/packages{path}")
        assert (late.status, late.body) == (200, index.file(WHEEL).built.data)
        assert origin.hits(path, method="GET") == 1


async def test_a_server_may_be_stopped_twice(origin: Origin, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, feed(upstream(f"{origin.url}/simple/")))
    await gateway.start()
    await gateway.get("/pypi/pypi/simple/demo/")
    await gateway.stop()
    await gateway.stop()


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=3-9"}, {"Range": "bytes=-9"}])
async def test_a_404_for_a_listed_file_goes_out_when_it_was_said_twice(
    origin: Origin, tmp_path: Path, headers: dict[str, Any]
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0", payload=2000))
    path = index.file_path(WHEEL)
    async with Gateway(tmp_path, feed(upstream(index.url, json_api=None))) as gateway:
        origin.always(path, Fault(status=404))
        assert (await gateway.get(f"/pypi/pypi/packages{path}", **headers)).status == 404
        assert origin.hits(path) == 2
        origin.heal()
        origin.script(path, Fault(status=404))
        got = await gateway.get(f"/pypi/pypi/packages{path}", **headers)
        assert got.status == (206 if headers else 200)
        assert origin.hits(path) == 4


async def test_many_clients_of_a_file_that_fails_twice_and_then_comes_share_every_request(
    origin: Origin, tmp_path: Path
) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0", payload=100))
    path = index.file_path(WHEEL)
    async with Gateway(tmp_path, feed(upstream(index.url, json_api=None))) as gateway:
        assert (await gateway.get("/pypi/pypi/simple/demo/")).status == 200
        origin.script(path, *failing(503, 2, retry_after="1"))

        async def insist() -> Got:
            return await eventually(lambda: gateway.get(f"/pypi/pypi/packages{path}"))

        answers = await asyncio.gather(*(insist() for _ in range(20)))
        assert {got.body for got in answers} == {index.file(WHEEL).built.data}
        assert (origin.hits(path), origin.peak(path)) == (3, 1)
