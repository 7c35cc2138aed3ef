"""A curated feed's policy judges on top of its approvals, also later, and is asked before a promotion."""

import asyncio
from typing import Any

import rattler

from proxy.feeds.promotion.selecting import Sought
from tests.approval_conda.desk import CURATED, KEY, Desk
from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import LATER_S
from tests.policy.made import policy
from tests.support.conda_packages import bare

#: Imported before there is a loop: specs bring it along.
assert rattler

A, B = bare("a", "1"), bare("b", "1", license="GPL-3.0-only")
PATHS = tuple(f"linux-64/{each.file}" for each in (A, B))


async def begin(desk: Desk, **table: Any) -> None:
    desk.channel.add(A, B)
    await desk.start(
        desk.feed(), desk.curated(policy="corp"), policies=[policy(**table)], server={"admin_key": KEY}
    )


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


async def test_a_closure_goes_round_what_the_targets_policy_would_hide(desk: Desk) -> None:
    desk.channel.add(
        bare("tool", depends=["lib"]), bare("lib", "1"),
        *(bare("lib", version, license="GPL-3.0-only") for version in ("2", "3")),
    )  # fmt: skip
    await begin(desk, block_licenses=["GPL3"])
    answer = await desk.promote("tool", include_dependencies=True, python_versions=["3.11"])
    assert set(answer) == {"linux-64/tool-1.0-0.conda", "linux-64/lib-1-0.conda"}
    assert await desk.listed() == set(answer)


async def test_a_closure_that_needs_what_is_blocked_is_refused_with_the_rule(desk: Desk) -> None:
    desk.channel.add(bare("tool", depends=["lib"]), bare("lib", "3", license="GPL-3.0-only"))
    await begin(desk, block_licenses=["GPL3"])
    got = await desk.order("tool", include_dependencies=True, python_versions=["3.11"])
    assert got.status == 409
    (told,) = got.json()["artifacts"]
    assert (told["artifact"], told["outcome"], told["rule"]) == (
        "linux-64/lib-3-0.conda",
        "blocked",
        "block_licenses",
    )


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
        for form in (*FORMS, *FORMS):
            await desk.files("linux-64", form, feed=CURATED)

    client = asyncio.create_task(asking())
    for each in several:
        await desk.approve(f"linux-64/{each.file}")
    await client
    assert await desk.listed() == {f"linux-64/{each.file}" for each in several}
