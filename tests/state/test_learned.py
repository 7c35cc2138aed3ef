"""What a child learned reaches the state, all of it, and is read from there."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.model.problem import Problem
from proxy.state.database import Database
from proxy.state.learned import write_learned
from proxy.state.owners import Owners
from proxy.state.sighting import Sighting, merge, pack
from proxy.state.sightings import Sightings
from tests.support.clock import FakeClock

NOW_MS = 1_793_600_000_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "state", FakeClock())
    await opened.open()
    yield opened
    await opened.close()


def seen(digest: str, now_ms: int = NOW_MS) -> Sighting:
    return merge(None, {"f": digest * 64}, now_ms, is_initial=True)[0]


def learned(path: Path, names: int, digest: str) -> Path:
    write_learned(path, ((f"name{number:05}", pack(seen(digest))) for number in range(names)))
    return path


async def stored(database: Database, names: int) -> int:
    """Return how many of the names, and of one more, are remembered."""
    wanted = [f"name{number:05}" for number in range(names + 1)]
    return len(await (await database.rows()).sightings("up", "noarch", wanted))


@pytest.mark.parametrize("names", [0, 1, 999, 1000, 1001])
async def test_every_name_is_remembered(database: Database, tmp_path: Path, names: int) -> None:
    await Sightings(database).learn("up", "noarch", learned(tmp_path / "learned", names, "a"))
    assert await stored(database, names) == names


async def test_what_was_in_memory_is_read_again(database: Database, tmp_path: Path) -> None:
    sightings = Sightings(database)
    await sightings.record("up", "noarch", "name00000", {"f": "a" * 64}, NOW_MS)
    await sightings.record("up", "linux-64", "name00000", {"f": "a" * 64}, NOW_MS)
    await sightings.learn("up", "noarch", learned(tmp_path / "learned", 1, "b"))
    assert await sightings.of("up", "noarch", "name00000") == seen("b")
    assert await sightings.of("up", "linux-64", "name00000") == seen("a")


async def test_a_file_that_is_none_is_refused_and_the_next_one_taken(
    database: Database, tmp_path: Path
) -> None:
    sightings = Sightings(database)
    broken = tmp_path / "broken"
    broken.write_bytes(os.urandom(10_000))
    with pytest.raises(Problem):
        await sightings.learn("up", "noarch", broken)
    await sightings.learn("up", "noarch", learned(tmp_path / "learned", 3, "a"))
    assert await stored(database, 3) == 3


async def test_many_owners_are_remembered_at_once(database: Database) -> None:
    names = {f"name{number}": f"up{number % 3}" for number in range(1234)}
    await Owners(database, FakeClock()).learn("feed", names)
    assert await Owners(database, FakeClock()).all("feed") == names
