"""A PyPI feed whose settings change while it serves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.gateway import Gateway, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

PAGE = "/pypi/pypi/simple/demo/"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


async def link(gateway: Gateway) -> str:
    listed = (await gateway.get(PAGE, Accept=JSON)).json()["files"][0]
    return "/pypi/pypi/" + str(listed["url"]).removeprefix("../../")


async def test_a_file_comes_from_the_upstream_of_now_though_its_page_is_the_same(
    origin: Origin, tmp_path: Path
) -> None:
    async with Origin() as first, Origin() as second:
        built = wheel("demo", "1.0")
        before, after = FakeIndex(first, files=origin), FakeIndex(second, files=origin)
        before.bump("demo")
        after.bump("demo")
        before.add(built)
        after.add(built)
        async with Gateway(tmp_path, feed(upstream(before.url, "before"))) as gateway:
            path = await link(gateway)
            gateway.reload(feed(upstream(after.url, "after")))
            assert await link(gateway) == path
            got = await gateway.get(path)
            assert (got.status, got.body) == (200, built.data)
