"""Taking back what was approved, many at once: what is meant, what breaks, and that it is all or nothing (PyPI)."""

from typing import Any

from tests.approval.desk import Desk, curated
from tests.support.gateway import Got
from tests.support.wheels import sdist, wheel

DEMO = "demo-2.0-py3-none-any.whl"
LEAF1, LEAF2 = "leaf-1.0-py3-none-any.whl", "leaf-2.0-py3-none-any.whl"


async def recall(desk: Desk, *specs: str, **body: Any) -> Got:
    asked = {"specs": list(specs), "reason": "CVE-1", **body}
    return await desk.send("POST", "/feeds/approved/revocations", asked)


def artifacts(document: dict[str, Any]) -> set[str]:
    return {item["artifact"] for item in document["artifacts"]}


async def test_a_spec_takes_every_version_that_fits_and_tells_what_breaks(desk: Desk) -> None:
    desk.index.add(wheel("top", "1.0", requires=["demo"]), sdist("old", "1.0"))
    await desk.start()
    await desk.promote("demo ==2.0", "leaf", "top", "old")
    await desk.promote("leaf", versions="all")
    await desk.held()

    # One of two versions is left, which still fits: nothing breaks.
    got = await recall(desk, "leaf >=2", dry_run=True)
    assert got.status == 200 and got.json()["id"] is None
    assert (artifacts(got.json()), got.json()["breaks"], got.json()["unread"]) == ({LEAF2}, [], [])
    assert await desk.listed("leaf") == [LEAF1, LEAF2]

    got = await recall(desk, "Leaf")
    document = got.json()
    assert got.status == 201 and artifacts(document) == {LEAF1, LEAF2}
    assert [item["state"] for item in document["artifacts"]] == ["revoked", "revoked"]
    # What needs it breaks, and what needs that; the needs of an extra or of what nothing ever met are no news.
    assert [(each["artifact"], each["needs"]) for each in document["breaks"]] == [
        (DEMO, "leaf>=1"), ("demo-2.0.tar.gz", "leaf>=1"), ("top-1.0-py3-none-any.whl", "demo"),
    ]  # fmt: skip
    assert await desk.listed("leaf") == []
    assert (await desk.file(LEAF1)).status == 403

    # One entry of the audit says all of it, by names.
    (entry,) = (await desk.send("GET", "/audit?action=revocation.create")).json()["items"]
    assert (entry["subject"], entry["detail"]) == (document["id"], "CVE-1")
    assert [(each["name"], each["version"]) for each in entry["after"]["revoked"]] == [
        ("leaf", "2.0"),
        ("leaf", "1.0"),
    ]


async def test_a_promotion_is_undone_and_nothing_else(desk: Desk) -> None:
    await desk.start()
    first = await desk.promote("leaf ==1.0")
    second = await desk.promote("leaf ==1.0", "demo ==2.0")
    document = (await recall(desk, promotion=second["id"])).json()
    assert artifacts(document) == {DEMO, "demo-2.0.tar.gz"} and document["breaks"] == []
    assert await desk.listed("leaf") == [LEAF1]
    # By file and by the id of the approval, through both fields.
    approval = (await desk.approvals(state="active"))[LEAF1]
    assert artifacts((await recall(desk, artifacts=[approval["id"]], dry_run=True)).json()) == {LEAF1}
    assert artifacts((await recall(desk, LEAF1)).json()) == {LEAF1}
    got = await recall(desk, promotion=first["id"])
    assert got.status == 404 and "any more" in got.json()["detail"]


async def test_all_of_it_or_nothing_is_revoked(desk: Desk) -> None:
    await desk.start(desk.open(), curated())
    await desk.promote("leaf ==1.0")
    got = await recall(desk, "leaf", "nothere", artifacts=["gone-1.0.tar.gz"])
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:unknown")
    assert [each.get("spec") or each["artifact"] for each in got.json()["artifacts"]] == [
        "gone-1.0.tar.gz",
        "nothere",
    ]
    wrongs: list[dict[str, Any]] = [
        {"specs": []}, {"reason": " "}, {"specs": ["leaf =1"]}, {"specs": ["leaf; python_version>'3'"]},
    ]  # fmt: skip
    for wrong in wrongs:
        body = {"specs": ["leaf"], "reason": "x"} | wrong
        assert (await desk.send("POST", "/feeds/approved/revocations", body)).status == 422, wrong
    assert (await desk.send("POST", "/feeds/open/revocations", {"specs": ["leaf"]})).status == 422
    assert await desk.listed("leaf") == [LEAF1]
    assert "revocation.create" not in await desk.audited()


async def test_revoking_takes_the_right_to_promote(desk: Desk) -> None:
    await desk.start()
    await desk.promote("leaf ==1.0")
    body = {"name": "reader", "grants": [{"feed": "approved", "rights": ["read"]}]}
    reader = (await desk.send("POST", "/keys", body)).json()["value"]
    asked = {"specs": ["leaf"], "reason": "no", "dry_run": True}
    assert (await desk.send("POST", "/feeds/approved/revocations", asked, key=reader)).status == 403
    assert (await desk.send("POST", "/feeds/approved/revocations", asked, key=None)).status == 401


async def test_of_what_is_not_held_it_is_told_that_nobody_knows(desk: Desk) -> None:
    desk.index.add(sdist("source", "1.0"))
    await desk.start(desk.open(), curated(fetch="lazy"))
    await desk.promote("source", "leaf ==1.0")
    document = (await recall(desk, "leaf", dry_run=True)).json()
    assert (document["breaks"], document["unread"]) == ([], ["source-1.0.tar.gz"])
    assert desk.origin.hits(desk.index.file_path("source-1.0.tar.gz")) == 0


async def test_explain_tells_what_an_approved_package_lacks(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo ==2.0")
    await desk.held()

    async def missing() -> tuple[str, list[str], str]:
        got = await desk.send("GET", f"/feeds/approved/explain?artifact={DEMO}")
        (item,) = got.json()["items"]
        return item["outcome"], item["missing"], item["reason"]

    outcome, missed, reason = await missing()
    assert (outcome, missed[0]) == ("allow", "leaf>=1") and "it needs leaf>=1" in reason
    await desk.promote("leaf", "tool")
    assert (await missing())[:2] == ("allow", [])
