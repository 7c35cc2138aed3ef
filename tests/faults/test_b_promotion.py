"""B02: killed at every write and sync of a promotion of fifty; all of it is there or nothing, and asking again is safe.

Calls of SQLite are counted by strace, in the thread of the state database; those of Python (the vault's files, written
after the answer) over all threads (killer.py). The default run takes a few points of each, the long one all.
"""

import asyncio
import contextlib
import re
from collections import Counter
from pathlib import Path

import aiohttp
import orjson
import pytest

from tests.approval.desk import KEY, Desk, curated
from tests.faults.process import Served, needs
from tests.faults.stage import Stage
from tests.faults.test_b_kill import DATABASE_CALLS, Point, strace
from tests.support.gateway import feed, upstream
from tests.support.length import sized
from tests.support.wheels import wheel

MANY = 50
CURATED = '[feeds.approved]\nkind = "pypi"\ncurated_from = ["pypi"]\n'
ORDER = {"from": "pypi", "specs": ["many"], "versions": "all", "comment": "fifty"}

pytestmark = pytest.mark.timeout(1800)


async def promote(url: str) -> tuple[int, bytes]:
    """Ask for the promotion; status 0 if the server died of it."""
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Content-Type": "application/json",
        "Idempotency-Key": "one",
    }
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{url}/api/v1/feeds/approved/promotions", data=orjson.dumps(ORDER), headers=headers
            ) as got,
        ):
            return got.status, await got.read()
    return 0, b""


def served(stage: Stage, folder: Path, point: Point) -> Served:
    environ = {"FEEDGATE_ADMIN_KEY": KEY}
    return Served(folder, stage.index.url, config=CURATED, environ=environ, **point.options(folder))


async def warmed(server: Served) -> None:
    """Have everything done that only the first request does."""
    assert (await server.get("/pypi/pypi/simple/many/")).status == 200


def traced(folder: Path) -> Counter[tuple[str, str]]:
    """Return how often each thread made each call of a database so far."""
    text = (folder / "trace").read_text()
    return Counter((tid, call) for tid, call in re.findall(r"^(\d+) +(\w+)\(", text, re.MULTILINE))


async def database_points(stage: Stage) -> list[Point]:
    """Return the calls that the promotion itself makes, in the thread of the state database."""
    folder = stage.folder / "traced"
    await asyncio.to_thread(folder.mkdir)
    server = Served(
        folder, stage.index.url, config=CURATED, environ={"FEEDGATE_ADMIN_KEY": KEY},
        wrapper=strace(folder, ",".join(DATABASE_CALLS)),
    )  # fmt: skip
    async with server:
        await warmed(server)
        before = traced(folder)
        assert (await promote(server.url))[0] == 201
        after = traced(folder)
        assert await server.stop() == 0
    synced = Counter(
        {tid: count - before[tid, call] for (tid, call), count in after.items() if "sync" in call}
    )
    ((thread, _),) = synced.most_common(1)
    return [
        Point(call, when, True)
        for (tid, call), count in after.items()
        if tid == thread
        for when in range(before[tid, call] + 1, count + 1)
    ]


async def killed(stage: Stage, folder: Path, point: Point) -> tuple[bool, int]:
    """Promote until the point kills the server; tell whether it did, and what was answered."""
    server, status = served(stage, folder, point), 0
    try:
        async with server:
            await warmed(server)
            status, _ = await promote(server.url)
            # The bytes come after the answer.
            await asyncio.sleep(0.3)
            return server.is_dead() or await server.stop() != 0, status
    except (AssertionError, OSError):
        return server.is_dead(), status


async def complaints(stage: Stage, folder: Path, answered: int) -> list[str]:
    """Start again on what the kill left; return what is wrong."""
    desk, found = Desk(folder, stage.origin, stage.index), []
    await desk.start(feed(upstream(stage.index.url)), curated("approved", "pypi"))
    try:
        approved = len(await desk.approvals())
        promotions = (await desk.send("GET", "/feeds/approved/promotions")).json()["items"]
        audited = (await desk.audited()).count("promotion.create")
        if approved not in (0, MANY) or len(promotions) != approved // MANY or audited != len(promotions):
            found.append(
                f"{approved} approvals, {len(promotions)} promotions, {audited} entries in the audit"
            )
        if answered == 201 and not approved:
            found.append("it was answered, and it is gone")
        status, body = await promote(desk.gateway.url)
        again, same = await promote(desk.gateway.url)
        if (status, again) != (201, 201) or body != same or len(await desk.approvals()) != MANY:
            found.append(f"asked again it is {status} and {again}: {body[:200]!r}")
        held = await desk.held()
        found += [
            f"{item['artifact']} is {item['bytes']}" for item in held.values() if item["bytes"] != "held"
        ]
        base = desk.gateway.app.base
        found += [
            f"a damaged blob was visible: {digest}" for digest in (await base.vault.verify_all()).damaged
        ]
        found += [f"the state is damaged: {fault}" for fault in await base.database.check()]
        if (await desk.send("GET", "/audit/chain")).json()["ok"] is not True:
            found.append("the audit is not whole")
    finally:
        await desk.stop()
    return found


async def swept(stage: Stage, points: list[Point], most: int) -> None:
    chosen = [points[at * len(points) // most] for at in range(most)] if len(points) > most else points
    wrong: list[str] = []
    kills = 0
    for number, point in enumerate(chosen):
        folder = stage.folder / f"{number}"
        await asyncio.to_thread(folder.mkdir)
        died, answered = await killed(stage, folder, point)
        kills += died
        wrong += [f"{point}: {what}" for what in await complaints(stage, folder, answered)]
    assert wrong == []
    assert kills >= len(chosen) // 2


@pytest.fixture
def fifty(stage: Stage) -> Stage:
    stage.index.add(*(wheel("many", f"1.{number}") for number in range(MANY)))
    return stage


@needs("strace")
async def test_a_promotion_killed_at_any_write_of_the_state_is_there_whole_or_not_at_all(
    fifty: Stage,
) -> None:
    points = await database_points(fifty)
    assert {"pwrite64"} <= {point.call for point in points}
    await swept(fifty, points, sized(4, 10_000))


async def test_a_promotion_killed_while_its_bytes_come_loses_none(fifty: Stage) -> None:
    """The vault's files: opened, written, synced, renamed."""
    calls = {"fsync": 12, "rename": 8, "pwrite": 10, "open": 40}
    most = sized(1, 12)
    points = [Point(call, first + 9 * step) for call, first in calls.items() for step in range(most)]
    await swept(fifty, points, sized(4, 10_000))
