"""An offline PyPI feed causes no request, not even through a feed that is its upstream."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.settings import Feed, Upstream
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def chain(index: FakeIndex) -> tuple[Feed, Feed, Feed]:
    """Return an online feed, one on top of it, and an offline one on top of that."""
    return (
        feed(upstream(index.url, ttl_s=0.0), name="inner"),
        feed(Upstream(id="to-inner", feed="inner"), name="middle"),
        feed(Upstream(id="to-middle", feed="middle"), name="outer", offline=True),
    )


async def test_what_nobody_holds_is_unknown_and_not_asked_for(origin: Origin, tmp_path: Path) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    async with Gateway(tmp_path, *chain(index)) as gateway:
        for path in ("simple/demo/", "packages/aa/demo-1.0-py3-none-any.whl", "pypi/demo/json", "simple/"):
            assert (await gateway.get(f"/pypi/outer/{path}")).status == 404, path
        assert origin.hits() == 0


async def test_what_its_upstream_holds_is_served_without_asking(origin: Origin, tmp_path: Path) -> None:
    index = FakeIndex(origin)
    index.add(wheel("demo", "1.0"))
    async with Gateway(tmp_path, *chain(index)) as gateway:
        listed = (await gateway.get("/pypi/inner/simple/demo/", Accept=JSON)).json()["files"][0]
        path = str(listed["url"]).removeprefix("../../")
        origin.forget()
        assert (await gateway.get("/pypi/outer/simple/demo/", Accept=JSON)).json()["files"] == [listed]
        refused = await gateway.get(f"/pypi/outer/{path}")
        assert (refused.status, refused.json()["type"]) == (404, "urn:feedgate:unknown")
        assert "offline" in refused.json()["detail"]
        assert (await gateway.get(f"/pypi/outer/{path}.metadata")).status == 404
        assert origin.hits() == 0
        assert (await gateway.get(f"/pypi/inner/{path}")).status == 200
        origin.forget()
        assert (await gateway.get(f"/pypi/outer/{path}")).status == 200
        # The wheel is held a moment after its last byte has left.
        await eventually(lambda: gateway.get(f"/pypi/outer/{path}.metadata"))
        assert origin.hits() == 0
