"""A reload: what did not change goes on as if nothing had happened; what changed is read anew."""

import asyncio
from typing import Any

import pytest

from proxy.config.settings import Upstream
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import Fault
from tests.support.gateway import Got

FILE = "a-1.0-0.conda"
INDEX = "linux-64/repodata.json.zst"


async def test_a_file_is_served_after_its_channel_moved_to_another_address(stand: Stand) -> None:
    other = FakeChannel(stand.origin, prefix="/moved")
    for channel in (stand.channel, other):
        channel.add(bare("a", data=b"a" * 99))
    await stand.start()
    assert (await stand.get(f"linux-64/{FILE}", "HEAD")).status == 200
    stand.gateway.reload(stand.feed(stand.upstream(other, "moved")))
    got = await stand.get(f"linux-64/{FILE}")
    assert (got.status, got.body) == (200, b"a" * 99)
    assert f"GET linux-64/{FILE}" in other.asked()
    assert f"GET linux-64/{FILE}" not in stand.channel.asked()


async def until_asked(stand: Stand, line: str) -> None:
    async with asyncio.timeout(20):
        while line not in stand.channel.asked():
            await asyncio.sleep(0.01)


async def slowly_waiting(stand: Stand, **changes: Any) -> "asyncio.Task[Got]":
    """Return a client that waits for an index which the origin has just begun to think of."""
    stand.channel.reshape(shards=False)
    stand.channel.add(bare("a"))
    stand.origin.always(stand.channel.path("linux-64", "repodata.json.zst"), Fault(delay_s=0.7))
    await stand.start(**changes)
    client = asyncio.create_task(stand.get(INDEX))
    await until_asked(stand, f"GET {INDEX}")
    return client


@pytest.mark.parametrize("changes", [{}, {"except_": ("b",)}])
async def test_a_reload_that_changes_nothing_goes_unnoticed(stand: Stand, changes: dict[str, Any]) -> None:
    client = await slowly_waiting(stand, **changes)
    stand.gateway.reload(stand.feed(**changes), stand.feed(stand.upstream(name="other"), name="more"))
    assert (await client).status == 200
    await stand.settled()
    assert (await stand.get(INDEX)).status == 200
    assert stand.channel.asked().count(f"GET {INDEX}") == 1


async def test_who_waits_for_a_feed_that_a_reload_changed_is_told_to_come_again(stand: Stand) -> None:
    client = await slowly_waiting(stand)
    stand.gateway.reload(stand.feed(ttl_s=99.0))
    got = await client
    assert (got.status, got.headers["retry-after"], got.json()["type"]) == (503, "2", "urn:feedgate:busy")
    assert await stand.files() == {FILE}
    assert stand.leftovers() == []


async def test_a_feed_that_takes_from_a_changed_one_is_made_anew(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("b"))
    outer = stand.feed(Upstream("outer-1", feed="chan"), name="outer")
    await stand.start(stand.feed(), outer)
    assert await stand.files(feed="outer") == {FILE, "b-1.0-0.conda"}
    stand.gateway.reload(stand.feed(except_=("b",)), outer)
    assert await stand.files(feed="outer") == {FILE}


async def test_a_feed_that_a_reload_adds_is_fetched_before_any_client_asks(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    added = FakeChannel(stand.origin, prefix="/added")
    added.add(bare("b", subdir="noarch"))
    stand.gateway.reload(stand.feed(), stand.feed(stand.upstream(added, "added"), name="more"))
    await stand.settled()
    assert f"GET noarch/{SHARD_INDEX}" in added.asked()
