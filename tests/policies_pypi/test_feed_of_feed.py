"""A feed that takes from another sees what that one shows, its policy included: it can only narrow it (case D07)."""

from pathlib import Path

import pytest

from proxy.config.settings import Upstream
from proxy.policy.settings import Policy
from tests.policies_pypi.roads import agreed, by_json, place
from tests.support.clock import FakeClock
from tests.support.gateway import Gateway, eventually, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import wheel

ONE, TWO, THREE = (f"demo-{n}.0-py3-none-any.whl" for n in (1, 2, 3))
INNER = Upstream("of-inner", feed="inner")


def filled(index: FakeIndex) -> None:
    index.add(*(wheel("demo", f"{n}.0") for n in (1, 2, 3)), wheel("evil", "1.0"))


async def test_the_outer_feed_shows_what_both_policies_show(tmp_path: Path, index: FakeIndex) -> None:
    filled(index)
    inner = feed(upstream(index.url), name="inner", policy="inner")
    outer = feed(INNER, name="outer", policy="outer")
    policies = [Policy("inner", block=("demo ==1.0",)), Policy("outer", block=("demo ==2.0",))]
    async with Gateway(tmp_path, inner, outer, policies=policies) as gateway:
        assert await agreed(gateway, index, "demo", "inner") == {TWO, THREE}
        assert await agreed(gateway, index, "demo", "outer") == {THREE}
        told = (await gateway.get(place(index, ONE, "outer"))).json()
        assert (told["type"], told["feed"], told["policy"]) == ("urn:feedgate:blocked", "outer", "inner")
        told = (await gateway.get(place(index, TWO, "outer"))).json()
        assert told["policy"] == "outer"


@pytest.mark.parametrize("mode", ["allow", "audit", "none"])
async def test_no_policy_of_the_outer_feed_brings_back_what_the_inner_hides(
    tmp_path: Path, index: FakeIndex, mode: str
) -> None:
    filled(index)
    inner = feed(upstream(index.url), name="inner", policy="inner")
    outer = feed(INNER, name="outer", policy=None if mode == "none" else "outer")
    wide = Policy("outer", block=("*",), allow=("*",)) if mode == "allow" else Policy("outer", mode="audit")
    async with Gateway(
        tmp_path, inner, outer, policies=[Policy("inner", block=("demo <3",)), wide]
    ) as gateway:
        assert await agreed(gateway, index, "demo", "outer") == {THREE}


async def test_a_cached_file_is_refused_by_the_outer_feed_too(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    inner, outer = feed(upstream(index.url), name="inner", policy="p"), feed(INNER, name="outer")
    async with Gateway(tmp_path, inner, outer, policies=[Policy("p")]) as gateway:
        assert (await gateway.get(place(index, ONE, "outer"))).status == 200
        gateway.reload(policies=[Policy("p", block=("demo <2",))])
        assert (await gateway.get(place(index, ONE, "outer"))).status == 403
        assert await agreed(gateway, index, "demo", "outer") == {TWO, THREE}
        gateway.reload(policies=[Policy("p", block=("demo <9",))])
        assert (await gateway.get("/pypi/outer/simple/demo/")).json()["rule"] == "block"
        both = feed(INNER, name="outer", policy="q")
        gateway.reload(inner, both, policies=[Policy("p", block=("demo <9",)), Policy("q", block=("other",))])
        told = (await gateway.get("/pypi/outer/simple/demo/")).json()
        assert (told["type"], told["policy"]) == ("urn:feedgate:blocked", "p")
        gateway.reload(inner, outer, policies=[Policy("p", block=("demo",))])
        assert (await gateway.get("/pypi/outer/simple/demo/")).json()["rule"] == "block"
        assert (await gateway.get(place(index, TWO, "outer"))).status == 403


async def test_a_name_that_the_inner_feed_hides_never_falls_to_the_next_upstream(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    async with Origin() as elsewhere:
        other = FakeIndex(elsewhere)
        other.add(wheel("evil", "1.0", payload=10), wheel("demo", "9.0"), wheel("more", "1.0"))
        inner = feed(upstream(index.url), name="inner", policy="p")
        outer = feed(INNER, upstream(other.url, "other"), name="outer")
        policies = [Policy("p", block=("evil", "demo <9"))]
        async with Gateway(tmp_path, inner, outer, policies=policies) as gateway:
            for name in ("evil", "demo"):
                assert (await gateway.get(f"/pypi/outer/simple/{name}/")).status == 404
                assert elsewhere.hits(other.page_path(name)) == 0
            assert (await gateway.get(place(other, "evil-1.0-py3-none-any.whl", "outer"))).status == 403
            assert await agreed(gateway, other, "more", "outer") == {"more-1.0-py3-none-any.whl"}
        assert origin.hits(index.page_path("evil")) == 0


async def test_the_outer_list_of_names_leaves_out_what_the_inner_policy_hides(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    inner = feed(upstream(index.url), name="inner", policy="p")
    outer = feed(INNER, name="outer")
    async with Gateway(tmp_path, inner, outer, policies=[Policy("p", block=("evil",))]) as gateway:
        listed = await eventually(lambda: gateway.get("/pypi/outer/simple/", Accept=JSON))
        assert [project["name"] for project in listed.json()["projects"]] == ["demo"]


async def test_an_age_that_is_reached_in_the_inner_feed_is_reached_in_the_outer_at_the_same_tick(
    tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    index.add(wheel("demo", "1.0"), uploaded_at=clock.now())
    inner, outer = feed(upstream(index.url), name="inner", policy="p"), feed(INNER, name="outer")
    policies = [Policy("p", min_age_s=3600)]
    async with Gateway(tmp_path, inner, outer, policies=policies, clock=clock) as gateway:
        for name in ("inner", "outer"):
            assert await by_json(gateway, "demo", name) == set()
            assert (await gateway.get(place(index, ONE, name))).json()["type"] == "urn:feedgate:held"
        clock.advance(3599)
        for name in ("inner", "outer"):
            assert await by_json(gateway, "demo", name) == set()
        clock.advance(1)
        for name in ("outer", "inner"):
            assert (await gateway.get(place(index, ONE, name))).status == 200
            assert len(await by_json(gateway, "demo", name)) == 1


async def test_licences_are_asked_for_through_the_chain_of_feeds(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    index.add(wheel("demo", "1.0", fields=["License-Expression: MIT"]))
    index.add(wheel("demo", "2.0", fields=["License-Expression: GPL-3.0-only"]))
    inner, outer = feed(upstream(index.url), name="inner"), feed(INNER, name="outer", policy="p")
    async with Gateway(tmp_path, inner, outer, policies=[Policy("p", block_licenses=("GPL3",))]) as gateway:
        assert await agreed(gateway, index, "demo", "outer") == {ONE}
        assert await agreed(gateway, index, "demo", "inner") == {ONE, TWO}


async def test_a_package_list_is_worked_out_through_the_chain_of_feeds(
    tmp_path: Path, index: FakeIndex
) -> None:
    index.add(wheel("top", "1.0", requires=["leaf", "evil"]), wheel("leaf", "1.0"), wheel("evil", "1.0"))
    inner = feed(upstream(index.url), name="inner", policy="inner")
    outer = feed(INNER, name="outer", policy="outer")
    policies = [Policy("inner", block=("evil",)), Policy("outer", only=("top",), include_dependencies=True)]
    async with Gateway(tmp_path, inner, outer, policies=policies) as gateway:
        assert await agreed(gateway, index, "leaf", "outer") == {"leaf-1.0-py3-none-any.whl"}
        told = (await gateway.get("/pypi/outer/simple/evil/")).json()
        assert (told["type"], told["policy"]) == ("urn:feedgate:blocked", "inner")
