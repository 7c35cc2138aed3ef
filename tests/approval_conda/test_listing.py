"""What lists and explain tell of a curated conda feed: what is approved, by whom, what was revoked, what never was."""

from typing import Any

from tests.approval_conda.desk import Desk
from tests.support.conda_packages import bare

A, B = bare("a"), bare("b")
PATH = f"linux-64/{A.file}"


async def api(desk: Desk, path: str) -> Any:
    return (await desk.gateway.get(f"/api/v1/feeds/approved/{path}")).json()


async def test_names_are_those_that_are_approved(desk: Desk) -> None:
    desk.channel.add(A, B, bare("c", subdir="osx-64"))
    await desk.begin()
    await desk.get("osx-64/repodata.json")
    await desk.approve(PATH, "osx-64/c-1.0-0.conda")
    names = [item["name"] for item in (await api(desk, "packages"))["items"]]
    assert names == ["a", "c"]
    approved = (await api(desk, "packages?state=approved"))["items"]
    assert [item["name"] for item in approved] == ["a", "c"]
    (one,) = (await api(desk, "packages?state=approved&q=a"))["items"]
    assert (one["name"], one["files"]) == ("a", 1)
    (item,) = (await api(desk, "packages/a"))["items"]
    assert (item["artifact"], item["sha256"], item["verdict"]["outcome"]) == (PATH, A.sha256, "allow")


async def test_a_name_nobody_approved_is_told_as_such(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.begin()
    await desk.approve(PATH)
    got = await desk.gateway.get("/api/v1/feeds/approved/packages/b")
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")
    for query in ("artifact=linux-64/b-1.0-0.conda", "spec=b", "artifact=linux-64/a-9-0.conda", "spec=a>=9"):
        (item,) = (await api(desk, f"explain?{query}"))["items"]
        assert (item["outcome"], item["rule"]) == ("absent", "not-approved")


async def test_explain_names_who_approved(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.approve(PATH)
    (item,) = (await api(desk, f"explain?artifact={PATH}"))["items"]
    assert (item["outcome"], item["approvers"]) == ("allow", ["tester"])


async def test_what_was_revoked_is_told_with_the_reason_and_without_its_digest(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.approve(PATH)
    await desk.revoke(PATH, "a hole in it")
    (item,) = (await api(desk, "packages/a"))["items"]
    assert (item["verdict"]["rule"], item["verdict"]["outcome"]) == ("approval", "block")
    assert "a hole in it" in item["verdict"]["reason"]
    assert "sha256" not in item
    (item,) = (await api(desk, f"explain?artifact={PATH}"))["items"]
    assert (item["outcome"], item["rule"], item["policy"]) == ("block", "approval", None)
