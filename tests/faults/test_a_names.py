"""A17: names that are not there, slow to be looked up, or lead elsewhere the second time."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.scene import Scene
from tests.support.gateway import feed
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

SLOW_S = 0.6
#: "public" is an address of nobody's network (RFC 5737).
INSIDE = {
    "loopback": ["127.0.0.1"],
    "IPv6 loopback": ["::1"],
    "mapped loopback": ["::ffff:127.0.0.1"],
    "public and loopback": ["192.0.2.1", "127.0.0.1"],
    "private": ["10.0.0.1"],
    "metadata service": ["169.254.169.254"],
}

Answer = Callable[[], list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Answer]]:
    """Put answers for names in front of the system's resolver; they run in the thread that asks, as it does."""
    answers: dict[str, Answer] = {}
    system = socket.getaddrinfo

    def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        answer = answers.get(str(host))
        if answer is None:
            return system(host, port, *rest, **options)
        options["flags"] = 0
        return [found for address in answer() for found in system(address, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield answers


def here() -> list[str]:
    return ["127.0.0.1"]


def nowhere() -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


async def test_name_that_does_not_resolve_is_a_503_and_a_stored_page_stays(
    scene: Scene, names: dict[str, Answer]
) -> None:
    """A17: the detail names the upstream's host, which is the administrator's own word."""
    names["index.example"] = here
    url = f"http://index.example:{scene.origin.port}/simple/"
    # Its files lie on another name, which is private too.
    await scene.start(feed(scene.upstream(url=url, redirect_hosts=("127.0.0.1",))))
    page = await scene.warm()
    names["index.example"] = nowhere
    # Addresses are remembered for some seconds.
    await scene.restart()
    missing = await scene.get("/pypi/pypi/simple/other/")
    assert missing.told == (503, "origin-unavailable")
    assert "index.example" in missing.detail
    assert "name" in missing.detail
    await scene.later()
    assert (await scene.get(scene.page, Accept="application/vnd.pypi.simple.v1+json")).body == page.body
    names["index.example"] = here


async def test_slow_resolver_of_one_upstream_delays_nobody_else(
    scene: Scene, names: dict[str, Answer]
) -> None:
    """A17: fifty lookups that block a thread each; pages, files on disk and other upstreams go on."""

    def slow() -> list[str]:
        # In the resolver's thread, which the system's call would block the same way.
        threading.Event().wait(SLOW_S)
        return nowhere()

    async with Origin() as other:
        index = FakeIndex(other)
        index.add(wheel("leaf", "1.0", payload=100_000))
        scene.auditor.origins.append(other)
        names["slow.example"] = slow
        far = scene.upstream(index, "far", url="http://slow.example/simple/", connect_timeout_s=20.0)
        await scene.start(feed(scene.upstream()), feed(far, name="far"))
        await scene.warm()
        assert (await scene.get(scene.file)).status == 200
        await scene.settled()
        waiting = [asyncio.create_task(scene.get(f"/pypi/far/simple/name-{n}/")) for n in range(50)]
        await asyncio.sleep(0.1)
        answers = [await scene.get(path) for path in (scene.page, scene.file, scene.path("demo-1.0.tar.gz"))]
        assert [answer.status for answer in answers] == [200] * 3
        assert max(answer.took_s for answer in answers) < SLOW_S / 2
        assert {(await answer).told[0] for answer in waiting} == {503}
        names["slow.example"] = nowhere
        scene.heals = False
        assert await scene.audit() == []


@pytest.mark.parametrize("addresses", INSIDE.values(), ids=INSIDE)
async def test_name_that_leads_inside_is_refused_at_the_connect(
    scene: Scene, names: dict[str, Answer], addresses: list[str]
) -> None:
    """A17, E03: what counts is the address that a socket is made for, whatever was looked up before."""
    names["rebind.example"] = lambda: addresses
    url = f"http://rebind.example:{scene.origin.port}/simple/"
    changes: dict[str, Any] = {
        "allow_private": False,
        "json_api": None,
        "auth": None,
        "connect_timeout_s": 0.2,
    }
    await scene.start(feed(scene.upstream(url=url, **changes)))
    answer = await scene.get(scene.page)
    assert answer.told == (502, "origin-refused")
    assert "address" in answer.detail
    assert not any(address in answer.detail for address in addresses)
    assert scene.origin.connections == 0
    scene.heals = False
