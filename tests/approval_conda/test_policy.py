"""A curated feed's policy judges on top of its approvals, also later, and is asked before a promotion."""

import asyncio
from typing import Any

import rattler

from proxy.feeds.promotion.selecting import Sought
from tests.approval_conda.desk import Desk
from tests.conda_feed.stand import LATER_S
from tests.policy.made import policy
from tests.support.conda_packages import bare

#: Imported before there is a loop: specs bring it along.
assert rattler

A, B = bare("a", "1"), bare("b", "1", license="GPL-3.0-only")
PATHS = tuple(f"linux-64/{each.file}" for each in (A, B))


async def begin(desk: Desk, **table: Any) -> None:
    desk.channel.add(A, B)
    await desk.start(desk.feed(), desk.curated(policy="corp"), policies=[policy(**table)])


async def test_a_block_hides_what_was_approved_before(desk: Desk) -> None:
    await begin(desk)
    await desk.approve(*PATHS)
    assert await desk.listed() == set(PATHS)
    desk.gateway.reload(policies=[policy(block=["b"])])
    assert await desk.listed() == {PATHS[0]}
    got = await desk.seen(PATHS[1])
    assert (got.status, got.json()["type"]) == (403, "urn:feedgate:blocked")
    assert (await desk.seen(PATHS[0])).status == 200
    desk.gateway.reload(policies=[policy()])
    assert await desk.listed() == set(PATHS)


async def test_approvals_and_revocations_reach_a_judged_feed_at_once(desk: Desk) -> None:
    await begin(desk, block=["b"])
    await desk.approve(*PATHS)
    assert await desk.listed() == {PATHS[0]}
    assert (await desk.seen(PATHS[0])).status == 200
    await desk.revoke(PATHS[0])
    got = await desk.seen(PATHS[0])
    assert (got.status, got.json()["type"]) == (403, "urn:feedgate:revoked")
    assert await desk.listed() == set()


async def test_what_a_reviewer_approved_is_as_old_as_its_record_says(desk: Desk) -> None:
    await begin(desk, min_age=7 * 86400.0)
    await desk.approve(*PATHS)
    assert await desk.listed() == set(PATHS)
    young = bare("young", timestamp=int(desk.clock.now().timestamp() * 1000))
    desk.channel.add(young)
    await desk.refresh()
    await desk.approve(f"linux-64/{young.file}")
    assert await desk.listed() == set(PATHS)
    desk.clock.advance(7 * 86400 + LATER_S)
    assert await desk.listed() == {*PATHS, f"linux-64/{young.file}"}


async def test_what_the_targets_policy_would_hide_is_told_before_it_is_approved(desk: Desk) -> None:
    await begin(desk, block_licenses=["GPL3"])
    choice = await desk.selecting.select("chan", "b", Sought(platforms=("linux-64",)))
    hidden = await desk.selecting.hidden("chan", "approved", [each.found for each in choice.chosen])
    assert {path: verdict.rule for path, verdict in hidden.items()} == {PATHS[1]: "block_licenses"}


async def test_an_older_version_than_the_policy_keeps_is_told(desk: Desk) -> None:
    desk.channel.add(bare("a", "2"))
    await begin(desk, keep_versions=1)
    await desk.approve("linux-64/a-2-0.conda")
    choice = await desk.selecting.find("chan", PATHS[0])
    hidden = await desk.selecting.hidden("chan", "approved", [each.found for each in choice.chosen])
    assert hidden[PATHS[0]].rule == "keep_versions"


async def test_a_source_with_a_policy_offers_what_that_shows(desk: Desk) -> None:
    desk.channel.add(A, B)
    await desk.start(desk.feed(policy="corp"), desk.curated(), policies=[policy(block=["b"])])
    (refused,) = (await desk.selecting.select("chan", "b", Sought(platforms=("linux-64",)))).refused
    assert (refused.what, refused.outcome, refused.rule) == (PATHS[1], "blocked", "block")
    (refused,) = (await desk.selecting.find("chan", PATHS[1])).refused
    assert refused.outcome == "blocked"
    await desk.approve(PATHS[0])
    assert await desk.listed() == {PATHS[0]}


async def test_many_changes_of_a_judged_feed_at_once_end_right(desk: Desk) -> None:
    several = [bare("many", str(number)) for number in range(8)]
    desk.channel.add(*several)
    await begin(desk, block=["b"])

    async def asking() -> None:
        for _ in range(4):
            await desk.listed()

    client = asyncio.create_task(asking())
    for each in several:
        await desk.approve(f"linux-64/{each.file}")
    await client
    assert await desk.listed() == {f"linux-64/{each.file}" for each in several}
