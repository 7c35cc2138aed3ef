"""After the approval: revoked, drifted, withdrawn, quarantined, yanked, accepted (A08, D09; design, law 7)."""

from typing import Any

import pytest

from tests.approval.desk import Desk, curated
from tests.support.gateway import Got, until
from tests.support.wheels import wheel

DEMO1 = "demo-1.0-py3-none-any.whl"
SDIST1 = "demo-1.0.tar.gz"


async def looked(desk: Desk, kind: str | None, *artifacts: str, feed: str = "approved") -> dict[str, Any]:
    """Let the watch compare until it finds this of the artifacts (all, if none is named); return the approvals.

    A look may share the answer to a question that was under way before the origin changed.
    """
    for _ in range(50):
        await desk.gateway.app.curating.watch.look()
        found = await desk.approvals(feed)
        kinds = {found[each]["drift"] and found[each]["drift"]["kind"] for each in artifacts or found}
        if kinds == {kind}:
            return found
    raise AssertionError(f"{kinds} instead of {kind}")


async def test_a_revoked_file_is_gone_from_gate_and_index_with_the_next_request(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo ==1.0")
    path = desk.path(DEMO1)
    assert (await desk.file(DEMO1)).status == 200
    assert (await desk.revoke(DEMO1, "CVE-2026-1")).status == 200
    for method in ("GET", "HEAD"):
        for suffix in ("", ".metadata"):
            got = await desk.gateway.get(f"{path}{suffix}", method=method)
            assert got.status == 403
    got = await desk.file(DEMO1)
    assert got.json()["type"] == "urn:feedgate:revoked" and "CVE-2026-1" in got.json()["detail"]
    assert await desk.listed("demo") == [SDIST1]
    html = await desk.gateway.get("/pypi/approved/simple/demo/", Accept="text/html")
    assert DEMO1.encode() not in html.body
    legacy = await desk.gateway.get("/pypi/approved/pypi/demo/json")
    assert DEMO1.encode() not in legacy.body
    assert "approval.revoke" in await desk.audited()


async def test_a_name_whose_last_file_is_revoked_is_not_approved_any_more(desk: Desk) -> None:
    await desk.start()
    await desk.promote("leaf ==1.0")
    await desk.revoke("leaf-1.0-py3-none-any.whl")
    got = await desk.page("leaf")
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")
    assert (await desk.file("leaf-1.0-py3-none-any.whl")).json()["type"] == "urn:feedgate:revoked"
    names = await desk.gateway.get("/pypi/approved/simple/", Accept="text/html")
    assert b"leaf" not in names.body


async def test_a_revocation_stays_over_a_restart_and_ends_with_a_new_approval(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    await desk.revoke(DEMO1)
    await desk.gateway.restart()
    assert (await desk.file(DEMO1)).status == 403
    await desk.promote(artifacts=[DEMO1])
    assert (await desk.file(DEMO1)).status == 200
    states = sorted(
        item["state"] for item in (await desk.send("GET", "/feeds/approved/approvals")).json()["items"]
    )
    assert states == ["active", "revoked"]


async def test_a_revocation_wants_a_reason_and_something_to_revoke(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    id_ = (await desk.approvals())[DEMO1]["id"]
    path = f"/feeds/approved/approvals/{id_}"
    assert (await desk.send("DELETE", path, {"reason": " "})).status == 422
    assert (await desk.send("DELETE", path, {})).status == 422
    assert (await desk.send("DELETE", path, {"reason": "x"}, key=None)).status == 401
    assert (await desk.send("DELETE", "/feeds/approved/approvals/a-none", {"reason": "x"})).status == 404
    assert (await desk.file(DEMO1)).status == 200
    assert (await desk.send("DELETE", path, {"reason": "x"})).status == 200
    assert (await desk.send("DELETE", path, {"reason": "x"})).status == 409


async def test_a_yank_at_the_origin_is_told_and_may_be_accepted(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    desk.index.yank(DEMO1, "broken")
    one = (await looked(desk, "drifted"))[DEMO1]
    assert "yanked it: broken" in one["drift"]["reason"]
    assert list(await desk.approvals(state="drifted")) == [DEMO1]
    assert (await desk.page("demo")).json()["files"][0].get("yanked", False) is False
    path = f"/feeds/approved/approvals/{one['id']}/accept"
    assert (await desk.send("POST", path, {"sha256": "0" * 64})).status == 412
    got = await desk.send("POST", path, {"sha256": one["sha256"]})
    assert (got.status, got.json()["drift"]) == (200, None)
    assert (await desk.page("demo")).json()["files"][0]["yanked"] == "broken"
    assert await desk.approvals(state="drifted") == {}
    assert (await desk.send("POST", path, {"sha256": one["sha256"]})).status == 409
    actions = await desk.audited()
    assert actions.count("approval.drifted") == 1 and actions.count("approval.accept") == 1


async def test_a_change_that_the_origin_takes_back_is_no_drift_any_more(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    desk.index.yank(DEMO1, "broken")
    await looked(desk, "drifted")
    await looked(desk, "drifted")
    desk.index.yank(DEMO1, False)
    await looked(desk, None)
    actions = await desk.audited()
    assert (actions.count("approval.drifted"), actions.count("approval.restored")) == (1, 1)


async def test_a_replaced_file_is_drift_and_the_pinned_bytes_stay(desk: Desk) -> None:
    """A08: the origin replaces an approved file and its index hash."""
    await desk.start()
    pinned = desk.index.file(DEMO1).built
    await desk.promote(artifacts=[DEMO1])
    await desk.held()
    other = desk.index.add(wheel("demo", "1.0", payload=20))
    one = (await looked(desk, "drifted"))[DEMO1]
    assert one["drift"]["sha256"] == other.built.sha256
    assert one["sha256"] == pinned.sha256
    got = await desk.gateway.get(await place(desk))
    assert got.body == pinned.data
    refused = await desk.order(artifacts=[DEMO1])
    assert (refused.status, refused.json()["artifacts"][0]["outcome"]) == (409, "drifted")
    path = f"/feeds/approved/approvals/{one['id']}/accept"
    assert (await desk.send("POST", path, {"sha256": other.built.sha256})).status == 200
    assert (await desk.held())[DEMO1]["bytes"] == "held"
    got = await desk.gateway.get(await place(desk))
    assert got.body == other.built.data


async def test_bytes_that_are_lost_here_and_there_are_told_as_such(desk: Desk) -> None:
    """A08: the vault has lost them, and the origin has others by now."""
    await desk.start(desk.open(), curated(fetch="lazy"))
    await desk.promote(artifacts=[DEMO1])
    pinned = desk.index.file(DEMO1)
    at = await place(desk)
    where = pinned.path
    desk.index.hosted[where].built = wheel("demo", "1.0", payload=20)
    got = await desk.gateway.get(at)
    assert (got.status, got.json()["type"]) == (502, "urn:feedgate:pinned-unavailable")
    del desk.index.hosted[where]
    await desk.gateway.restart()
    got = await desk.gateway.get(at)
    assert (got.status, got.json()["type"]) == (502, "urn:feedgate:pinned-unavailable")


async def test_a_withdrawn_file_goes_on_being_served(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo ==1.0")
    await desk.held()
    data = desk.index.file(DEMO1).built.data
    at = await place(desk)
    desk.index.remove(DEMO1, bytes_too=True)
    found = await looked(desk, "withdrawn", DEMO1)
    assert found[SDIST1]["drift"] is None
    assert list(await desk.approvals(state="withdrawn")) == [DEMO1]
    assert (await desk.gateway.get(at)).body == data
    desk.index.remove_project("demo")
    await looked(desk, "withdrawn")
    assert len(await desk.listed("demo")) == 2
    path = f"/feeds/approved/approvals/{found[DEMO1]['id']}/accept"
    assert (await desk.send("POST", path, {"sha256": found[DEMO1]["sha256"]})).status == 409


async def test_a_quarantine_at_the_origin_reaches_the_approved_feed_until_it_is_lifted(desk: Desk) -> None:
    await desk.start()
    await desk.promote("demo ==1.0")
    await desk.held()
    desk.index.quarantine("demo", "malware")
    await looked(desk, "quarantined")
    got = await desk.file(DEMO1)
    assert (got.status, got.json()["type"]) == (403, "urn:feedgate:quarantined")
    assert await desk.listed("demo") == []
    await desk.gateway.restart_without_cache()
    assert (await desk.file(DEMO1)).status == 403
    desk.index.mark("demo", "active")
    await looked(desk, None)
    assert (await desk.file(DEMO1)).status == 200


async def test_a_look_at_the_source_is_enough_to_notice(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    desk.index.yank(DEMO1, "broken")

    async def asked() -> Got:
        await desk.page("demo", "open")
        return await desk.send("GET", "/feeds/approved/approvals?state=drifted")

    await until(asked, lambda got: bool(got.json()["items"]))


async def test_a_source_that_does_not_answer_changes_nothing(desk: Desk) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    await desk.held()
    await desk.origin.off()
    await looked(desk, None)
    assert (await desk.gateway.get(await place(desk))).status == 200


async def test_a_revocation_in_the_source_is_a_withdrawal_further_on(desk: Desk) -> None:
    await desk.start(desk.open(), curated("test"), curated("production", "test"))
    await desk.promote(artifacts=[DEMO1], to="test")
    await desk.promote(artifacts=[DEMO1], to="production", source="test")
    await desk.revoke(DEMO1, feed="test")
    await looked(desk, "withdrawn", feed="production")
    assert (await desk.file(DEMO1, "production")).status == 200


@pytest.mark.parametrize("state", ["active", "revoked", "drifted", "withdrawn", "pending"])
async def test_every_state_of_the_contract_may_be_asked_for(desk: Desk, state: str) -> None:
    await desk.start()
    assert await desk.approvals(state=state) == {}
    assert (await desk.send("GET", "/feeds/approved/approvals?state=nothing")).status == 422
    assert (await desk.send("GET", "/feeds/open/approvals")).status == 422


async def place(desk: Desk) -> str:
    """Return where the curated feed has the one file of its page that is the wheel, whatever the origin has."""
    page = (await desk.page("demo")).json()
    url = next(file["url"] for file in page["files"] if file["filename"] == DEMO1)
    return str("/pypi/approved/" + url.removeprefix("../../"))
