"""The bytes of an approval: those of the pinned digest, from here or from the origin, or none (A08, D13)."""

import asyncio

from proxy.config.settings import Feed, Upstream
from tests.approval_conda.desk import CURATED, KEY, LINUX, Desk
from tests.support.channel import FakeChannel
from tests.support.conda_packages import bare, replaced

A = bare("a")
PATH = f"{LINUX}/{A.file}"
OTHER = replaced(A, b"other bytes" * 99)


async def lazily(desk: Desk) -> None:
    """Approve a file whose bytes nobody has asked for."""
    desk.channel.add(A, bare("b"))
    await desk.begin(desk.curated(fetch="lazy"))
    await desk.promote("a")


async def test_bytes_that_nobody_holds_are_fetched_under_their_pin(desk: Desk) -> None:
    await lazily(desk)
    assert (await desk.seen(PATH)).body == A.data
    assert desk.channel.asked().count(f"GET {PATH}") == 1
    assert (await desk.seen(PATH, "HEAD")).headers["etag"] == f'"{A.sha256}"'


async def test_other_bytes_at_the_origin_are_refused_and_others_are_not_hindered(desk: Desk) -> None:
    """A08: nothing is held, and the origin has replaced the file: its channel goes on to serve the rest."""
    await lazily(desk)
    desk.channel.hosted[PATH] = OTHER.data
    for _ in range(2):
        got = await desk.seen(PATH)
        assert (got.status, got.json()["type"]) == (502, "urn:feedgate:pinned-unavailable")
    assert (await desk.get(f"{LINUX}/b-1.0-0.conda")).status == 200
    assert await desk.listed() == {PATH}


async def test_a_file_that_is_gone_at_the_origin_is_no_missing_file(desk: Desk) -> None:
    await lazily(desk)
    del desk.channel.hosted[PATH]
    got = await desk.seen(PATH)
    assert (got.status, got.json()["type"]) == (502, "urn:feedgate:pinned-unavailable")


async def test_the_origin_may_replace_the_file_once_it_is_held(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.promote("a")
    await desk.held()
    desk.channel.add(OTHER)
    await desk.refresh()
    await desk.gateway.restart_without_cache()
    assert (await desk.seen(PATH)).body == A.data
    (record,) = (await desk.indexed(feed=CURATED))["packages.conda"].values()
    assert record["sha256"] == A.sha256


async def test_an_accepted_file_takes_the_place_of_the_first(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.promote("a")
    await desk.held()
    desk.channel.add(OTHER)
    await desk.refresh()
    assert await desk.look() == 1
    (approval,) = (await desk.approvals(state="drifted")).values()
    accept = f"/feeds/{CURATED}/approvals/{approval['id']}/accept"
    assert (await desk.send("POST", accept, {"sha256": A.sha256})).status == 412
    got = await desk.send("POST", accept, {"sha256": OTHER.sha256})
    assert got.status == 200, got.body
    (record,) = (await desk.indexed(feed=CURATED))["packages.conda"].values()
    assert record["sha256"] == OTHER.sha256
    await desk.held()
    assert (await desk.seen(PATH)).body == OTHER.data
    assert await desk.approvals(state="drifted") == {}


async def test_an_accepted_hot_fix_changes_the_record_alone(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.promote("a")
    desk.channel.patch(LINUX, A.file, depends=["b"])
    await desk.refresh()
    await desk.look()
    (approval,) = (await desk.approvals(state="drifted")).values()
    accept = f"/feeds/{CURATED}/approvals/{approval['id']}/accept"
    assert (await desk.send("POST", accept, {"sha256": A.sha256})).status == 200
    (record,) = (await desk.indexed(feed=CURATED))["packages.conda"].values()
    assert record["depends"] == ["b"]
    assert (await desk.seen(PATH)).body == A.data


async def test_a_withdrawn_file_is_told_and_installs(desk: Desk) -> None:
    desk.channel.add(A, bare("b"))
    await desk.begin()
    await desk.promote("a")
    await desk.held()
    desk.channel.remove(LINUX, A.file, bytes_too=True)
    await desk.refresh()
    await desk.look()
    assert set(await desk.approvals(state="withdrawn")) == {PATH}
    assert (await desk.seen(PATH)).body == A.data


async def test_drift_is_noticed_when_the_source_is_read_anew(desk: Desk) -> None:
    """Nobody has to wait for the watch's round."""
    desk.channel.add(A)
    await desk.begin()
    await desk.promote("a")
    desk.channel.patch(LINUX, A.file, license="BSD")
    await desk.refresh()
    async with asyncio.timeout(10):
        while not await desk.approvals(state="drifted"):
            await asyncio.sleep(0.05)


async def test_a_revoked_files_bytes_are_no_oracle(desk: Desk) -> None:
    desk.channel.add(A)
    await desk.begin()
    await desk.promote("a")
    await desk.held()
    await desk.revoke(PATH)
    for headers in ({"If_None_Match": f'"{A.sha256}"'}, {"Range": "bytes=0-0"}, {}):
        got = await desk.seen(PATH, **headers)
        assert got.status == 403
        assert A.sha256 not in got.body.decode()
        assert str(len(A.data)) not in got.body.decode()


async def test_a_feed_on_top_of_a_curated_one_shows_no_more_than_that(desk: Desk) -> None:
    """D07: a child cannot widen."""
    desk.channel.add(A, bare("b"))
    await desk.begin(desk.curated(), Feed("top", "conda", (Upstream(id="top-1", feed=CURATED),)))
    await desk.promote("a")
    assert await desk.listed(feed="top") == {PATH}
    assert (await desk.seen(PATH, feed="top")).body == A.data
    assert (await desk.seen(f"{LINUX}/b-1.0-0.conda", feed="top")).status == 404
    await desk.revoke(PATH)
    assert (await desk.seen(PATH, feed="top")).status in (403, 404)
    assert await desk.listed(feed="top") == set()


async def test_a_part_of_a_file_is_never_passed_on_unapproved(desk: Desk) -> None:
    """A closed range of a file that is not held goes through to the origin elsewhere; here it waits for the pin."""
    await lazily(desk)
    desk.channel.hosted[PATH] = OTHER.data
    got = await desk.seen(PATH, Range="bytes=0-9")
    assert (got.status, got.json()["type"]) == (502, "urn:feedgate:pinned-unavailable")
    desk.channel.hosted[PATH] = A.data
    desk.clock.advance(100)
    got = await desk.seen(PATH, Range="bytes=0-9")
    assert (got.status, got.body) == (206, A.data[:10])


async def test_a_source_that_takes_from_another_feed_leads_to_the_origin(desk: Desk) -> None:
    desk.channel.add(A)
    outer = Feed("outer", "conda", (Upstream(id="outer-1", feed="chan"),))
    await desk.begin(outer, desk.curated(CURATED, "outer", fetch="lazy"))
    await desk.promote("a", source="outer")
    assert (await desk.seen(PATH)).body == A.data
    assert await desk.look() == 0
    desk.channel.patch(LINUX, A.file, license="BSD")
    await desk.refresh()
    assert await desk.look() == 1
    assert set(await desk.approvals(state="drifted")) == {PATH}


async def test_a_source_of_several_channels_notes_whose_file_it_is(desk: Desk) -> None:
    other = FakeChannel(desk.origin, prefix="/other")
    b = bare("b")
    desk.channel.add(A)
    other.add(b, replaced(A, b"never" * 100))
    both = desk.feed(desk.upstream(), desk.upstream(other, "second"), subdirs=(LINUX,))
    await desk.start(both, desk.curated(fetch="lazy"), server={"admin_key": KEY})
    await desk.promote("a", "b")
    assert await desk.listed() == {PATH, f"{LINUX}/{b.file}"}
    assert (await desk.seen(PATH)).body == A.data
    assert (await desk.seen(f"{LINUX}/{b.file}")).body == b.data
    assert {each["artifact"]: each for each in (await desk.approvals()).values()}.keys() == {
        PATH,
        f"{LINUX}/{b.file}",
    }
    assert desk.approval(f"{LINUX}/{b.file}").upstream == "second"
    assert await desk.look() == 0
