"""What the durability tests run as a process of its own: `python -m tests.state.child <what> <folder>`."""

import asyncio
import resource
import sys
from pathlib import Path

from proxy.model.clock import SystemClock
from proxy.model.problem import Problem
from proxy.state.database import Database
from proxy.state.rows import Rows
from proxy.state.sightings import Sightings


def said(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def record(database: Database, prefix: str, count: str) -> None:
    """Record one name after the other and say each as soon as it is acknowledged."""
    sightings = Sightings(database)
    for number in range(int(count)):
        await sightings.record("up", "", f"{prefix}{number}", {"f": "a" * 64}, number)
        said(f"{prefix}{number}")


async def write(folder: Path, prefix: str, count: str) -> None:
    """Write rows without the lock, as no second process is meant to."""
    rows = Rows(folder / "state.sqlite")
    for number in range(int(count)):
        await rows.write_sightings("up", "", {f"{prefix}{number}": b"payload"})
    await rows.close()


async def fill(database: Database) -> None:
    """Write until no file may grow, read on, and write again once they may."""
    sightings = Sightings(database, memory_bytes=0)
    await sightings.record("up", "", "held", {"f": "a" * 64}, 1)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (database.path.stat().st_size, limit[1]))
    large = {f"file-{number}": "b" * 64 for number in range(2000)}
    try:
        await sightings.record("up", "", "large", large, 2)
    except Problem as problem:
        said(problem.word)
    seen = await sightings.of("up", "", "held")
    said("read" if seen is not None else "lost")
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    said("absent" if await sightings.of("up", "", "large") is None else "partial")
    await sightings.record("up", "", "large", large, 3)
    said("written")


async def main(what: str, folder: Path, *rest: str) -> None:
    if what == "write":
        await write(folder, *rest)
        return
    database = Database(folder, SystemClock())
    await database.open()
    if what == "hold":
        said("held")
        await asyncio.Event().wait()
    elif what == "fill":
        await fill(database)
    else:
        await record(database, *rest)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
