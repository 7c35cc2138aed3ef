"""What waits for a transaction goes to the disk together, and nobody pays for another."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from proxy.model.problem import Problem
from proxy.state.batches import Batches
from proxy.state.database import Database
from proxy.state.owners import Owners
from proxy.state.rows import Rows
from proxy.state.sightings import Sightings
from tests.support.clock import FakeClock

A = "a" * 64
NOW_MS = 1_793_600_000_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "state", FakeClock())
    await opened.open()
    yield opened
    await opened.close()


def count_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of the transactions from now on."""
    sizes: list[int] = []
    real = Rows._write

    async def counted(self: Rows, statement: object, rows: list[Mapping[str, object]]) -> None:
        sizes.append(len(rows))
        await real(self, statement, rows)

    monkeypatch.setattr(Rows, "_write", counted)
    return sizes


async def test_names_that_are_seen_at_once_cost_a_few_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = count_writes(monkeypatch)
    sightings = Sightings(database)
    names = [f"n{number}" for number in range(200)]
    await asyncio.gather(*(sightings.sights("up", name, {"f": A}, NOW_MS) for name in names))
    assert sum(sizes) == 200
    assert len(sizes) <= 3
    remembered = await asyncio.gather(*(Sightings(database).of("up", "", name) for name in names))
    assert all(sighting and sighting.files["f"].first_ms == NOW_MS for sighting in remembered)


async def test_owners_that_are_set_at_once_cost_a_few_transactions(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = count_writes(monkeypatch)
    owners = Owners(database, FakeClock())
    await asyncio.gather(*(owners.set("feed", f"n{number}", "up") for number in range(200)))
    await asyncio.gather(*(owners.set("feed", f"n{number}", "up") for number in range(200)))
    assert sum(sizes) == 200
    assert len(sizes) <= 3
    assert await owners.all("feed") == {f"n{number}": "up" for number in range(200)}


async def test_upstreams_and_listings_of_one_name_stay_apart(database: Database) -> None:
    """The later listing of a name is merged with what the earlier one left, whoever asks at the same moment."""
    sightings = Sightings(database)
    listings: list[dict[str, str | None]] = [{"f": A}, {"f": A, "g": None}, {"h": A}]
    places = [("up", ""), ("up", "noarch"), ("other", "")]
    recorded = await asyncio.gather(
        *(
            sightings.record(*place, "demo", files, NOW_MS + number)
            for place in places
            for number, files in enumerate(listings)
        )
    )
    assert [len(sighting.files) for sighting, _ in recorded] == [1, 2, 3] * 3
    for place in places:
        sighting = await Sightings(database).of(*place, "demo")
        assert sighting is not None
        assert {file: seen.first_ms for file, seen in sighting.files.items()} == {
            "f": NOW_MS, "g": NOW_MS + 1, "h": NOW_MS + 2,
        }  # fmt: skip


async def test_a_listing_that_cannot_be_recorded_costs_no_other(database: Database) -> None:
    sightings = Sightings(database)
    files = [{"f": A}, {"f": "md5:\ud800"}, {"f": A}]
    done = await asyncio.gather(
        *(sightings.record("up", "", f"n{number}", each, NOW_MS) for number, each in enumerate(files)),
        return_exceptions=True,
    )
    assert [isinstance(each, Exception) for each in done] == [False, True, False]
    remembered = [await Sightings(database).of("up", "", f"n{number}") for number in range(3)]
    assert [each is not None for each in remembered] == [True, False, True]


class Writer:
    """A write that waits until it may go on, and fails if it is told to."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.batches: list[list[str]] = []
        self.failure: Exception | None = None

    async def write(self, group: str, values: Mapping[str, int]) -> Mapping[str, int]:
        self.batches.append(sorted(values))
        await self.may_go_on.wait()
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return {name: value + 1 for name, value in values.items()}


async def test_who_is_cancelled_takes_nobody_along() -> None:
    writer = Writer()
    batches = Batches[str, int, int](asyncio.Lock(), writer.write, 100)
    tasks = [asyncio.create_task(batches.add("g", f"n{number}", number)) for number in range(4)]
    while not writer.batches:
        await asyncio.sleep(0)
    # The first writes for all, the second waits.
    tasks[0].cancel()
    tasks[1].cancel()
    await asyncio.sleep(0)
    writer.may_go_on.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, asyncio.CancelledError) for each in done] == [True, True, False, False]
    assert done[2:] == [3, 4]
    assert writer.batches[-1] == ["n2", "n3"]


async def test_a_full_disk_is_asked_once_for_all_that_wait() -> None:
    writer = Writer()
    writer.failure = Problem("disk-full", "no space")
    batches = Batches[str, int, int](asyncio.Lock(), writer.write, 100)
    tasks = [asyncio.create_task(batches.add("g", f"n{number}", number)) for number in range(50)]
    writer.may_go_on.set()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(each, Problem) for each in done)
    assert len(writer.batches) <= 2


async def test_a_batch_is_bounded() -> None:
    writer = Writer()
    writer.may_go_on.set()
    batches = Batches[str, int, int](asyncio.Lock(), writer.write, 10)
    done = await asyncio.gather(*(batches.add("g", f"n{number}", number) for number in range(95)))
    assert done == list(range(1, 96))
    assert max(map(len, writer.batches)) == 10
    assert len(writer.batches) <= 12
