"""The origin gone, slow or back: stale is served and says so; a restart serves from disk (A01, A20; checklist 9)."""

import asyncio

import pytest

from tests.conda_feed.readback import FORMS
from tests.conda_feed.stand import LATER_S, Stand
from tests.support.channel import FULL, SHARD_INDEX
from tests.support.conda_packages import bare
from tests.support.faults import SILENT, UNAVAILABLE

A = bare("a")
DAY_S = 86400.0


async def warm(stand: Stand) -> dict[str, bytes]:
    """Have everything fetched that is asked for later; return it by path."""
    stand.channel.reshape(run_exports=True, channeldata=True)
    stand.channel.add(A, bare("b", extension=".tar.bz2"), bare("c", subdir="noarch"))
    await stand.start()
    return await everything(stand)


async def everything(stand: Stand) -> dict[str, bytes]:
    paths = [f"{subdir}/{form}" for subdir in ("linux-64", "noarch") for form in FORMS]
    paths += [
        f"linux-64/{A.file}",
        "linux-64/b-1.0-0.tar.bz2",
        "linux-64/run_exports.json",
        "channeldata.json",
    ]
    found = {}
    for path in paths:
        got = await stand.get(path)
        assert got.status == 200, (path, got.body)
        found[path] = got.body
    await stand.settled()
    return found


async def test_everything_is_served_while_the_origin_is_gone(stand: Stand) -> None:
    before = await warm(stand)
    await stand.origin.off()
    for days in (0, 1, 5):
        stand.clock.advance(LATER_S + days * DAY_S)
        assert await everything(stand) == before
    assert (await stand.gateway.get("/readyz")).status == 200


async def test_a_stale_index_says_so_and_how_old_it_is(stand: Stand) -> None:
    await warm(stand)
    await stand.origin.off()
    stand.clock.advance(2 * DAY_S)
    for form in FORMS:
        for method in ("GET", "HEAD"):
            got = await stand.get(f"linux-64/{form}", method)
            assert got.cache == "feedgate; hit; fwd=stale", form
            assert 2 * DAY_S <= int(got.headers["age"]) < 2 * DAY_S + 600


async def test_a_fresh_index_has_no_age(stand: Stand) -> None:
    await warm(stand)
    got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert ("age" in got.headers, got.cache) == (False, "feedgate; hit")


async def test_stale_is_answered_without_waiting_for_a_silent_origin(stand: Stand) -> None:
    before = await warm(stand)
    stand.origin.always("*", SILENT)
    stand.clock.advance(LATER_S)
    async with asyncio.timeout(1.5):  # the origin's read timeout is two seconds
        got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert got.body == before[f"linux-64/{SHARD_INDEX}"]
    assert "fwd=stale" in got.cache


async def test_an_origin_in_trouble_is_left_alone_for_a_while(stand: Stand) -> None:
    await warm(stand)
    stand.origin.always("*", UNAVAILABLE)
    stand.clock.advance(LATER_S)
    stand.origin.forget()
    for _ in range(10):
        await stand.get(f"linux-64/{SHARD_INDEX}")
        await stand.settled()
    # Each form once, and then nothing.
    assert len(stand.channel.asked()) == len(set(stand.channel.asked())) <= 4


async def test_after_seven_days_what_is_stale_is_not_served_any_more(stand: Stand) -> None:
    await warm(stand)
    await stand.origin.off()
    stand.clock.advance(7 * DAY_S + LATER_S)
    got = await stand.get("linux-64/repodata.json")
    assert got.status == 503
    assert "retry-after" in got.headers


async def test_an_origin_that_is_back_is_asked_and_shown(stand: Stand) -> None:
    await warm(stand)
    await stand.origin.off()
    await stand.refresh()
    stand.channel.add(bare("a", "2.0"))
    await stand.origin.on()
    await stand.refresh()
    for form in FORMS:
        assert "a-2.0-0.conda" in await stand.files("linux-64", form)
    got = await stand.get(f"linux-64/{SHARD_INDEX}")
    assert "age" not in got.headers


async def test_a_restart_serves_from_disk_with_the_origin_gone(stand: Stand) -> None:
    before = await warm(stand)
    await stand.origin.off()
    await stand.restart()
    assert await everything(stand) == before


async def test_a_late_restart_serves_stale_from_disk(stand: Stand) -> None:
    before = await warm(stand)
    await stand.origin.off()
    stand.clock.advance(3 * DAY_S)
    await stand.restart()
    assert await everything(stand) == before
    assert "fwd=stale" in (await stand.get(f"linux-64/{SHARD_INDEX}")).cache


async def test_forms_that_nobody_asked_for_before_are_made_with_the_origin_gone(stand: Stand) -> None:
    stand.channel.add(A)
    await stand.start()
    await stand.get(f"linux-64/{SHARD_INDEX}")
    await stand.origin.off()
    stand.clock.advance(LATER_S)
    await stand.restart()
    for form in FORMS:
        assert await stand.files("linux-64", form) == {A.file}


async def test_documents_that_were_evicted_are_made_again_with_the_origin_gone(stand: Stand) -> None:
    before = await warm(stand)
    await stand.origin.off()
    await stand.gateway.stop()
    for path in (stand.cache / "blobs").glob("??/*"):
        path.unlink()
    await stand.gateway.start()
    for form in FORMS:
        assert (await stand.get(f"linux-64/{form}")).body == before[f"linux-64/{form}"]
    assert (await stand.get(f"linux-64/{A.file}")).status == 503


async def test_nobody_asks_and_the_state_is_kept(stand: Stand) -> None:
    """Prefetched at the start, never asked for by any client, served after a restart without the origin."""
    stand.channel.add(A, bare("c", subdir="noarch"))
    await stand.start(subdirs=("linux-64",))
    await stand.origin.off()
    await stand.restart()
    assert await stand.files() == {A.file}
    assert await stand.files("noarch") == {"c-1.0-0.conda"}


async def test_an_offline_feed_asks_nothing(stand: Stand) -> None:
    before = await warm(stand)
    await stand.gateway.stop()
    stand.origin.forget()
    stand.clock.advance(30 * DAY_S)
    settings = stand.feed(offline=True)
    await stand.start(settings)
    assert await everything(stand) == before
    assert (await stand.get("linux-64/none-1-0.conda")).status == 404
    assert (await stand.get("osx-64/repodata.json")).status in (404, 503)
    assert stand.origin.requests == []


async def test_a_clock_that_jumps_back_costs_a_question_at_most(stand: Stand) -> None:
    before = await warm(stand)
    stand.clock.jump(-30 * DAY_S)
    stand.origin.forget()
    assert await everything(stand) == before
    await stand.settled()
    assert await everything(stand) == before
    hits = stand.origin.hits(stand.channel.path("linux-64", SHARD_INDEX))
    assert hits <= 1


@pytest.mark.parametrize("shape", ["shards", "full"])
async def test_one_question_an_interval_while_nothing_changes(stand: Stand, shape: str) -> None:
    if shape == "full":
        stand.channel.shape = FULL
    stand.channel.add(A)
    await stand.start()
    await stand.files()
    stand.origin.forget()
    for _ in range(3):
        await stand.refresh()
        for form in FORMS:
            await stand.get(f"linux-64/{form}")
    assert len(stand.channel.asked()) == 3


async def test_the_notes_may_be_lost(stand: Stand) -> None:
    """B08: what is derived is derived again; nothing that was planted is read."""
    await warm(stand)
    await stand.gateway.stop()
    notes = [path for path in (stand.cache / "notes").rglob("*") if path.is_file()]
    assert notes
    for path in notes:
        path.write_bytes(b"not a database")
    await stand.gateway.start()
    await stand.settled()
    assert await stand.files() == {A.file, "b-1.0-0.tar.bz2"}


async def test_a_note_of_something_else_is_not_believed(stand: Stand) -> None:
    await warm(stand)
    notes = stand.gateway.app.base.notes
    for key in ("subdir/origin/linux-64", "composed/chan/linux-64", "shown/chan"):
        await notes.set(key, b"\x93garbage")
    await stand.restart()
    assert await stand.files() == {A.file, "b-1.0-0.tar.bz2"}
