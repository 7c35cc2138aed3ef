"""While policies change and the channel changes: what begins after a change and ends before the next obeys it (D09)."""

import asyncio
from collections.abc import Callable

from tests.conda_feed.readback import shard_digests
from tests.policies_conda.judged import Ruled
from tests.support.channel import SHARD_INDEX
from tests.support.conda_packages import bare
from tests.support.gateway import Got

TK = "tk-1.0-0.conda"


def lists(got: Got) -> bool:
    return TK in got.json()["packages.conda"]


def has_shard(got: Got) -> bool:
    return "tk" in shard_digests(got)


def loads(got: Got) -> bool:
    return got.status == 200


ROADS: dict[str, Callable[[Got], bool]] = {"repodata.json": lists, SHARD_INDEX: has_shard, TK: loads}


async def test_a_request_between_two_changes_sees_the_policy_of_that_time(ruled: Ruled) -> None:
    ruled.channel.add(bare("tk"), bare("zlib"))
    await ruled.start(block=["nothing-else"])
    await ruled.shown()
    number, is_blocked, is_over = 0, False, asyncio.Event()
    seen: set[tuple[str, bool]] = set()
    wrong: list[str] = []

    async def client(file: str) -> None:
        while not is_over.is_set():
            began, blocked = number, is_blocked
            got = await ruled.stand.get(f"linux-64/{file}")
            if began != number or got.status == 503:  # the policy has changed meanwhile
                continue
            seen.add((file, blocked))
            if ROADS[file](got) is blocked:
                wrong.append(f"{file} answered {got.status} under policy {began}, blocked: {blocked}")

    clients = [asyncio.create_task(client(file)) for file in ROADS for _ in range(2)]
    for turn in range(6):
        is_blocked = turn % 2 == 0
        await ruled.change(settle=False, block=["tk"] if is_blocked else [f"nothing-{turn}"])
        number += 1
        if turn == 2:
            ruled.channel.add(bare("zlib", "2.0"))
        # Long enough for everybody to have asked once more.
        seen.clear()
        async with asyncio.timeout(60):
            while {file for file, blocked in seen if blocked is is_blocked} != set(ROADS):
                await asyncio.sleep(0.02)
    is_over.set()
    await asyncio.gather(*clients)
    assert wrong == []
