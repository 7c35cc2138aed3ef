"""What clients ask for that nobody has takes no room, neither on disk nor in memory."""

import asyncio
from typing import Any

import pytest

from proxy.config.settings import Upstream
from proxy.feeds.conda import catalogs
from tests.conda_feed.stand import Stand
from tests.policy.made import policy
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare

MOST = 4


def asked_subdirs(stand: Stand, feed: str = "chan") -> set[str]:
    """Return the subdirs of which anything is remembered."""
    return {subdir for _, subdir in stand.gateway.app.site.conda_feeds[feed].channel._catalogs._made}


async def ask_for_many(stand: Stand, feed: str = "chan") -> set[int]:
    paths = [f"aa-{number}/{SHARD_INDEX}" for number in range(3 * MOST)]
    statuses = set()
    for start in range(0, len(paths), MOST):
        answers = await asyncio.gather(*(stand.get(path, feed=feed) for path in paths[start : start + MOST]))
        statuses |= {answer.status for answer in answers}
    return statuses


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogs, "MOST_ABSENT", MOST)


@pytest.mark.parametrize("changes", [{}, {"except_": ("b",)}, {"policy": "corp"}])
async def test_subdirs_that_nobody_has_leave_nothing_behind(stand: Stand, changes: dict[str, Any]) -> None:
    stand.channel.add(bare("a"))
    await stand.start(policies=[policy(block=["b"])], **changes)
    notes = stand.gateway.app.base.notes
    assert await stand.files() == {"a-1.0-0.conda"}
    before = set(await notes.keys())
    assert await ask_for_many(stand) == {404}
    await stand.settled()
    assert len(asked_subdirs(stand) - {"noarch", "linux-64"}) <= MOST
    assert not [path.name for path in stand.cache.glob("conda/*/*") if path.name.startswith("aa-")]
    assert set(await notes.keys()) == before
    assert await stand.files() == {"a-1.0-0.conda"}


async def test_subdirs_of_an_origin_in_trouble_leave_nothing_behind(stand: Stand) -> None:
    await stand.start()
    await stand.origin.off()
    assert await ask_for_many(stand) == {503}
    assert len(asked_subdirs(stand) - {"noarch"}) <= MOST


async def test_subdirs_of_a_feed_of_a_feed_leave_nothing_behind(stand: Stand) -> None:
    outer = stand.feed(Upstream("outer-1", feed="chan"), name="outer")
    await stand.start(stand.feed(), outer)
    assert await ask_for_many(stand, "outer") == {404}
    for feed in ("chan", "outer"):
        assert len(asked_subdirs(stand, feed) - {"noarch"}) <= MOST


async def test_a_subdir_that_is_no_known_one_is_served_where_the_origin_has_it(stand: Stand) -> None:
    stand.channel.add(bare("a", subdir="beos-m68k"))
    await stand.start()
    assert await stand.files("beos-m68k") == {"a-1.0-0.conda"}
    assert await ask_for_many(stand) == {404}
    stand.origin.forget()
    assert await stand.files("beos-m68k") == {"a-1.0-0.conda"}
    assert stand.origin.hits() == 0


async def test_that_a_subdir_is_absent_is_remembered_for_a_while(stand: Stand) -> None:
    stand.channel.add(bare("a"))
    await stand.start()
    for _ in range(3):
        assert (await stand.get(f"aa-1/{SHARD_INDEX}")).status == 404
    assert stand.channel.asked().count("GET aa-1/repodata.json.zst") == 1
