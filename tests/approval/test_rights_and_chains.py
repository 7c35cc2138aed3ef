"""Who may promote, feeds behind curated feeds, many reviewers at once (D07, D14)."""

import asyncio
import hashlib
from typing import Any

from proxy.config.settings import Upstream
from tests.approval.desk import Desk, curated
from tests.support.gateway import feed
from tests.support.wheels import wheel

DEMO1 = "demo-1.0-py3-none-any.whl"
DEMO2 = "demo-2.0-py3-none-any.whl"


async def key(desk: Desk, **rights: str) -> str:
    """Make a key; `approved="promote"` is a right on a feed."""
    grants = [{"feed": name, "rights": [right]} for name, right in rights.items()]
    made = await desk.send("POST", "/keys", {"name": " ".join([*rights, *rights.values()]), "grants": grants})
    assert made.status == 201, made.body
    return str(made.json()["value"])


async def test_only_the_right_on_the_target_promotes_and_revokes(desk: Desk) -> None:
    await desk.start(desk.open(), curated(), curated("other"))
    for value, status in (
        (await key(desk, approved="read"), 403),
        (await key(desk, other="promote"), 403),
        (await key(desk, other="manage"), 403),
        (await key(desk, approved="promote"), 201),
    ):
        got = await desk.order(artifacts=[DEMO1], key=value)
        assert got.status == status, got.body
    one = (await desk.approvals())[DEMO1]
    path = f"/feeds/approved/approvals/{one['id']}"
    stranger = await key(desk, other="promote", open="manage")
    assert (await desk.send("DELETE", path, {"reason": "x"}, key=stranger)).status == 403
    assert (await desk.send("POST", f"{path}/accept", {"sha256": one["sha256"]}, key=stranger)).status == 403
    assert (await desk.approvals(state="active")).keys() == {DEMO1}
    assert one["actor"] == "approved promote"


async def test_who_may_not_read_the_source_may_not_promote_from_it(desk: Desk) -> None:
    await desk.start(desk.open(anonymous=False), curated())
    value = await key(desk, approved="promote")
    got = await desk.order(artifacts=[DEMO1], key=value)
    assert (got.status, await desk.approvals()) == (404, {})
    both = await key(desk, approved="promote", open="read")
    assert (await desk.order(artifacts=[DEMO1], key=both)).status == 201


async def test_a_closed_curated_feed_tells_nothing_of_its_approvals(desk: Desk) -> None:
    await desk.start(desk.open(), curated(anonymous=False))
    await desk.promote(artifacts=[DEMO1])
    stranger = await key(desk, open="read")
    for path in ("approvals", "promotions"):
        assert (await desk.send("GET", f"/feeds/approved/{path}", key=None)).status == 401
        assert (await desk.send("GET", f"/feeds/approved/{path}", key=stranger)).status == 404
    assert (await desk.file(DEMO1)).status == 401


async def test_many_reviewers_at_once_make_one_approval(desk: Desk) -> None:
    await desk.start()
    got = await asyncio.gather(*(desk.order("demo ==1.0", "leaf") for _ in range(6)))
    assert {each.status for each in got} == {201}
    states = [item["state"] for each in got for item in each.json()["artifacts"] if item["artifact"] == DEMO1]
    assert sorted(states) == ["already"] * 5 + ["new"]
    assert len(await desk.approvals()) == 3


async def test_a_repeat_while_the_first_is_under_way_has_one_effect(desk: Desk) -> None:
    """F04: the client timed out, not the server."""
    await desk.start()
    got = await asyncio.gather(*(desk.order("demo ==1.0", idempotency="k") for _ in range(4)))
    assert {each.status for each in got} == {201} and len({each.body for each in got}) == 1
    assert (await desk.audited()).count("promotion.create") == 1


async def test_an_open_feed_behind_a_curated_one_shows_no_more(desk: Desk) -> None:
    """D07."""
    behind = feed(Upstream("behind", feed="approved"), name="team")
    await desk.start(desk.open(), curated(fetch="lazy"), behind)
    assert (await desk.page("demo", "team")).status == 404
    await desk.promote("demo ==1.0")
    assert await desk.listed("demo", "team") == [DEMO1, "demo-1.0.tar.gz"]
    built = desk.index.file(DEMO1).built
    assert (await desk.file(DEMO1, "team")).body == built.data
    assert (await desk.file(DEMO2, "team")).status == 404
    await desk.revoke(DEMO1)
    assert (await desk.file(DEMO1, "team")).status == 403
    assert await desk.listed("demo", "team") == ["demo-1.0.tar.gz"]


async def test_metadata_is_what_the_page_says_without_the_origin(desk: Desk) -> None:
    """The origin told a wrong digest of a wheel's METADATA: what is approved goes by the wheel."""
    built = wheel("odd", "1.0", requires=["leaf"])
    desk.index.add(built, claimed_metadata_sha256="0" * 64)
    await desk.start()
    await desk.promote("odd")
    await desk.held()
    await desk.origin.off()
    await desk.gateway.restart_without_cache()

    async def told() -> tuple[Any, bytes]:
        side = (await desk.file(built.filename, suffix=".metadata")).body
        return (await desk.page("odd")).json()["files"][0]["core-metadata"], side

    page, side = await told()
    assert side == built.metadata
    assert page == {"sha256": hashlib.sha256(side).hexdigest()}
