"""B01: killed at every write, sync, rename and unlink of a cold download; the next start finds nothing half done.

The default run takes a few kill points of each call; the long one all of them. Calls of Python are counted over
all threads (killer.py), those of SQLite by strace, in the thread of each database.
"""

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.process import Served, needs
from tests.faults.stage import PAGE, WHEEL, Stage
from tests.support.gateway import Gateway, feed, upstream
from tests.support.length import sized

#: What SQLite does; `fdatasync` or `fsync`, as it was built.
DATABASE_CALLS = ("pwrite64", "fdatasync", "fsync", "unlink", "ftruncate")

pytestmark = pytest.mark.timeout(1800)


@dataclass(frozen=True)
class Point:
    """Where a run is killed."""

    call: str
    when: int
    is_traced: bool = False

    def options(self, folder: Path) -> dict[str, Any]:
        """Return how to run the server."""
        if self.is_traced:
            return {"wrapper": strace(folder, self.call, self.when)}
        counts = str(folder / "counts")
        return {"program": ("-m", "tests.faults.killer", self.call, str(self.when), counts)}


def strace(folder: Path, calls: str, when: int = 0) -> tuple[str, ...]:
    """Return the wrapper; with its filter for speed (--seccomp-bpf) strace counts, but does not kill."""
    kill = ("-e", f"inject={calls}:signal=KILL:when={when}") if when else ()
    return ("strace", "-f", "-qq", "-o", str(folder / "trace"), "-e", f"trace={calls}", *kill)


async def cold_download(stage: Stage, served: Served) -> None:
    """Ask for a page, its wheel and the wheel's side file, whatever happens to the server meanwhile."""
    for path in (PAGE, stage.path(WHEEL), f"{stage.path(WHEEL)}.metadata"):
        answer = await served.get(path)
        assert answer.status in (0, 200), answer.body


async def clean_run(stage: Stage, folder: Path, **options: Any) -> None:
    await asyncio.to_thread(folder.mkdir)
    async with Served(folder, stage.index.url, **options) as served:
        await cold_download(stage, served)
        await stage.stored(served, WHEEL)
        assert await served.stop() == 0


async def python_points(stage: Stage) -> list[Point]:
    folder = stage.folder / "counted"
    await clean_run(stage, folder, **Point("none", 0).options(folder))
    counts: dict[str, int] = json.loads((folder / "counts").read_text())
    assert counts["fsync"] >= 6
    assert counts["rename"] >= 3
    return [Point(call, when) for call, count in counts.items() for when in range(1, count + 1)]


async def database_points(stage: Stage) -> list[Point]:
    folder = stage.folder / "traced"
    await clean_run(stage, folder, wrapper=strace(folder, ",".join(DATABASE_CALLS)))
    made = re.findall(r"^(\d+) +(\w+)\(", (folder / "trace").read_text(), re.MULTILINE)
    by_call: dict[str, int] = {}
    for (_, call), count in Counter(made).items():
        by_call[call] = max(by_call.get(call, 0), count)
    assert len(by_call) >= 3
    return [Point(call, when, True) for call, most in by_call.items() for when in range(1, most + 1)]


async def killed(stage: Stage, folder: Path, point: Point) -> bool:
    """Run until the point kills the server; tell whether it did."""
    served = Served(folder, stage.index.url, **point.options(folder))
    try:
        async with served:
            await cold_download(stage, served)
            # Some of the writing comes after the answer.
            await asyncio.sleep(0.1)
            return served.is_dead() or await served.stop() != 0
    except (AssertionError, OSError):
        return served.is_dead()


async def audited(stage: Stage, folder: Path) -> list[str]:
    """Start again, in this process, on what the kill left; return what is wrong."""
    found = []
    async with Gateway(folder, feed(upstream(stage.index.url))) as gateway:
        for path, right in ((PAGE, None), (stage.path(WHEEL), stage.index.file(WHEEL).built.data)):
            answer = await gateway.get(path)
            if answer.status != 200 or (right is not None and answer.body != right):
                found.append(f"{path} is {answer.status} after the kill: {answer.body[:200]!r}")
        async with asyncio.timeout(10):
            while gateway.app.base.flights.current() or any((folder / "data/cache/blobs/tmp").iterdir()):
                await asyncio.sleep(0.01)
        report = await gateway.app.base.store.verify_all()
        found += [f"a damaged blob was visible: {digest}" for digest in report.damaged]
        found += [f"the state is damaged: {fault}" for fault in await gateway.app.base.database.check()]
    return found


async def swept(stage: Stage, points: list[Point], most: int) -> None:
    """Kill at these points, or evenly chosen ones if there are more than that."""
    chosen = [points[at * len(points) // most] for at in range(most)] if len(points) > most else points
    complaints: list[str] = []
    kills = 0
    for number, point in enumerate(chosen):
        folder = stage.folder / f"{number}"
        await asyncio.to_thread(folder.mkdir)
        kills += await killed(stage, folder, point)
        complaints += [f"{point}: {what}" for what in await audited(stage, folder)]
    assert complaints == []
    # A clean run has calls that the next one may do without.
    assert kills >= len(chosen) * 3 // 4


async def test_kill_at_any_call_of_a_cold_download_leaves_nothing_half_done(stage: Stage) -> None:
    """B01: nothing partial under a digest, temps swept, the same request right."""
    await swept(stage, await python_points(stage), sized(6, 10_000))


@needs("strace")
async def test_kill_at_any_call_of_the_databases_leaves_them_sound(stage: Stage) -> None:
    """B01: the state is whole, and the notes are there or made anew."""
    await swept(stage, await database_points(stage), sized(3, 10_000))
