"""A package list with what it needs: names by requirements, looked up beside the requests; the unknown is held."""

from pathlib import Path

from proxy.policy.settings import Policy
from tests.policies_pypi.roads import agreed, by_json, place
from tests.support.clock import FakeClock
from tests.support.faults import Fault
from tests.support.gateway import Gateway, Got, eventually, feed, upstream
from tests.support.index import JSON, FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel

LIST = Policy("p", only=("top >=2",), include_dependencies=True)


def filled(index: FakeIndex) -> None:
    index.add(
        wheel("top", "1.0", requires=["old"]),
        wheel("top", "2.0", requires=["Mid_dle>=1", "gone", 'x; extra == "e"']),
    )
    index.add(wheel("mid-dle", "1.0", requires=["leaf; sys_platform == 'win32'"]), wheel("leaf", "1.0"))
    index.add(wheel("old", "1.0"), wheel("x", "1.0"), wheel("other", "1.0"))


async def pages(gateway: Gateway, *names: str) -> dict[str, int]:
    return {name: (await gateway.get(f"/pypi/pypi/simple/{name}/")).status for name in names}


async def test_the_list_and_what_it_needs_are_shown_and_nothing_else(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[LIST]) as gateway:
        shown = await pages(gateway, "leaf", "mid-dle", "top", "old", "x", "other")
        assert shown == {"leaf": 200, "mid-dle": 200, "top": 200, "old": 404, "x": 404, "other": 404}
        assert await agreed(gateway, index, "leaf") == {"leaf-1.0-py3-none-any.whl"}
        assert await agreed(gateway, index, "top") == {"top-2.0-py3-none-any.whl"}
        told = (await gateway.get(place(index, "other-1.0-py3-none-any.whl"))).json()
        assert (told["type"], told["rule"]) == ("urn:feedgate:blocked", "only")
        assert not [path for path in ("old", "x", "other") if origin.hits(index.page_path(path))]
        listed = await eventually(lambda: gateway.get("/pypi/pypi/simple/", Accept=JSON))
        assert {each["name"] for each in listed.json()["projects"]} == {"leaf", "mid-dle", "top"}


async def test_a_file_that_is_needed_downloads_without_any_page_having_been_asked_for(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[LIST]) as gateway:
        assert (await gateway.get(place(index, "leaf-1.0-py3-none-any.whl"))).status == 200


async def test_what_cannot_be_found_out_holds_the_rest_and_is_found_out_later(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    filled(index)
    wheel_path = index.file_path("mid_dle-1.0-py3-none-any.whl")
    for path in (wheel_path, f"{wheel_path}.metadata", index.api_path("mid-dle"), "/pypi/mid-dle/1.0/json"):
        origin.always(path, Fault(status=500))
    async with Gateway(
        tmp_path, feed(upstream(index.url), policy="p"), policies=[LIST], clock=clock
    ) as gateway:
        assert await pages(gateway, "top", "mid-dle", "leaf") == {"top": 200, "mid-dle": 200, "leaf": 404}
        assert (await gateway.get("/pypi/pypi/simple/leaf/")).json()["type"] == "urn:feedgate:held"
        origin.heal()
        clock.advance(3600)
        assert await pages(gateway, "leaf") == {"leaf": 200}


async def test_requirements_are_those_of_the_newest_version_that_the_policy_shows(
    tmp_path: Path, index: FakeIndex
) -> None:
    filled(index)
    index.add(wheel("top", "3.0", requires=["other"]), wheel("top", "4.0rc1", requires=["old"]))
    index.yank("top-3.0-py3-none-any.whl")
    policy = Policy("p", only=("top >=2",), include_dependencies=True, yanked="hide", prereleases=False)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        assert await pages(gateway, "leaf", "other", "old") == {"leaf": 200, "other": 404, "old": 404}


async def test_an_sdist_tells_what_it_needs(tmp_path: Path, index: FakeIndex) -> None:
    index.add(sdist("top", "2.0", requires=["leaf"]), wheel("leaf", "1.0"))
    index.reshape(json_api=False, version_json=False)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[LIST]) as gateway:
        assert await pages(gateway, "leaf") == {"leaf": 200}


async def test_names_of_a_glob_bring_theirs_once_they_are_asked_for(tmp_path: Path, index: FakeIndex) -> None:
    filled(index)
    policy = Policy("p", only=("t*",), include_dependencies=True)
    async with Gateway(tmp_path, feed(upstream(index.url), policy="p"), policies=[policy]) as gateway:
        assert await pages(gateway, "other") == {"other": 404}
        assert await pages(gateway, "top") == {"top": 200}
        await eventually(lambda: gateway.get("/pypi/pypi/simple/leaf/"))


async def test_the_set_follows_a_new_version_and_stays_over_a_reload(
    origin: Origin, tmp_path: Path, index: FakeIndex
) -> None:
    clock = FakeClock()
    filled(index)
    settings = feed(upstream(index.url), policy="p")
    async with Gateway(tmp_path, settings, policies=[LIST], clock=clock) as gateway:
        assert await pages(gateway, "leaf", "other") == {"leaf": 200, "other": 404}
        index.add(wheel("top", "5.0", requires=["other"]))
        clock.advance(1200)

        async def later(name: str) -> Got:
            clock.advance(60)
            return await gateway.get(f"/pypi/pypi/simple/{name}/")

        await eventually(lambda: later("other"))
        await eventually(lambda: later("leaf"), 404)
        origin.always(index.page_path("top"), Fault(status=500))
        gateway.reload(policies=[LIST, Policy("unused")])
        assert (await by_json(gateway, "other")) != set()
