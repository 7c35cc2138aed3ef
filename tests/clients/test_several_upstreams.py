"""Section 13 and the contract's ownership: several upstreams, feeds behind feeds, loops, and none at all."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from proxy.config.settings import Feed, Upstream
from tests.support.clients import Clients
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Two:
    """A company's own index and the public one."""

    ours: FakeIndex
    public: FakeIndex
    our_origin: Origin
    public_origin: Origin

    def feed(
        self, *, ours: Mapping[str, Any] = NOTHING, public: Mapping[str, Any] = NOTHING, **changes: Any
    ) -> Feed:
        """Return a feed of both, ours first; `ours` and `public` are changes of the upstreams."""
        first = upstream(self.ours.url, "ours", **ours)
        second = upstream(self.public.url, "public", **public)
        return feed(first, second, **changes)

    def asked_public(self, name: str) -> bool:
        return any(f"/{name}" in request.path for request in self.public_origin.requests)


@pytest.fixture
async def two(origin: Origin) -> AsyncIterator[Two]:
    async with Origin() as public:
        both = Two(FakeIndex(origin), FakeIndex(public), origin, public)
        both.ours.add(wheel("mine", "1.0", requires=["theirs"]))
        both.ours.add(wheel("both", "1.0"))
        both.public.add(wheel("theirs", "1.0"))
        both.public.add(wheel("both", "9.0"))
        yield both


async def test_a_name_belongs_to_the_first_upstream_that_has_it(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    async with Gateway(tmp_path, two.feed()) as gateway:
        got = await clients.download(gateway.index(), "mine", "both")
        assert set(got.files) == {
            "mine-1.0-py3-none-any.whl",
            "theirs-1.0-py3-none-any.whl",
            "both-1.0-py3-none-any.whl",
        }, got.ran.text
        assert (await clients.install(gateway.index(), "mine", "both")).versions == {
            "mine": "1.0",
            "theirs": "1.0",
            "both": "1.0",
        }
        assert not two.asked_public("both")


async def test_the_other_feed_has_the_other_owner(two: Two, clients: Clients, tmp_path: Path) -> None:
    other = feed(upstream(two.public.url, "public"), upstream(two.ours.url, "ours"), name="other")
    async with Gateway(tmp_path, two.feed(), other) as gateway:
        assert (await clients.compile(gateway.index(), "both")).out == "both==1.0\n"
        assert (await clients.compile(gateway.index("other"), "both")).out == "both==9.0\n"


async def test_an_upstream_that_does_not_answer_is_not_one_that_lacks_the_name(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    async with Gateway(tmp_path, two.feed()) as gateway:
        await two.our_origin.off()
        for name in ("both", "theirs"):
            page = await gateway.get(f"/pypi/pypi/simple/{name}/", Accept=JSON)
            assert (page.status, page.json()["type"]) == (503, "urn:feedgate:origin-unavailable")
        got = await clients.download(gateway.index(), "both")
        assert got.files == {}
        assert not two.asked_public("both")


async def test_only_and_except_say_which_upstream_may_have_a_name(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    split = two.feed(ours={"only": ("mine", "mine-*")}, public={"except_": ("mine*",)})
    async with Gateway(tmp_path, split) as gateway:
        assert (await clients.compile(gateway.index(), "mine", "both")).out == (
            "both==9.0\nmine==1.0\ntheirs==1.0\n"
        )
        assert (await gateway.get("/pypi/pypi/simple/mine-other/")).status == 404
    assert not two.asked_public("mine")
    assert not [request for request in two.our_origin.requests if "both" in request.path]


async def test_a_reserved_name_is_asked_only_of_private_upstreams(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    two.public.add(wheel("corp-secret", "6.6.6"))
    kept = two.feed(reserved=("corp-*", "mine"), ours={"private": True})
    async with Gateway(tmp_path, kept) as gateway:
        assert (await gateway.get("/pypi/pypi/simple/corp-secret/")).status == 404
        got = await clients.download(gateway.index(), "corp-secret")
        assert got.files == {}
        assert (await clients.compile(gateway.index(), "mine")).out == "mine==1.0\ntheirs==1.0\n"
        two.ours.add(wheel("corp-tool", "1.0"))
        assert (await clients.compile(gateway.index(), "corp-tool")).out == "corp-tool==1.0\n"
    assert not two.asked_public("corp-")
    assert not two.asked_public("mine")


async def test_a_name_keeps_its_owner_and_a_change_is_held(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    impatient = {"ttl_s": 0.0, "negative_ttl_s": 0.0}
    async with Gateway(tmp_path, two.feed(ours=impatient, public=impatient)) as gateway:
        got = await clients.download(gateway.index(), "both")
        assert list(got.files) == ["both-1.0-py3-none-any.whl"]
        two.ours.remove_project("both")
        held = await eventually(lambda: gateway.get("/pypi/pypi/simple/both/"), 404)
        assert held.json()["type"] == "urn:feedgate:held"
        assert (await clients.download(gateway.index(), "both")).files == {}
        await gateway.restart()
        assert (await gateway.get("/pypi/pypi/simple/both/")).status == 404
        gateway.reload(two.feed(ours={**impatient, "except_": ("both",)}, public=impatient))
        assert (await clients.compile(gateway.index(), "both")).out == "both==9.0\n"


async def test_a_feed_may_stand_behind_another(two: Two, clients: Clients, tmp_path: Path) -> None:
    inner = Upstream(id="inner", feed="pypi")
    outer = feed(upstream(two.ours.url, "ours", only=("mine",)), inner, name="outer")
    public = feed(upstream(two.public.url, "public"))
    async with Gateway(tmp_path, public, outer) as gateway:
        got = await clients.download(gateway.index("outer"), "mine", "both")
        assert set(got.files) == {
            "mine-1.0-py3-none-any.whl",
            "theirs-1.0-py3-none-any.whl",
            "both-9.0-py3-none-any.whl",
        }, got.ran.text
        assert (await clients.install(gateway.index("outer"), "mine", "both")).versions["both"] == "9.0"
        assert (await gateway.get("/pypi/outer/pypi/both/json")).json()["info"]["version"] == "9.0"
        names = await eventually(lambda: gateway.get("/pypi/outer/simple/", Accept=JSON))
        assert {"both", "theirs", "mine"} == {each["name"] for each in names.json()["projects"]}


async def test_a_feed_of_another_server_passes_everything_on(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    two.public.yank("both-9.0-py3-none-any.whl", "bad & broken")
    async with Gateway(tmp_path / "inner", feed(upstream(two.public.url))) as inner:
        chained = feed(upstream(inner.index(), "inner"))
        async with Gateway(tmp_path / "outer", chained) as outer:
            path = "/pypi/pypi/simple/both/"
            here, there = await outer.get(path, Accept=JSON), await inner.get(path, Accept=JSON)
            facts = ("filename", "hashes", "size", "upload-time", "yanked", "core-metadata")
            assert [{name: file.get(name) for name in facts} for file in here.json()["files"]] == [
                {name: file.get(name) for name in facts} for file in there.json()["files"]
            ]
            got = await clients.download(outer.index(), "theirs", "both==9.0")
            assert len(got.files) == 2, got.ran.text


async def test_a_feed_that_is_its_own_upstream_is_a_loop_and_ends(clients: Clients, tmp_path: Path) -> None:
    async with Gateway(tmp_path) as gateway:
        gateway.reload(feed(upstream(gateway.index())))
        got = await gateway.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert (got.status, got.json()["type"]) == (508, "urn:feedgate:loop")
        ran = await clients.compile(gateway.index(), "demo")
        assert "Loop detected" in ran.text, ran.text
        asked = [line for line in await gateway.answered() if "/demo/" in line.path]
        assert {line.status for line in asked} == {508}
        assert len(asked) <= 6


async def test_two_servers_that_follow_each_other_are_a_loop_and_end(tmp_path: Path) -> None:
    async with Gateway(tmp_path / "one") as one, Gateway(tmp_path / "two") as two:
        one.reload(feed(upstream(two.index())))
        two.reload(feed(upstream(one.index())))
        got = await one.get("/pypi/pypi/simple/demo/", Accept=JSON)
        assert (got.status, got.json()["type"]) == (508, "urn:feedgate:loop")
        assert len([line for line in await one.answered() if "/demo/" in line.path]) <= 8


async def test_an_offline_feed_serves_what_it_holds_and_asks_nobody(
    two: Two, clients: Clients, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with Gateway(tmp_path, two.feed(), clock=clock) as gateway:
        assert len((await clients.download(gateway.index(), "mine")).files) == 2
        assert (await gateway.get("/pypi/pypi/pypi/mine/json")).status == 200
        gateway.reload(two.feed(offline=True))
        clock.advance(365 * 86400)
        two.our_origin.forget()
        two.public_origin.forget()
        there = clients.elsewhere("second")
        got = await there.download(gateway.index(), "mine")
        assert len(got.files) == 2, got.ran.text
        assert (await there.install(gateway.index(), "mine")).versions == {"mine": "1.0", "theirs": "1.0"}
        assert (await gateway.get("/pypi/pypi/pypi/mine/json")).status == 200
        both = await gateway.get("/pypi/pypi/simple/both/", Accept=JSON)
        assert both.status == 404
        assert "offline" in both.json()["detail"]
        assert (await there.download(gateway.index(), "both")).files == {}
        assert two.our_origin.requests == two.public_origin.requests == []
