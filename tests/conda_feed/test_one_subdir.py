"""One subdir never costs another, nor an upstream's trouble in one the feed's others (C6; contract, section 3)."""

from collections.abc import Mapping
from typing import Any

import pytest

from proxy.config.settings import Upstream
from tests.conda_feed.stand import Stand
from tests.support.channel import SHARD_INDEX, FakeChannel
from tests.support.conda_packages import bare
from tests.support.faults import SILENT, Fault

FAULTS: Mapping[str, Fault] = {
    **{
        str(status): Fault(status=status)
        for status in (400, 401, 403, 404, 405, 408, 429, 500, 501, 502, 503, 504)
    },
    "503 for a while": Fault(status=503, retry_after="100"),
    "a reset": Fault(refuse=True),
    "a time-out": SILENT,
    "a redirect to a dead host": Fault(status=302, location="http://127.0.0.1:1/elsewhere"),
    "a page": Fault(status=200, body=b"<html>login</html>"),
}
FILES = (SHARD_INDEX, "repodata.json.zst", "repodata.json", "repodata.json.bz2")


def damage(stand: Stand, channel: FakeChannel, subdir: str, fault: Fault) -> None:
    for file in FILES:
        stand.origin.always(channel.path(subdir, file), fault)


def second(stand: Stand) -> FakeChannel:
    return FakeChannel(stand.origin, prefix="/second")


def open_to_all(stand: Stand, channel: FakeChannel | None = None, name: str = "origin") -> Upstream:
    return stand.upstream(channel, name, auth=None)


@pytest.mark.parametrize("kind", FAULTS)
async def test_trouble_of_a_subdir_stays_there(stand: Stand, kind: str) -> None:
    """With several upstreams, which ask every subdir whose a name is; cold and at a refresh."""
    other = second(stand)
    stand.channel.add(bare("a"), bare("c", subdir="noarch"))
    other.add(bare("b"), bare("b", subdir="osx-64"))
    damage(stand, other, "osx-64", FAULTS[kind])
    feed = stand.feed(
        stand.upstream(name="one", read_timeout_s=0.5),
        stand.upstream(other, "two", read_timeout_s=0.5),
        subdirs=("linux-64", "osx-64"),
    )
    await stand.start(feed)
    assert await stand.files() == {"a-1.0-0.conda", "b-1.0-0.conda"}
    assert await stand.files("noarch") == {"c-1.0-0.conda"}
    other.add(bare("late"))
    await stand.refresh("linux-64")
    assert await stand.files() == {"a-1.0-0.conda", "b-1.0-0.conda", "late-1.0-0.conda"}
    package = await stand.gateway.get("/api/v1/feeds/chan/packages/a")
    assert [item["artifact"] for item in package.json()["items"]] == ["linux-64/a-1.0-0.conda"]


async def test_a_name_waits_for_an_upstream_that_comes_first_and_cannot_be_asked(stand: Stand) -> None:
    """An upstream that does not answer is not one that lacks the name."""
    other = second(stand)
    stand.channel.add(bare("a"), bare("b", subdir="osx-64"))
    other.add(bare("b"))
    damage(stand, stand.channel, "osx-64", Fault(status=500))
    feed = stand.feed(
        stand.upstream(name="one", read_timeout_s=0.5),
        stand.upstream(other, "two", read_timeout_s=0.5),
        subdirs=("linux-64", "osx-64"),
    )
    await stand.start(feed)
    assert await stand.files() == {"a-1.0-0.conda"}
    got = await stand.get("linux-64/b-1.0-0.conda")
    assert (got.status, got.json()["rule"]) == (403, "owner")
    stand.origin.heal()
    await stand.refresh("osx-64", "linux-64")
    await stand.refresh("osx-64", "linux-64")
    assert await stand.files() == {"a-1.0-0.conda"}
    assert await stand.files("osx-64") == {"b-1.0-0.conda"}


# -- 401 and 403 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_subdir_is_not_here(stand: Stand, status: int) -> None:
    """S3 and GCS say so of what is not there."""
    stand.channel.add(bare("a"), bare("c", subdir="noarch"))
    damage(stand, stand.channel, "osx-64", Fault(status=status))
    await stand.start(stand.feed(open_to_all(stand)))
    assert (await stand.get("osx-64/repodata.json")).status == 404
    assert await stand.files() == {"a-1.0-0.conda"}


async def test_a_storage_host_refuses_its_root_as_well(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("c", subdir="noarch"))
    damage(stand, stand.channel, "osx-64", Fault(status=403))
    stand.origin.always("/chan/", Fault(status=403))
    await stand.start(stand.feed(open_to_all(stand)))
    assert (await stand.get("osx-64/repodata.json")).status == 404


async def test_an_origin_that_refuses_everything_is_in_trouble(stand: Stand) -> None:
    """A page that blocks, or a limit of requests, hands no name to the next upstream."""
    other = second(stand)
    stand.channel.add(bare("a"))
    other.add(bare("a", "9.0"))
    for path in ("/chan/", *(stand.channel.path(s, f) for s in ("noarch", "linux-64") for f in FILES)):
        stand.origin.always(path, Fault(status=403))
    await stand.start(stand.feed(open_to_all(stand, name="one"), open_to_all(stand, other, "two")))
    got = await stand.get("linux-64/repodata.json")
    assert got.status == 503 and "retry-after" in got.headers


async def test_a_subdir_that_was_listed_is_not_believed_to_be_gone(stand: Stand) -> None:
    stand.channel.add(bare("a"), bare("c", subdir="noarch"))
    await stand.start(stand.feed(open_to_all(stand)))
    assert await stand.files() == {"a-1.0-0.conda"}
    damage(stand, stand.channel, "linux-64", Fault(status=403))
    await stand.refresh()
    assert await stand.files() == {"a-1.0-0.conda"}
    (note,) = (await stand.gateway.get("/api/v1/feeds/chan")).json()["notes"]
    assert "which it had" in note


@pytest.mark.parametrize("changes", [{"private": True, "auth": None}, {}])
async def test_a_private_upstream_or_one_with_credentials_that_refuses_is_in_trouble(
    stand: Stand, changes: dict[str, Any]
) -> None:
    stand.channel.add(bare("a"), bare("c", subdir="noarch"))
    damage(stand, stand.channel, "osx-64", Fault(status=403))
    await stand.start(**changes)
    assert (await stand.get("osx-64/repodata.json")).status == 502
    assert await stand.files() == {"a-1.0-0.conda"}
