"""What lists and explain tell of a curated PyPI feed: what is approved, by whom, what was revoked, what never was."""

from typing import Any
from urllib.parse import urlencode

from proxy.config.settings import Upstream
from proxy.policy.settings import Policy
from tests.approval.desk import KEY, Desk, curated
from tests.support.gateway import feed

WHEEL = "demo-1.0-py3-none-any.whl"


async def explained(desk: Desk, **query: str) -> dict[str, Any]:
    got = await desk.send("GET", f"/feeds/approved/explain?{urlencode(query)}")
    assert got.status == 200, got.body
    item: dict[str, Any] = got.json()["items"][0]
    return item


async def test_explain_names_who_approved(desk: Desk) -> None:
    await desk.start()
    made = await desk.promote("demo ==1.0")
    item = await explained(desk, artifact=WHEEL)
    assert (item["outcome"], item["approvers"]) == ("allow", [made["actor"]])


async def test_what_nobody_approved_is_told_as_such(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo ==1.0")
    for query in (
        {"spec": "leaf"},
        {"artifact": "leaf-1.0-py3-none-any.whl"},
        {"artifact": "demo-2.0.tar.gz"},
    ):
        item = await explained(desk, **query)
        assert (item["outcome"], item["rule"]) == ("absent", "not-approved"), item
    got = await desk.send("GET", "/feeds/approved/packages/leaf")
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")


async def test_what_was_revoked_is_told_with_the_reason(desk: Desk) -> None:
    await desk.start()
    made = await desk.promote("demo ==1.0")
    assert len(made["artifacts"]) == 2
    approvals = (await desk.send("GET", "/feeds/approved/approvals")).json()["items"]
    mine = next(each for each in approvals if each["artifact"] == WHEEL)
    gone = await desk.send("DELETE", f"/feeds/approved/approvals/{mine['id']}", {"reason": "a hole in it"})
    assert gone.status in (200, 204), gone.body
    item = await explained(desk, artifact=WHEEL)
    assert (item["outcome"], item["policy"]) == ("block", None)
    assert "a hole in it" in item["reason"]
    assert (await explained(desk, artifact="demo-1.0.tar.gz"))["outcome"] == "allow"


async def test_policy_of_a_curated_feed_is_explained_with_the_approver(desk: Desk) -> None:
    feeds = (desk.open(), curated(policy="corp"))
    await desk.start(*feeds, policies=(Policy("corp"),))
    await desk.promote("demo ==1.0")
    desk.gateway.reload(policies=(Policy("corp", block=("demo",)),))
    item = await explained(desk, artifact=WHEEL)
    assert (item["outcome"], item["rule"], item["policy"]) == ("block", "block", "corp")
    assert KEY not in str(item)


async def test_draft_is_tried_on_what_is_approved(desk: Desk) -> None:
    outer = feed(Upstream(id="of-approved", feed="approved"), name="outer")
    await desk.start(desk.open(), curated(), outer)
    await desk.promote("demo ==1.0", "leaf")
    for name in ("approved", "outer"):
        told = await desk.send("POST", f"/feeds/{name}/policy-trial", {"policy": {"block": ["leaf"]}})
        assert (told.json()["names"], told.json()["files"], told.json()["lost_names"]) == (2, 3, ["leaf"])


async def test_approved_names_are_listed(desk: Desk) -> None:
    await desk.start()
    assert await _approved(desk) == []
    await desk.promote("demo ==1.0", "leaf")
    assert await _approved(desk) == ["demo", "leaf"]
    assert await _approved(desk, "&q=lea") == ["leaf"]
    for artifact in [name for name in await desk.approvals() if name.startswith("leaf")]:
        assert (await desk.revoke(artifact)).status == 200
    assert await _approved(desk) == ["demo"]


async def _approved(desk: Desk, more: str = "") -> list[str]:
    got = await desk.send("GET", f"/feeds/approved/packages?state=approved{more}")
    assert got.status == 200, got.body
    return [item["name"] for item in got.json()["items"]]


async def test_counts_of_names_are_those_of_the_approvals(desk: Desk) -> None:
    await desk.start(
        desk.open(),
        curated(),
        curated("judged", policy="corp"),
        policies=(Policy("corp", block=("demo ==1",)),),
    )
    for name in ("approved", "judged"):
        await desk.promote("demo ==2.0", "leaf", to=name)
    await desk.promote("demo", "leaf", versions="all")
    await desk.revoke("leaf-2.0-py3-none-any.whl")
    assert await _counts(desk, "approved") == {"demo": (2, 4, 0), "leaf": (1, 1, 1)}
    assert await _counts(desk, "approved", "hidden") == {"leaf": (1, 1, 1)}
    # What a policy hides of them is told, too.
    desk.gateway.reload(policies=(Policy("corp", block=("demo ==2",)),))
    assert await _counts(desk, "judged") == {"demo": (0, 0, 2), "leaf": (1, 1, 0)}


async def _counts(desk: Desk, feed: str, state: str | None = None) -> dict[str, tuple[int, int, int]]:
    got = await desk.send("GET", f"/feeds/{feed}/packages" + (f"?state={state}" if state else ""))
    return {item["name"]: (item["versions"], item["files"], item["hidden"]) for item in got.json()["items"]}
