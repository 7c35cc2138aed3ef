"""What either feed hides cannot be promoted, and a later block hides what was approved (D09, D14)."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from proxy.policy.settings import Policy
from tests.approval.desk import Desk, curated
from tests.support.clock import START, FakeClock
from tests.support.wheels import wheel

DEMO1 = "demo-1.0-py3-none-any.whl"
DEMO2 = "demo-2.0-py3-none-any.whl"
LINUX: dict[str, Any] = {
    "include_dependencies": True,
    "platforms": ["linux-64"],
    "python_versions": ["3.12"],
}


async def refused(desk: Desk, *specs: str, **body: Any) -> dict[str, dict[str, Any]]:
    """Return why nothing was promoted, by artifact or spec."""
    got = await desk.order(*specs, **body)
    assert (got.status, got.json()["type"]) == (409, "urn:feedgate:conflict"), got.body
    assert await desk.approvals(state="active") == {}
    return {item.get("artifact") or item["spec"]: item for item in got.json()["artifacts"]}


async def test_what_the_source_blocks_is_no_candidate(desk: Desk) -> None:
    policy = Policy("p", block=("demo ==2.0",))
    await desk.start(desk.open(policy="p"), curated(), policies=(policy,))
    whys = await refused(desk, artifacts=[DEMO2])
    assert (whys[DEMO2]["outcome"], whys[DEMO2]["rule"]) == ("blocked", "block")
    whys = await refused(desk, "demo ==2.0")
    assert set(whys) == {DEMO2, "demo-2.0.tar.gz"}
    document = await desk.promote("demo")
    assert {item["version"] for item in document["artifacts"]} == {"1.0"}


async def test_what_the_source_holds_says_until_when(desk: Desk) -> None:
    clock = FakeClock()
    young = clock.now() - timedelta(days=1)
    desk.index.add(wheel("new", "1.0"), uploaded_at=young)
    await desk.start(
        desk.open(policy="p"), curated(), policies=(Policy("p", min_age_s=7 * 86400.0),), clock=clock
    )
    whys = await refused(desk, "new")
    (why,) = whys.values()
    assert (why["outcome"], why["rule"]) == ("held", "min_age")
    assert why["until"] > START.isoformat()


async def test_what_the_origin_has_quarantined_is_not_promoted(desk: Desk) -> None:
    desk.index.quarantine("demo", "malware")
    await desk.start()
    for whys in (await refused(desk, "demo"), await refused(desk, artifacts=[DEMO1])):
        (why,) = whys.values()
        assert (why["outcome"], why["rule"]) == ("blocked", "quarantine")


async def test_the_targets_own_policy_is_asked_too(desk: Desk) -> None:
    policy = Policy("p", block=("demo ==2.0",))
    await desk.start(desk.open(), curated(policy="p"), policies=(policy,))
    whys = await refused(desk, "demo")
    assert {why["rule"] for why in whys.values()} == {"block"}
    whys = await refused(desk, "demo", "leaf")
    assert set(whys) == {DEMO2, "demo-2.0.tar.gz"}
    await desk.promote("demo ==1.0")


async def test_a_name_that_the_target_blocks_whole_is_refused(desk: Desk) -> None:
    await desk.start(desk.open(), curated(policy="p"), policies=(Policy("p", block=("demo",)),))
    whys = await refused(desk, "demo ==1.0")
    assert whys[DEMO1]["outcome"] == "blocked"


async def test_versions_that_the_target_would_not_keep_are_refused(desk: Desk) -> None:
    await desk.start(desk.open(), curated(policy="p"), policies=(Policy("p", keep_versions=1),))
    whys = await refused(desk, "demo", versions="all")
    assert set(whys) == {DEMO1, "demo-1.0.tar.gz"}
    assert {why["rule"] for why in whys.values()} == {"keep_versions"}


async def test_a_closure_goes_around_what_the_source_hides(desk: Desk) -> None:
    await desk.start(desk.open(policy="p"), curated(), policies=(Policy("p", block=("leaf ==2.0",)),))
    document = await desk.promote("demo", **LINUX)
    assert {item["artifact"] for item in document["artifacts"]} == {DEMO2, "leaf-1.0-py3-none-any.whl"}


async def test_a_closure_goes_around_what_the_target_would_hide(desk: Desk) -> None:
    await desk.start(desk.open(), curated(policy="p"), policies=(Policy("p", block=("leaf ==2.0",)),))
    document = await desk.promote("demo", **LINUX)
    assert {item["artifact"] for item in document["artifacts"]} == {DEMO2, "leaf-1.0-py3-none-any.whl"}


async def test_where_there_is_no_way_around_the_rule_is_told(desk: Desk) -> None:
    await desk.start(desk.open(), curated(policy="p"), policies=(Policy("p", block=("leaf",)),))
    whys = await refused(desk, "demo ==2.0", **LINUX)
    assert [(why["outcome"], why["rule"]) for why in whys.values()] == [("blocked", "block")]
    assert set(whys) == {"leaf-2.0-py3-none-any.whl"}


async def test_a_licence_that_the_target_asks_for_is_looked_up_first(desk: Desk) -> None:
    licensed = wheel("free", "1.0", files={})
    desk.index.add(licensed)
    policy = Policy("p", block_licenses=("GPL3",), unknown_license="allow")
    await desk.start(desk.open(), curated(policy="p"), policies=(policy,))
    await desk.promote("free")
    assert await desk.listed("free") == ["free-1.0-py3-none-any.whl"]


async def test_a_later_block_hides_what_was_approved_with_the_next_request(desk: Desk) -> None:
    policy = Policy("p", block=("nothing",))
    await desk.start(desk.open(), curated(policy="p"), policies=(policy,))
    await desk.promote("demo ==1.0")
    assert (await desk.file(DEMO1)).status == 200
    desk.gateway.reload(policies=[Policy("p", block=("demo",))])
    got = await desk.file(DEMO1)
    assert (got.status, got.json()["type"]) == (403, "urn:feedgate:blocked")
    assert (await desk.file(DEMO1, suffix=".metadata")).status == 403
    assert (await desk.page("demo")).status == 404
    assert (await desk.approvals())[DEMO1]["state"] == "active"
    desk.gateway.reload(policies=[policy])
    assert (await desk.file(DEMO1)).status == 200


async def test_what_is_not_approved_is_that_whatever_the_policy_says(desk: Desk) -> None:
    policy = Policy("p", block=("demo ==1.0", "leaf"))
    await desk.start(desk.open(), curated(policy="p"), policies=(Policy("p"),))
    await desk.promote("demo ==1.0")
    desk.gateway.reload(policies=[policy])
    assert (await desk.file(DEMO1)).json()["type"] == "urn:feedgate:blocked"
    assert (await desk.file(DEMO2)).json()["type"] == "urn:feedgate:not-approved"
    assert (await desk.page("leaf")).json()["type"] == "urn:feedgate:not-approved"


@dataclass
class Pause:
    """Holds a promotion between finding out and writing."""

    entered: asyncio.Event
    go_on: asyncio.Event

    @classmethod
    def made(cls, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> "Pause":
        pause = cls(asyncio.Event(), asyncio.Event())
        kind = desk.gateway.app.curating.promotions._ground().kinds["pypi"]
        hidden = kind.hidden

        async def slow(*args: Any) -> Any:
            answer = await hidden(*args)
            pause.entered.set()
            await pause.go_on.wait()
            return answer

        monkeypatch.setattr(kind, "hidden", slow)
        return pause


@pytest.mark.parametrize("where", ["open", "approved"])
async def test_a_block_that_was_answered_first_wins_over_a_promotion_under_way(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """D14."""
    feeds = (
        desk.open(policy="p" if where == "open" else None),
        curated(policy="p" if where == "approved" else None),
    )
    await desk.start(*feeds, policies=(Policy("p"),))
    pause = Pause.made(desk, monkeypatch)
    ordering = asyncio.create_task(desk.order(artifacts=[DEMO1]))
    await pause.entered.wait()
    desk.gateway.reload(policies=[Policy("p", block=("demo",))])
    pause.go_on.set()
    got = await ordering
    assert (got.status, got.json()["artifacts"][0]["outcome"]) == (409, "blocked")
    assert await desk.approvals() == {}


async def test_a_revocation_during_a_promotion_is_not_answered_as_already_approved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.start()
    await desk.promote(artifacts=[DEMO1])
    pause = Pause.made(desk, monkeypatch)
    ordering = asyncio.create_task(desk.order("demo ==1.0"))
    await pause.entered.wait()
    await desk.revoke(DEMO1)
    pause.go_on.set()
    got = await ordering
    assert got.status == 201
    assert {item["artifact"]: item["state"] for item in got.json()["artifacts"]}[DEMO1] == "new"
    assert set(await desk.approvals(state="active")) == {DEMO1, "demo-1.0.tar.gz"}
