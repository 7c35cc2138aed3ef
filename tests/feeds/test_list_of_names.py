"""The list of names of a PyPI feed: under which settings it was made, and why there is none."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.settings import Upstream
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, eventually, feed, until, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


def filled(origin: Origin) -> FakeIndex:
    index = FakeIndex(origin)
    index.add(wheel("acme-secret", "1.0"), wheel("demo", "1.0"))
    return index


async def listed(gateway: Gateway, name: str = "pypi") -> list[str]:
    got = await eventually(lambda: gateway.get(f"/pypi/{name}/simple/", Accept=JSON))
    return [str(project["name"]) for project in got.json()["projects"]]


async def test_a_list_made_under_other_settings_is_not_shown(origin: Origin, tmp_path: Path) -> None:
    index = filled(origin)
    inner, outer = feed(upstream(index.url), name="inner"), feed(Upstream("to-inner", feed="inner"))
    async with Gateway(tmp_path, inner, outer) as gateway:
        assert await listed(gateway) == ["acme-secret", "demo"]
        gateway.reload(feed(upstream(index.url), name="inner", reserved=("acme-*",)), outer)
        assert (await gateway.get("/pypi/pypi/simple/", Accept=JSON)).status == 503
        assert await listed(gateway) == ["demo"]
        assert await listed(gateway, "inner") == ["demo"]


async def test_an_origin_without_a_list_is_named_as_the_cause(origin: Origin, tmp_path: Path) -> None:
    origin.add("/simple/", b"", status=404)
    async with Gateway(tmp_path, feed(upstream(f"{origin.url}/simple/"))) as gateway:
        got = await eventually(lambda: gateway.get("/pypi/pypi/simple/"), 404)
        assert got.json()["type"] == "urn:feedgate:unknown"
        assert f"{origin.url} has no list of names" in got.json()["detail"]


async def test_a_failed_attempt_tells_its_cause_and_is_made_again_later(
    origin: Origin, tmp_path: Path
) -> None:
    index, clock = filled(origin), FakeClock()
    origin.always("/simple/", Fault(status=500))
    async with Gateway(tmp_path, feed(upstream(index.url)), clock=clock) as gateway:
        got = await until(
            lambda: gateway.get("/pypi/pypi/simple/"), lambda got: "preparing" not in got.json()["type"]
        )
        assert (got.status, got.json()["type"]) == (503, "urn:feedgate:origin-unavailable")
        assert "500" in got.json()["detail"]
        assert int(got.headers["retry-after"]) > 0
        origin.heal()
        clock.advance(61)
        assert await listed(gateway) == ["acme-secret", "demo"]
