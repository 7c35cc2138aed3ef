"""What a hot-fix takes out of a channel's index still downloads for who names it, policy permitting (C8).

Yesterday's `@EXPLICIT` file names such packages; conda's fact sheet, sections 6 and 10.
"""

import json
from collections.abc import Sequence
from typing import Any

from proxy.config.settings import Feed, Upstream
from tests.conda_feed.stand import Stand
from tests.policy.made import policy
from tests.support.conda_packages import Package, bare

OLD, NEW, GONE = bare("a"), bare("a", "2.0"), bare("b", license="GPL-3.0-only")
OUTER = Feed("outer", "conda", (Upstream("outer-1", feed="chan"),))


def path(package: Package) -> str:
    return f"linux-64/{package.file}"


async def taken_out(stand: Stand, *packages: Package) -> None:
    for package in packages:
        stand.channel.take_out("linux-64", package.file)
    await stand.refresh()


async def told(stand: Stand, package: Package, feed: str = "chan") -> Any:
    answer = await stand.gateway.get(f"/api/v1/feeds/{feed}/explain?artifact={path(package)}")
    (one,) = answer.json()["items"]
    return one


async def removed(stand: Stand, feed: str = "chan") -> Sequence[str]:
    return list(json.loads((await stand.get("linux-64/repodata.json", feed=feed)).body)["removed"])


async def test_what_is_taken_out_still_downloads(stand: Stand) -> None:
    """From the origin, through feeds of feeds, after a restart, after another refresh; of a name without others."""
    stand.channel.add(OLD, NEW, GONE)
    await stand.start(stand.feed(), OUTER)
    assert await stand.files() == {OLD.file, NEW.file, GONE.file}
    await taken_out(stand, OLD, GONE)
    for feed in ("outer", "chan"):
        assert await stand.files(feed=feed) == {NEW.file}
        assert await removed(stand, feed) == [OLD.file, GONE.file]
        assert (await stand.get(path(OLD), feed=feed)).body == OLD.data
        assert (await told(stand, OLD, feed))["rule"] == "removed"
    stand.channel.add(bare("c"))
    await stand.refresh()
    await stand.restart()
    assert (await stand.get(path(GONE))).body == GONE.data
    one = await told(stand, GONE)
    assert (one["outcome"], one["policy"], one["facts"]["version"]) == ("allow", None, "1.0")
    assert "taken it out of its index" in one["reason"]
    listed = (await stand.gateway.get("/api/v1/feeds/chan/packages/a")).json()["items"]
    assert [item["verdict"]["rule"] for item in listed] == ["removed", "open"]


async def test_what_was_never_listed_or_is_named_no_more_is_unknown(stand: Stand) -> None:
    stand.channel.add(OLD, NEW, GONE)
    stand.channel.take_out("linux-64", OLD.file)
    await stand.start()
    assert await stand.files() == {NEW.file, GONE.file}
    assert (await stand.get(path(OLD))).status == 404
    await taken_out(stand, GONE)
    assert (await stand.get(path(GONE))).status == 200
    stand.channel.subdirs["linux-64"].removed.remove(GONE.file)
    stand.channel.remove("linux-64", NEW.file)
    await stand.refresh()
    assert [(await stand.get(path(each))).status for each in (GONE, NEW)] == [404, 404]


async def test_the_policy_judges_what_is_taken_out(stand: Stand) -> None:
    """By the last record, whether the policy was there before, is attached later, or changes."""
    stand.channel.add(OLD, NEW, GONE, bare("c", "1.0"), bare("c", "2.0"))
    free = policy(block_licenses=["GPL3"])
    await stand.start(stand.feed(policy="corp"), OUTER, policies=[free])
    assert OLD.file in await stand.files()
    await taken_out(stand, OLD, GONE, bare("c", "1.0"))
    for feed in ("chan", "outer"):
        assert await removed(stand, feed) == [OLD.file, "c-1.0-0.conda"]
        assert (await stand.get(path(OLD), feed=feed)).body == OLD.data
        refused = await stand.get(path(GONE), feed=feed)
        assert (refused.status, refused.json()["rule"]) == (403, "block_licenses")
    assert (await told(stand, GONE))["rule"] == "block_licenses"
    latest = policy(keep_versions=1, block=["a"])
    stand.gateway.reload(stand.feed(policy="corp"), OUTER, policies=[latest])
    statuses = [(await stand.get(path(each))).status for each in (OLD, GONE, bare("c", "1.0"))]
    assert statuses == [403, 200, 403]
    await stand.settled()
    assert await removed(stand) == [GONE.file]
    assert [(await stand.get(path(each))).status for each in (OLD, GONE, bare("c", "1.0"))] == statuses


async def test_a_curated_feed_has_of_it_what_was_approved(stand: Stand) -> None:
    stand.channel.add(OLD, NEW)
    await stand.start(stand.feed(), Feed("team", "conda", curated_from=("chan",)))
    assert await stand.files() == {OLD.file, NEW.file}
    await taken_out(stand, OLD)
    got = await stand.get(path(OLD), feed="team")
    assert (got.status, got.json()["type"]) == (404, "urn:feedgate:not-approved")
