"""Promotion with dependencies: what is approved is what an installer needs, no less and little more."""

from typing import Any

from tests.approval.desk import Desk
from tests.support.wheels import sdist, wheel

LINUX: dict[str, Any] = {"include_dependencies": True, "platforms": ["linux-64"], "python_versions": ["3.12"]}


def told(document: dict[str, Any]) -> dict[str, str]:
    return {item["artifact"]: item["why"] for item in document["artifacts"]}


async def test_what_is_needed_comes_along_and_says_for_whom(desk: Desk) -> None:
    await desk.start()
    assert told(await desk.promote("demo", **LINUX)) == {
        "demo-2.0-py3-none-any.whl": "requested",
        "leaf-2.0-py3-none-any.whl": "needed by demo",
    }


async def test_markers_are_those_of_the_platform(desk: Desk) -> None:
    await desk.start()
    document = await desk.promote("demo", **(LINUX | {"platforms": ["win-64"]}))
    assert told(document)["tool-1.0-py3-none-any.whl"] == "needed by demo"


async def test_every_platform_and_python_is_solved(desk: Desk) -> None:
    for python in ("cp311", "cp312"):
        for platform in ("manylinux_2_17_x86_64", "win_amd64", "macosx_11_0_arm64"):
            desk.index.add(wheel("fast", "1.0", tag=f"{python}-{python}-{platform}"))
    desk.index.add(
        wheel("app", "1.0", requires=["fast", "old; python_version < '3.12'"]), wheel("old", "1.0")
    )
    await desk.start()
    asked = {"platforms": ["linux-64", "win-64"], "python_versions": ["3.11", "3.12"]}
    document = await desk.promote("app", include_dependencies=True, **asked)
    assert set(told(document)) == {
        "app-1.0-py3-none-any.whl",
        "old-1.0-py3-none-any.whl",
        *(
            f"fast-1.0-{python}-{python}-{platform}.whl"
            for python in ("cp311", "cp312")
            for platform in ("manylinux_2_17_x86_64", "win_amd64")
        ),
    }


async def test_extras_bring_what_they_name(desk: Desk) -> None:
    desk.index.add(wheel("app", "1.0", requires=["leaf==1.0; extra == 'fast'", "tool; extra == 'docs'"]))
    await desk.start()
    assert told(await desk.promote("app[fast]", **LINUX)) == {
        "app-1.0-py3-none-any.whl": "requested",
        "leaf-1.0-py3-none-any.whl": "needed by app",
    }


async def test_older_versions_are_taken_where_the_newest_do_not_go_together(desk: Desk) -> None:
    desk.index.add(wheel("app", "1.0", requires=["leaf<2", "demo"]))
    desk.index.add(wheel("demo", "3.0", requires=["leaf>=2"]))
    await desk.start()
    assert set(told(await desk.promote("app", **LINUX))) == {
        "app-1.0-py3-none-any.whl",
        "demo-2.0-py3-none-any.whl",
        "leaf-1.0-py3-none-any.whl",
    }


async def test_what_cannot_be_solved_is_told_with_its_reason(desk: Desk) -> None:
    desk.index.add(wheel("app", "1.0", requires=["leaf>=3"]))
    await desk.start()
    got = await desk.order("app", **LINUX)
    assert (got.status, got.json()["type"]) == (409, "urn:feedgate:conflict")
    (refused,) = got.json()["artifacts"]
    assert (refused["spec"], refused["outcome"]) == ("app", "unsolvable")
    assert "app 1.0 needs leaf>=3" in refused["reason"] and "linux-64" in refused["reason"]
    assert await desk.approvals() == {}


async def test_a_dependency_that_nobody_has_is_unsolvable(desk: Desk) -> None:
    desk.index.add(wheel("app", "1.0", requires=["nothere"]))
    await desk.start()
    got = await desk.order("app", **LINUX)
    assert (got.status, got.json()["artifacts"][0]["outcome"]) == (409, "unsolvable")


async def test_a_dependency_that_is_approved_already_stays_as_it_is(desk: Desk) -> None:
    await desk.start()
    await desk.promote("leaf ==1.0")
    document = await desk.promote("demo", **LINUX)
    states = {item["artifact"]: item["state"] for item in document["artifacts"]}
    assert states == {"demo-2.0-py3-none-any.whl": "new", "leaf-1.0-py3-none-any.whl": "already"}


async def test_an_sdist_is_taken_only_where_no_wheel_fits_with_what_builds_it(desk: Desk) -> None:
    desk.index.add(sdist("pure", "1.0", requires=["leaf==2.0"]))
    desk.index.add(wheel("app", "1.0", requires=["pure"]), sdist("app", "1.0", requires=["pure"]))
    await desk.start()
    assert told(await desk.promote("app", **LINUX)) == {
        "app-1.0-py3-none-any.whl": "requested",
        "pure-1.0.tar.gz": "needed by app",
        "leaf-2.0-py3-none-any.whl": "needed by pure",
    }


async def test_a_yanked_version_is_needed_only_where_it_is_pinned(desk: Desk) -> None:
    desk.index.yank("leaf-2.0-py3-none-any.whl", "broken")
    desk.index.add(wheel("app", "1.0", requires=["leaf==2.0"]))
    await desk.start()
    got = await desk.order("demo", **LINUX, dry_run=True)
    assert "leaf-1.0-py3-none-any.whl" in told(got.json())
    got = await desk.order("app", **LINUX, dry_run=True)
    assert "leaf-2.0-py3-none-any.whl" in told(got.json())


async def test_artifacts_bring_what_they_need(desk: Desk) -> None:
    await desk.start()
    document = await desk.promote(artifacts=["demo-2.0-py3-none-any.whl"], **LINUX)
    assert told(document) == {
        "demo-2.0-py3-none-any.whl": "requested",
        "leaf-2.0-py3-none-any.whl": "needed by demo",
    }


async def test_all_versions_bring_what_each_of_them_needs(desk: Desk) -> None:
    desk.index.add(wheel("app", "1.0", requires=["leaf==1.0"]), wheel("app", "2.0", requires=["leaf==2.0"]))
    await desk.start()
    document = await desk.promote("app", versions="all", **LINUX)
    assert set(told(document)) == {
        f"{name}-{version}-py3-none-any.whl" for name in ("app", "leaf") for version in ("1.0", "2.0")
    }


async def test_a_loop_of_needs_ends(desk: Desk) -> None:
    desk.index.add(wheel("hen", "1.0", requires=["egg"]), wheel("egg", "1.0", requires=["hen"]))
    await desk.start()
    assert set(told(await desk.promote("hen", **LINUX))) == {
        "hen-1.0-py3-none-any.whl",
        "egg-1.0-py3-none-any.whl",
    }


async def test_no_bytes_are_fetched_to_find_out_what_is_needed(desk: Desk) -> None:
    await desk.start()
    got = await desk.order("demo", **LINUX, dry_run=True)
    assert got.status == 200
    asked = [request.path for request in desk.origin.received()]
    assert not [path for path in asked if path.endswith(".whl")]
