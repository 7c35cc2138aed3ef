"""Sightings and owners: remembered over restarts, written only when something is new."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.model.actor import SYSTEM
from proxy.model.audit_entry import AuditEntry
from proxy.model.problem import Problem
from proxy.model.sights import Change
from proxy.state.database import Database
from proxy.state.owners import Owners
from proxy.state.sightings import Landed, Sightings
from tests.support.clock import FakeClock

A, B = "a" * 64, "b" * 64
DAY_MS = 86_400_000
NOW_MS = 1_793_600_000_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "state", FakeClock())
    await opened.open()
    yield opened
    await opened.close()


async def reopened(database: Database) -> Database:
    await database.close()
    again = Database(database.path.parent, FakeClock())
    await again.open()
    return again


async def test_first_sight_survives_a_restart(database: Database) -> None:
    await Sightings(database).record("up", "", "demo", {"f": A}, NOW_MS)
    again = await reopened(database)
    sighting, drifts = await Sightings(again).record("up", "", "demo", {"f": A}, NOW_MS + DAY_MS)
    await again.close()
    assert (sighting.files["f"].first_ms, drifts) == (NOW_MS, ())


async def test_a_listing_without_news_writes_nothing(database: Database) -> None:
    sightings = Sightings(database)
    await sightings.record("up", "", "demo", {"f": A, "g": None}, NOW_MS)
    before = database.path.stat().st_mtime_ns
    await sightings.record("up", "", "demo", {"f": A}, NOW_MS + 1)
    assert database.path.stat().st_mtime_ns == before


async def test_upstreams_and_subdirs_are_apart(database: Database) -> None:
    sightings = Sightings(database)
    await sightings.record("up", "", "demo", {"f": A}, NOW_MS)
    await sightings.record("up", "noarch", "demo", {"f": B}, NOW_MS + 1)
    await sightings.record("other", "", "demo", {"f": B}, NOW_MS + 2)
    seen = [
        await sightings.of(upstream, subdir, "demo")
        for upstream, subdir in (("up", ""), ("up", "noarch"), ("other", ""), ("none", ""))
    ]
    assert [each and each.files["f"].first_ms for each in seen] == [NOW_MS, NOW_MS + 1, NOW_MS + 2, None]


async def test_rows_that_left_memory_are_read_again(database: Database) -> None:
    sightings = Sightings(database, memory_bytes=0)
    await sightings.record("up", "", "demo", {"f": A}, NOW_MS)
    async with sightings.quiet("up", ""):
        sightings.land(Landed("up", "", "demo", "f", A))
    await sightings.close()
    _, (drift,) = await sightings.record("up", "", "demo", {"f": B}, NOW_MS + 1)
    assert (drift.before, drift.after) == (A, B)


async def test_a_drifted_file_stays_held_until_its_first_digest_is_back(database: Database) -> None:
    sightings = Sightings(database)
    assert (await sightings.sights("up", "demo", {"f": A}, NOW_MS)).drifted == {}
    sightings.land(Landed("up", "", "demo", "f", A))
    for _ in range(2):
        sights = await sightings.sights("up", "demo", {"f": B}, NOW_MS + DAY_MS)
        assert sights.drifted == {
            "f": "changed: its bytes are others at the origin since 2026-11-03; first seen 2026-11-02"
        }
        assert sights.changes == {"f": Change(A, B, NOW_MS + DAY_MS)}
    assert (await sightings.sights("up", "demo", {"f": A}, NOW_MS + 2 * DAY_MS)).drifted == {}


async def test_that_bytes_came_survives_a_restart_and_what_others_write_meanwhile(database: Database) -> None:
    sightings = Sightings(database)
    await sightings.record("up", "", "demo", {"f": A, "g": A}, NOW_MS)
    async with sightings.quiet("up", ""):
        # A child makes the rows of this place anew: what lands waits for its end.
        sightings.land(Landed("up", "", "demo", "f", A), Landed("up", "", "demo", "none", A))
        await sightings.record("up", "", "demo", {"f": A, "h": A}, NOW_MS + 1)
    await sightings.close()
    again = await reopened(database)
    listed: dict[str, str | None] = {"f": B, "g": B}
    sights = await Sightings(again).sights("up", "demo", listed, NOW_MS + 2)
    await again.close()
    assert sights.drifted.keys() == {"f"}
    assert sights.first["g"] == (NOW_MS + 2, False)


async def test_a_landing_that_the_disk_refuses_is_written_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sightings = Sightings(database)
    await sightings.record("up", "", "demo", {"f": A}, NOW_MS)
    rows = await database.rows()

    async def refused(*_: object) -> None:
        raise Problem("disk-full", "no room")

    with monkeypatch.context() as full:
        full.setattr(rows, "write_sightings", refused)
        sightings.land(Landed("up", "", "demo", "f", A))
        await sightings.close()
    assert (await sightings.sights("up", "demo", {"f": B}, NOW_MS + 1)).drifted.keys() == {"f"}


async def test_a_change_is_accepted_by_the_digest_that_was_told_last(database: Database) -> None:
    sightings = Sightings(database)
    await sightings.record("up", "", "demo", {"f": A}, NOW_MS)
    sightings.land(Landed("up", "", "demo", "f", A))
    await sightings.sights("up", "demo", {"f": B}, NOW_MS + 1)
    entry = AuditEntry(SYSTEM, "artifact.accept", "f")
    assert await sightings.accept("up", "", "demo", "f", A, entry) is None
    assert await sightings.accept("up", "", "other", "f", B, entry) is None
    assert await sightings.accept("up", "", "demo", "f", B, entry) is not None
    again = await reopened(database)
    sights = await Sightings(again).sights("up", "demo", {"f": B}, NOW_MS + 2)
    await again.close()
    assert (sights.drifted, sights.first["f"]) == ({}, (NOW_MS + 1, False))


async def test_files_are_initial_only_before_the_first_complete_listing(database: Database) -> None:
    sightings = Sightings(database)
    listings = {f"n{number}": {"f": A} for number in range(2500)}
    first = await sightings.record_many("up", "noarch", listings, NOW_MS)
    await sightings.complete("up", "noarch", NOW_MS + 1)
    await sightings.complete("up", "noarch", NOW_MS + 2)
    later, _ = await sightings.record("up", "noarch", "new", {"f": A}, NOW_MS + 3)
    assert all(sighting.files["f"].is_initial for sighting, _ in first.values())
    assert not later.files["f"].is_initial
    assert await sightings.first_complete_ms("up", "noarch") == NOW_MS + 1
    assert await sightings.first_complete_ms("up", "linux-64") is None


async def test_owner_is_remembered_over_a_restart(database: Database) -> None:
    owners = Owners(database, FakeClock())
    assert await owners.of("feed", "demo") is None
    await owners.set("feed", "demo", "private")
    assert await owners.of("feed", "demo") == "private"
    again = await reopened(database)
    owners = Owners(again, FakeClock(), memory_names=1)
    assert [await owners.of("feed", name) for name in ("demo", "other", "demo")] == [
        "private",
        None,
        "private",
    ]
    await owners.set("feed", "demo", "public")
    assert await owners.of("feed", "demo") == "public"
    assert await owners.of("elsewhere", "demo") is None
    await again.close()
