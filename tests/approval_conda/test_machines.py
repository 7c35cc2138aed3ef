"""The machines that a closure is solved for: what a request says of them, what is left out; a Python where needed."""

from typing import Any

import pytest

from tests.approval_conda.desk import LINUX, Desk
from tests.support.conda_packages import Package, bare, python

DEPS: dict[str, Any] = {"include_dependencies": True, "python_versions": ["3.12"]}
LEVEL = "_x86_64-microarch-level"


def level(number: int, build: str) -> Package:
    depends = [f"__archspec 1={build}"]
    return bare(LEVEL, str(number), f"2_{build}", subdir="noarch", noarch="generic", depends=depends)


def paths(*files: str) -> set[str]:
    return {f"{LINUX}/{file}" for file in files}


async def leveled(desk: Desk) -> None:
    """A package in a build for each level, as conda-forge has them."""
    desk.channel.add(
        level(1, "x86_64"), level(2, "x86_64_v2"), level(3, "x86_64_v3"), level(3, "haswell"), level(4, "x86_64_v4"),
        *(bare("tool", "1", f"v{each}", depends=[f"{LEVEL} >={each}"]) for each in (1, 3, 4)),
        bare("tool", "1", "odd", depends=["__archspec 1=zen9"]),
    )  # fmt: skip
    await desk.begin()


async def test_builds_for_every_level_are_approved_and_what_no_machine_has_is_told(desk: Desk) -> None:
    await leveled(desk)
    document = (await desk.order("tool", **DEPS, dry_run=True)).json()
    assert {item["artifact"] for item in document["artifacts"] if item["name"] == "tool"} == paths(
        "tool-1-v1.conda", "tool-1-v3.conda", "tool-1-v4.conda"
    )
    (left_out,) = document["left_out"]
    assert left_out["artifact"] == f"{LINUX}/tool-1-odd.conda"
    assert "it needs __archspec" in left_out["reason"] and "zen9" in left_out["reason"]
    assert "virtual_packages" in left_out["reason"]


async def test_what_the_request_says_of_the_machine_counts(desk: Desk) -> None:
    await leveled(desk)
    got = await desk.order("tool", **DEPS, virtual_packages=["__archspec=1=haswell"])
    assert got.status == 201, got.body
    document = got.json()
    assert {item["artifact"] for item in document["artifacts"]} == {
        *paths("tool-1-v1.conda", "tool-1-v3.conda"),
        f"noarch/{LEVEL}-3-2_haswell.conda",
    }
    told = {each["artifact"] for each in document["left_out"]}
    assert told == paths("tool-1-v4.conda", "tool-1-odd.conda")
    got = await desk.send("GET", f"/feeds/approved/promotions/{document['id']}")
    assert got.json()["left_out"] == document["left_out"]


@pytest.mark.parametrize(
    ("depends", "virtual", "is_solved"),
    [
        ("__conda >=23.9", (), True),
        ("__cuda_arch >=8.0", (), True),
        ("__cuda >=12", ("__cuda=",), False),
        ("__cuda >=14", ("__cuda=14.1",), True),
        ("__own >=2", ("__own=2.1",), True),
        ("__own >=2", ("__own=1",), False),
        ("__own", ("__own",), True),
    ],
)
async def test_virtual_packages_are_known_or_said(
    desk: Desk, depends: str, virtual: tuple[str, ...], is_solved: bool
) -> None:
    desk.channel.add(bare("tool", depends=[depends]))
    await desk.begin()
    got = await desk.order("tool", **DEPS, virtual_packages=list(virtual), dry_run=True)
    assert got.status == (200 if is_solved else 409), got.body
    if not is_solved:
        (why,) = got.json()["artifacts"]
        assert why["outcome"] == "unsolvable"
        assert depends.partition(" ")[0] in why["reason"] and "virtual_packages" in why["reason"]


async def test_a_newer_version_that_an_old_machine_cannot_have_is_told(desk: Desk) -> None:
    desk.channel.add(
        bare("tool", "2", depends=["__glibc >=2.34"]), bare("tool", "1", depends=["__glibc >=2.17"])
    )
    await desk.begin()
    document = (await desk.order("tool", **DEPS, dry_run=True)).json()
    assert {item["artifact"] for item in document["artifacts"]} == paths("tool-1-0.conda")
    (left_out,) = document["left_out"]
    assert left_out["artifact"] == f"{LINUX}/tool-2-0.conda" and "takes 1" in left_out["reason"]
    got = await desk.order("tool", **DEPS, virtual_packages=["__glibc=2.39"], dry_run=True)
    assert {item["artifact"] for item in got.json()["artifacts"]} == paths("tool-2-0.conda")
    assert "left_out" not in got.json()


async def test_a_virtual_package_that_cannot_be_read_is_told_with_its_place(desk: Desk) -> None:
    await desk.begin()
    bad = ["glibc=2.28", "__x=1=2=3", "__y=(((", "__z=1..2", "__ok=1"]
    got = await desk.order("tool", **DEPS, virtual_packages=bad)
    assert got.status == 422
    assert [fault["key"] for fault in got.json()["faults"]] == [f"virtual_packages[{n}]" for n in range(4)]


async def test_python_is_asked_for_only_where_it_is_needed(desk: Desk) -> None:
    desk.channel.add(
        bare("r-tool", depends=["r-base"]), bare("r-base"), bare("tool", depends=["python"]), python("3.12.1")
    )
    await desk.begin()
    found = await desk.promote("r-tool", include_dependencies=True)
    assert set(found) == paths("r-tool-1.0-0.conda", "r-base-1.0-0.conda")
    for specs in (("tool",), ("python",), ("tool", "r-tool")):
        got = await desk.order(*specs, include_dependencies=True)
        assert got.status == 422
        (fault,) = got.json()["faults"]
        assert fault["key"] == "python_versions" and "needs python on linux-64" in fault["message"]
    assert len(await desk.promote("tool", **DEPS)) == 2
