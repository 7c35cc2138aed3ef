"""A change of one approval costs the names that it touches: in a thread in small feeds, in a child in large ones."""

import asyncio
from typing import Any

import pytest

from proxy.feeds.conda import approved_job, approved_subdir
from proxy.feeds.conda.approved_job import Change
from tests.approval_conda.desk import LINUX, Desk
from tests.conda_feed.readback import shard_digests
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare

NAMES = tuple(f"name{number}" for number in range(30))


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names that each generation was given anew."""
    seen: list[list[str]] = []
    honest = approved_job.write_changes

    def write_changes(path: Any, changes: Any) -> None:
        several: list[Change] = list(changes)
        seen.append(sorted(each.name for each in several))
        honest(path, iter(several))

    monkeypatch.setattr(approved_job, "write_changes", write_changes)
    return seen


async def begun(desk: Desk) -> None:
    desk.channel.add(*(bare(name) for name in NAMES), bare(NAMES[3], "2.0"))
    await desk.begin()
    await desk.approve(*(f"{LINUX}/{name}-1.0-0.conda" for name in NAMES))
    assert len(await desk.listed()) == len(NAMES)


async def test_an_approval_renders_its_name_and_no_other(desk: Desk, written: list[list[str]]) -> None:
    await begun(desk)
    before = shard_digests(await desk.seen(f"{LINUX}/{SHARD_INDEX}"))
    written.clear()
    await desk.approve(f"{LINUX}/{NAMES[3]}-2.0-0.conda")
    after = shard_digests(await desk.seen(f"{LINUX}/{SHARD_INDEX}"))
    assert written == [[NAMES[3]]]
    assert {name for name in NAMES if before[name] != after[name]} == {NAMES[3]}
    written.clear()
    await desk.revoke(f"{LINUX}/{NAMES[5]}-1.0-0.conda")
    assert NAMES[5] not in shard_digests(await desk.seen(f"{LINUX}/{SHARD_INDEX}"))
    assert written == [[NAMES[5]]]


async def test_a_restart_renders_only_what_changed_meanwhile(desk: Desk, written: list[list[str]]) -> None:
    await begun(desk)
    await desk.listed()
    written.clear()
    await desk.restart()
    assert len(await desk.listed()) == len(NAMES)
    assert [names for names in written if names] == []


async def test_a_large_feed_changes_in_a_child_and_says_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begun(desk)
    monkeypatch.setattr(approved_subdir, "_MOST_HERE", 3)
    await desk.approve(f"{LINUX}/{NAMES[3]}-2.0-0.conda")
    await desk.revoke(f"{LINUX}/{NAMES[5]}-1.0-0.conda")
    expected = {f"{LINUX}/{name}-1.0-0.conda" for name in NAMES} - {f"{LINUX}/{NAMES[5]}-1.0-0.conda"}
    assert await desk.listed() == expected | {f"{LINUX}/{NAMES[3]}-2.0-0.conda"}


async def test_nothing_is_made_again_for_a_change_elsewhere(desk: Desk, written: list[list[str]]) -> None:
    desk.channel.add(bare("other", subdir="osx-64"))
    await begun(desk)
    await desk.listed("osx-64")
    written.clear()
    await desk.approve("osx-64/other-1.0-0.conda")
    await desk.seen(f"{LINUX}/{SHARD_INDEX}")
    await desk.seen(f"osx-64/{SHARD_INDEX}")
    assert written == [["other"]]


async def test_who_asks_while_approvals_change_all_the_time_is_answered(desk: Desk) -> None:
    desk.channel.add(*(bare("busy", str(number)) for number in range(40)), bare("still"))
    await desk.begin()
    await desk.approve(f"{LINUX}/still-1.0-0.conda")
    await desk.listed()
    over = False

    async def approving() -> None:
        while not over:
            for number in range(40):
                await desk.approve(f"{LINUX}/busy-{number}-0.conda")
                await desk.revoke(f"{LINUX}/busy-{number}-0.conda")

    busy = asyncio.create_task(approving())
    try:
        async with asyncio.timeout(20):
            for _ in range(5):
                assert (await desk.seen(f"{LINUX}/still-1.0-0.conda")).status == 200
                index = await desk.seen(f"{LINUX}/{SHARD_INDEX}")
                assert "still" in shard_digests(index)
    finally:
        over = True
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
