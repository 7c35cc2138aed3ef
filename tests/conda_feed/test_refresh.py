"""Refreshing costs what changed: shards by name, else the full file by its validators (issue 3, upstream side)."""

import asyncio
from collections import Counter

import msgspec
import pytest

from tests.conda_feed.readback import FORMS, Form
from tests.conda_feed.stand import Stand
from tests.support.channel import FULL, OLD, SHARD_INDEX, FakeChannel
from tests.support.conda_index import zst
from tests.support.conda_packages import bare
from tests.support.faults import UNAVAILABLE, Fault

#: What is asked of a channel that has nothing of the kind.
NO_NOARCH = ["GET noarch/repodata_shards.msgpack.zst", "GET noarch/repodata.json.zst", "GET noarch/repodata.json",
             "GET noarch/repodata.json.bz2"]  # fmt: skip


def names(channel: FakeChannel, count: int = 5) -> None:
    channel.add(*(bare(f"n{number}") for number in range(count)))


async def taken(stand: Stand) -> None:
    """Have the subdir taken in, and forget what was asked for it."""
    assert (await stand.get(f"linux-64/{SHARD_INDEX}")).status == 200
    await stand.settled()
    stand.origin.forget()


async def test_the_first_ingest_takes_the_shard_index_and_one_full_file(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    assert stand.channel.asked() == NO_NOARCH
    stand.origin.forget()
    await stand.get(f"linux-64/{SHARD_INDEX}")
    assert stand.channel.asked() == [f"GET linux-64/{SHARD_INDEX}", "GET linux-64/repodata.json.zst"]


@pytest.mark.parametrize(
    ("shape", "files"),
    [
        ({"zst": False, "bz2": True}, ["repodata.json.zst", "repodata.json"]),
        (
            {"zst": False, "bz2": True, "json": False},
            ["repodata.json.zst", "repodata.json", "repodata.json.bz2"],
        ),
        ({"json": False}, ["repodata.json.zst"]),
    ],
)
async def test_the_best_packing_that_the_origin_has_is_taken(
    stand: Stand, shape: dict[str, bool], files: list[str]
) -> None:
    stand.channel.reshape(shards=False, **shape)
    names(stand.channel)
    await stand.start()
    stand.origin.forget()
    assert len(await stand.files()) == 5
    assert stand.channel.asked() == [f"GET linux-64/{file}" for file in (SHARD_INDEX, *files)]


async def test_a_channel_of_shards_alone_is_read_by_them(stand: Stand) -> None:
    stand.channel.reshape(zst=False, json=False)
    names(stand.channel)
    await stand.start()
    assert len(await stand.files()) == 5
    assert await stand.indexed("linux-64", Form.JSON) == await stand.indexed("linux-64", Form.SHARDS)


async def test_what_is_fresh_is_not_asked_for_again(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    await taken(stand)
    for form in FORMS:
        await stand.indexed("linux-64", form)
    await asyncio.gather(*(stand.get("linux-64/repodata.json.zst") for _ in range(10)))
    assert stand.channel.asked() == []


async def test_many_that_ask_first_make_one_ingest(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    stand.origin.forget()
    got = await asyncio.gather(*(stand.get(f"linux-64/{form}") for form in FORMS * 5))
    assert {each.status for each in got} == {200}
    assert len(stand.channel.asked()) == 2


async def test_an_unchanged_shard_index_costs_one_request(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    await taken(stand)
    await stand.refresh()
    (asked,) = stand.origin.received(stand.channel.path("linux-64", SHARD_INDEX))
    assert stand.channel.asked() == [f"GET linux-64/{SHARD_INDEX}"]
    assert "if-none-match" in asked.headers
    assert stand.counted("index_answers", "unchanged") == 1


async def test_only_the_shards_that_changed_are_fetched(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    await taken(stand)
    stand.channel.patch("linux-64", "n3-1.0-0.conda", depends=["n1"])
    stand.channel.add(bare("brand-new"))
    await stand.refresh()
    files = stand.channel.shard_files("linux-64")
    assert stand.channel.asked()[0] == f"GET linux-64/{SHARD_INDEX}"
    assert sorted(stand.channel.asked()[1:]) == sorted(
        f"GET linux-64/{files[name]}" for name in ("n3", "brand-new")
    )
    for form in FORMS:
        found = (await stand.indexed("linux-64", form))["packages.conda"]
        assert found["n3-1.0-0.conda"]["depends"] == ["n1"]
        assert len(found) == 6


async def test_names_that_are_gone_are_gone(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    await taken(stand)
    stand.channel.remove("linux-64", "n3-1.0-0.conda")
    await stand.refresh()
    # Taken away, or left out of the shard index by mistake: the full file decides.
    assert stand.channel.asked() == [f"GET linux-64/{SHARD_INDEX}", "GET linux-64/repodata.json.zst"]
    for form in FORMS:
        assert "n3-1.0-0.conda" not in await stand.files("linux-64", form)
    assert (await stand.get("linux-64/n3-1.0-0.conda")).status == 404


async def test_shards_may_lie_in_a_folder_of_their_own(stand: Stand) -> None:
    stand.channel.reshape(shards_base_url="./shards/")
    names(stand.channel)
    await stand.start()
    await taken(stand)
    stand.channel.patch("linux-64", "n3-1.0-0.conda", depends=["n1"])
    await stand.refresh()
    shard = stand.channel.shard_files("linux-64")["n3"]
    assert stand.channel.asked() == [f"GET linux-64/{SHARD_INDEX}", f"GET linux-64/shards/{shard}"]
    assert (await stand.indexed())["packages.conda"]["n3-1.0-0.conda"]["depends"] == ["n1"]


@pytest.mark.parametrize(
    "fault", [Fault(status=404), Fault(flip_at=30), Fault(status=200, body=b"<html>no</html>")]
)
async def test_a_shard_that_is_not_there_or_wrong_leaves_its_name_and_is_wanted_again(
    stand: Stand, fault: Fault
) -> None:
    names(stand.channel)
    stand.channel.reshape(zst=False, json=False)
    await stand.start()
    await taken(stand)
    stand.channel.patch("linux-64", "n1-1.0-0.conda", depends=["n0"])
    stand.channel.patch("linux-64", "n3-1.0-0.conda", depends=["n1"])
    shard = stand.channel.path("linux-64", stand.channel.shard_files("linux-64")["n3"])
    stand.origin.always(shard, fault)
    await stand.refresh()
    found = (await stand.indexed())["packages.conda"]
    assert [found[f"n{number}-1.0-0.conda"]["depends"] for number in (1, 3)] == [["n0"], []]
    stand.origin.heal()
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"]["n3-1.0-0.conda"]["depends"] == ["n1"]


async def test_shards_that_cannot_be_fetched_now_leave_all_as_it_was(stand: Stand) -> None:
    names(stand.channel)
    stand.channel.reshape(zst=False, json=False)
    await stand.start()
    await taken(stand)
    stand.channel.patch("linux-64", "n3-1.0-0.conda", depends=["n1"])
    stand.origin.always(
        stand.channel.path("linux-64", stand.channel.shard_files("linux-64")["n3"]), UNAVAILABLE
    )
    await stand.refresh()
    got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert (got.status, "fwd=stale" in got.cache) == (200, True)
    stand.origin.heal()
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"]["n3-1.0-0.conda"]["depends"] == ["n1"]


async def test_a_full_file_is_revalidated_by_its_etag(stand: Stand) -> None:
    stand.channel.shape = FULL
    names(stand.channel)
    await stand.start()
    await taken(stand)
    await stand.refresh()
    (asked,) = stand.origin.requests
    assert asked.path == stand.channel.path("linux-64", "repodata.json.zst")
    assert "if-none-match" in asked.headers


async def test_a_full_file_is_revalidated_by_its_date(stand: Stand) -> None:
    stand.channel.reshape(shards=False, etags=False, last_modified=True)
    names(stand.channel)
    await stand.start()
    await taken(stand)
    await stand.refresh()
    (asked,) = stand.origin.requests
    assert "if-modified-since" in asked.headers
    assert stand.counted("index_answers", "unchanged") == 1


async def test_a_full_file_without_validators_is_taken_again_and_changes_nothing(stand: Stand) -> None:
    stand.channel.shape = OLD
    names(stand.channel)
    await stand.start()
    first = await stand.get(f"linux-64/{SHARD_INDEX}")
    await taken(stand)
    await stand.refresh()
    assert stand.channel.asked() == ["GET linux-64/repodata.json"]
    again = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_changed_full_file_makes_the_next_snapshot(stand: Stand) -> None:
    stand.channel.shape = FULL
    names(stand.channel)
    await stand.start()
    await taken(stand)
    stand.channel.add(bare("n3", "2.0"))
    await stand.refresh()
    for form in FORMS:
        assert "n3-2.0-0.conda" in await stand.files("linux-64", form)


async def test_shards_that_come_later_are_used_within_a_day(stand: Stand) -> None:
    stand.channel.shape = FULL
    names(stand.channel)
    await stand.start()
    await taken(stand)
    stand.channel.reshape(shards=True)
    await stand.refresh()
    assert stand.origin.hits(stand.channel.path("linux-64", SHARD_INDEX)) == 0
    stand.clock.advance(86400)
    await stand.refresh()
    assert stand.origin.hits(stand.channel.path("linux-64", SHARD_INDEX)) == 1
    stand.channel.patch("linux-64", "n3-1.0-0.conda", depends=["n1"])
    await stand.refresh()
    assert (await stand.indexed())["packages.conda"]["n3-1.0-0.conda"]["depends"] == ["n1"]


async def test_shards_that_end_are_followed_by_the_full_file(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    await taken(stand)
    stand.channel.reshape(shards=False)
    stand.channel.patch("linux-64", "n3-1.0-0.conda", depends=["n1"])
    await stand.refresh()
    assert stand.channel.asked() == [f"GET linux-64/{SHARD_INDEX}", "GET linux-64/repodata.json.zst"]
    assert (await stand.indexed())["packages.conda"]["n3-1.0-0.conda"]["depends"] == ["n1"]


@pytest.mark.parametrize("status", [403, 401, 501, 400])
async def test_a_shard_index_that_is_refused_means_no_shards(stand: Stand, status: int) -> None:
    """As conda and mamba take it; a storage host says 403 for what is not there."""
    names(stand.channel)
    stand.origin.always(stand.channel.path("linux-64", SHARD_INDEX), Fault(status=status))
    await stand.start()
    assert len(await stand.files()) == 5


@pytest.mark.parametrize(
    "fault", [Fault(status=403), Fault(status=200, body=b"<html>login</html>"), Fault(status=200, body=b"")]
)
async def test_a_packing_that_is_refused_or_is_none_leads_to_the_next(stand: Stand, fault: Fault) -> None:
    stand.channel.shape = FULL
    names(stand.channel)
    stand.origin.always(stand.channel.path("linux-64", "repodata.json.zst"), fault)
    await stand.start()
    assert len(await stand.files()) == 5


@pytest.mark.parametrize(
    "body", [b"", b"<html>login</html>", zst(b"\x81\xa1a\xa1b"), zst(msgspec.msgpack.encode([1]))]
)
async def test_a_shard_index_that_is_none_is_left_alone(stand: Stand, body: bytes) -> None:
    names(stand.channel)
    stand.origin.always(stand.channel.path("linux-64", SHARD_INDEX), Fault(status=200, body=body))
    await stand.start()
    assert len(await stand.files()) == 5
    assert any("shard index" in line for line in stand.log.of("WARNING"))


async def test_a_subdir_that_comes_later_is_found(stand: Stand) -> None:
    await stand.start()
    assert (await stand.get("linux-64/repodata.json")).status == 404
    names(stand.channel)
    await stand.refresh()
    assert (await stand.get("linux-64/repodata.json")).status == 200


async def test_that_a_subdir_is_missing_is_believed_for_a_minute(stand: Stand) -> None:
    await stand.start()
    await stand.get("linux-64/repodata.json")
    stand.origin.forget()
    stand.clock.advance(50)
    assert (await stand.get("linux-64/repodata.json")).status == 404
    assert stand.channel.asked() == []


async def test_a_refresh_leaves_what_is_current_and_what_was_on_disk(stand: Stand) -> None:
    names(stand.channel)
    await stand.start()
    await taken(stand)
    for round_ in range(3):
        stand.channel.add(bare("n3", f"2.{round_}"))
        await stand.refresh()
    kinds = Counter(path.suffix for path in stand.cache.glob("conda/origin/linux-64/*"))
    assert kinds == {".index": 2, ".records": 2, ".shards": 2, ".sizes": 2, ".superseded": 3}
    assert stand.leftovers() == []
