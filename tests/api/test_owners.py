"""`/feeds/{feed}/owners`: whose a name is, and letting another upstream have it (P2)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.managed import Managed
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

FEEDS = """
[upstream_defaults]
ttl = "0s"
negative_ttl = "0s"
retries = 0
[feeds.pypi]
kind = "pypi"
upstreams = [{{ url = "{first}", allow_private = true, route = "direct" }},
             {{ url = "{second}", allow_private = true, route = "direct" }}]
[feeds.one]
kind = "pypi"
upstreams = [{{ url = "{first}", allow_private = true, route = "direct" }}]
[feeds.approved]
kind = "pypi"
curated_from = ["pypi"]
[feeds.chan]
kind = "conda"
subdirs = ["linux-64"]
upstreams = [{{ url = "{channel}", allow_private = true, route = "direct" }},
             {{ url = "{other}", allow_private = true, route = "direct" }}]
"""


class Places:
    """Two indexes and two channels."""

    def __init__(self, origin: Origin, public: Origin) -> None:
        self.first, self.second = FakeIndex(origin), FakeIndex(public)
        self.first.add(wheel("both", "1.0"), wheel("mine", "1.0"))
        self.second.add(wheel("both", "9.0"), wheel("zope.interface", "7.0"))
        self.channel, self.other = FakeChannel(origin), FakeChannel(public)
        self.channel.add(bare("a"), bare("b"))
        self.other.add(bare("c"))

    @property
    def text(self) -> str:
        return FEEDS.format(
            first=self.first.url, second=self.second.url, channel=self.channel.url, other=self.other.url
        )


@pytest.fixture
async def places(origin: Origin) -> AsyncIterator[Places]:
    async with Origin() as public:
        yield Places(origin, public)


async def files(server: Managed, name: str) -> list[str]:
    got = await server.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)
    assert got.status == 200, got.body
    return [file["filename"] for file in got.json()["files"]]


async def test_a_name_is_told_listed_and_released(places: Places, tmp_path: Path) -> None:
    async with Managed(tmp_path, places.text) as server:
        for name in ("both", "mine", "zope-interface"):
            await files(server, name)
        upstreams = [each["id"] for each in (await server.read("/feeds/pypi"))[0]["upstreams"]]
        told = (await server.ask("GET", "/feeds/pypi/owners/Both")).json()
        assert told["since"].endswith("Z")
        del told["since"]
        known = {"feed": "pypi", "name": "both", "upstream": upstreams[0], "has_listed": True}
        assert told == known | {"source": places.first.url.removesuffix("/simple/")}
        page = (await server.ask("GET", "/feeds/pypi/owners?limit=2")).json()
        assert ([item["name"] for item in page["items"]], page["next"]) == (["both", "mine"], "mine")
        page = (await server.ask("GET", "/feeds/pypi/owners?limit=2&cursor=mine")).json()
        assert [(item["name"], item["upstream"]) for item in page["items"]] == [
            ("zope-interface", upstreams[1])
        ]
        assert page["next"] is None
        assert len((await server.ask("GET", "/feeds/pypi/owners?q=OT")).json()["items"]) == 1
        # The owner loses the name: only a person lets another one have it.
        places.first.remove_project("both")
        assert (await server.get("/pypi/pypi/simple/both/")).status == 404
        assert (await server.ask("DELETE", "/feeds/pypi/owners/both")).status == 200
        assert await files(server, "both") == ["both-9.0-py3-none-any.whl"]
        assert (await server.read("/feeds/pypi/owners/both"))[0]["upstream"] == upstreams[1]
        assert (await server.story())[-1] == ("owner.release", "both")
        await server.restart()
        assert await files(server, "both") == ["both-9.0-py3-none-any.whl"]


async def test_a_released_name_of_a_channel_is_decided_anew(places: Places, tmp_path: Path) -> None:
    """What was composed before a restart is not shown again."""
    path = "/conda/chan/linux-64/repodata.json"
    async with Managed(tmp_path, places.text) as server:
        assert len((await server.get(path)).json()["packages.conda"]) == 3
        places.channel.remove("linux-64", "a-1.0-0.conda")
        places.other.add(bare("a", "9.0"))
        await server.restart_without_cache()
        assert set((await server.get(path)).json()["packages.conda"]) == {"b-1.0-0.conda", "c-1.0-0.conda"}
        await server.restart()
        told = (await server.ask("DELETE", "/feeds/chan/owners/a")).json()
        assert (told["name"], told["has_listed"]) == ("a", True)
        assert "a-9.0-0.conda" in (await server.get(path)).json()["packages.conda"]


async def test_who_may_ask_and_for_what(places: Places, tmp_path: Path) -> None:
    async with Managed(tmp_path, places.text) as server:
        await files(server, "both")
        body = {"name": "reader", "grants": [{"feed": "pypi", "rights": ["read", "promote"]}]}
        reader = (await server.ask("POST", "/keys", body)).json()["value"]
        grants = [{"feed": "pypi", "rights": ["read", "manage"]}]
        manager = (await server.ask("POST", "/keys", {"name": "manager", "grants": grants})).json()["value"]
        path = "/feeds/pypi/owners"
        for method, each in (("GET", path), ("GET", f"{path}/both"), ("DELETE", f"{path}/both")):
            assert (await server.ask(method, each, key=None)).status == 401
            assert (await server.ask(method, each, key=reader)).status == 403
            assert (await server.ask(method, each, key=manager)).status == 200
        for each in ("pypi/owners/both", "pypi/owners/nobody", "pypi/owners/%2e", "one/owners/both"):
            assert (await server.ask("DELETE", f"/feeds/{each}")).status in (400, 404), each
        assert (await server.ask("GET", "/feeds/approved/owners")).status == 422
        assert (await server.ask("GET", "/feeds/one/owners")).json() == {"items": [], "next": None}
