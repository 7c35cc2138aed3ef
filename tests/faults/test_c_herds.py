"""C02, C03: many clients of one cold file, and clients that leave."""

import asyncio
import gc
import random

import pytest

from tests.faults.herd import Herd
from tests.faults.scene import Scene
from tests.support.answers import Pattern
from tests.support.faults import Fault
from tests.support.length import sized
from tests.support.wheels import Built

MIB = 1024 * 1024
BULK = "bulk-1.0.tar.gz"
#: What is small enough to be finished when nobody wants it any more (C03).
SMALL_BYTES = 64 * MIB


def add_bulk(scene: Scene, size: int) -> str:
    """List an sdist of random bytes; return its path at the origin."""
    scene.index.add(Built("bulk", "1.0", BULK, random.Random(1).randbytes(size), None))
    return scene.index.file_path(BULK)


async def until_sent(scene: Scene, path: str, size: int, total: int, rate: float) -> None:
    """Wait until the origin has sent about that much of its only answer."""
    async with asyncio.timeout(20):
        while not scene.origin.hits(path):
            await asyncio.sleep(0.005)
    await asyncio.sleep(size / rate)
    assert size <= total


async def test_herd_on_a_slow_file_costs_one_request_and_nobody_waits_for_its_end(scene: Scene) -> None:
    """C02: fifty clients; each gets what has come as soon as it comes (long: 16 MB over 16 s)."""
    size = sized(3, 16) * MIB
    seconds = sized(2, 16)
    path = add_bulk(scene, size)
    await scene.start(read_timeout_s=5.0)
    await scene.warm()
    scene.origin.always(path, Fault(rate=size / seconds))
    async with Herd(scene.gateway.url + scene.path(BULK), 49, scene.folder / "herd") as herd:
        leader = asyncio.create_task(scene.get(scene.path(BULK)))
        await until_sent(scene, path, size // 4, size, size / seconds)
        followers = await herd.go()
    for follower in followers:
        scene.auditor.note(follower)
    answers = [await leader, *followers]
    assert all(answer.status == 200 and answer.is_complete for answer in answers)
    assert scene.origin.hits(path) == 1
    assert scene.origin.peak(path) == 1
    # A quarter was there when they came; the origin needs three quarters of its time for the rest.
    firsts = sorted(answer.first_s for answer in followers)
    assert firsts[-1] < seconds / 4
    assert scene.counted("flights", "started") == 1
    assert all(answer.cache.startswith("feedgate; fwd=miss") for answer in answers)


async def test_herd_on_a_page_costs_one_request(scene: Scene) -> None:
    """C02: the same for an index that nobody has asked for yet."""
    await scene.start(json_api=None)
    scene.origin.always(scene.page_path, Fault(delay_s=0.3))
    answers = await asyncio.gather(*(scene.get(scene.page) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert scene.origin.hits(scene.page_path) == 1


async def test_herd_on_side_files_costs_one_request(scene: Scene) -> None:
    """C02: METADATA is fetched, or made, once."""
    scene.index.reshape(core_metadata=False, metadata_files=False)
    await scene.start()
    await scene.warm()
    answers = await asyncio.gather(*(scene.get(f"{scene.file}.metadata") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert scene.origin.hits(f"{scene.file_path}.metadata") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_head_beside_a_get_costs_no_second_fetch(scene: Scene, method: str) -> None:
    """C02: the size is in the index."""
    await scene.start()
    await scene.warm()
    answers = await asyncio.gather(scene.get(scene.file), *(scene.get(scene.file, method) for _ in range(5)))
    assert {answer.status for answer in answers} == {200}
    assert {answer.headers["content-length"] for answer in answers} == {str(len(scene.data))}
    assert scene.origin.hits(scene.file_path) == 1


async def test_fetch_goes_on_for_the_others_when_its_first_client_leaves(scene: Scene) -> None:
    """C03: at a tenth; the origin is not asked again."""
    size = 2 * MIB
    path = add_bulk(scene, size)
    await scene.start()
    await scene.warm()
    scene.origin.always(path, Fault(rate=size / 1.0))
    first = asyncio.create_task(scene.get(scene.path(BULK), leave_at=size // 10))
    await until_sent(scene, path, size // 20, size, size / 1.0)
    others = [asyncio.create_task(scene.get(scene.path(BULK))) for _ in range(5)]
    assert not (await first).is_complete
    assert all([(await other).is_complete for other in others])
    assert scene.origin.hits(path) == 1
    assert scene.origin.aborted(path) == 0


async def test_small_file_is_finished_when_all_have_left(scene: Scene) -> None:
    """C03: up to 64 MiB what has begun is worth its end."""
    size = 2 * MIB
    path = add_bulk(scene, size)
    await scene.start()
    await scene.warm()
    scene.origin.always(path, Fault(rate=size / 1.0))
    await asyncio.gather(*(scene.get(scene.path(BULK), leave_at=size // 10) for _ in range(3)))
    await scene.settled()
    assert scene.index.file(BULK).built.sha256 in scene.blobs()
    assert scene.origin.hits(path) == 1
    again = await scene.get(scene.path(BULK))
    assert (again.cache, len(again.body)) == ("feedgate; hit", size)


async def test_large_file_is_given_up_when_all_have_left_early(scene: Scene) -> None:
    """C03: after five seconds of grace; nothing of it stays, and nothing complains of it."""
    body = Pattern(SMALL_BYTES + MIB)
    size = len(body)
    digest = await asyncio.to_thread(body.sha256)
    scene.index.add(Built("bulk", "1.0", BULK, b"bulk", None), claimed_sha256=digest, claimed_size=size)
    path = scene.index.file_path(BULK)
    scene.origin.add(path, body, etag='"1"')
    await scene.start(read_timeout_s=5.0)
    await scene.warm()
    scene.origin.always(path, Fault(rate=size / 60.0))
    await asyncio.gather(*(scene.get(scene.path(BULK), leave_at=1000) for _ in range(3)))
    async with asyncio.timeout(10):
        while scene.gateway.app.base.flights.current():
            await asyncio.sleep(0.05)
    assert digest not in scene.blobs()
    assert await scene.auditor.no_temps() == []
    assert scene.counted("flights", "abandoned") == 1
    gc.collect()
    scene.index.remove(BULK, bytes_too=True)


async def test_clients_that_come_and_go_leave_nothing_behind(scene: Scene) -> None:
    """C03, C04: a hundred of them around one fetch."""
    size = MIB
    path = add_bulk(scene, size)
    await scene.start()
    await scene.warm()
    scene.origin.always(path, Fault(rate=size / 1.0))
    chance = random.Random(7)
    stays = asyncio.create_task(scene.get(scene.path(BULK)))
    for _ in range(10):
        leaves = (scene.get(scene.path(BULK), leave_at=chance.randrange(1, size)) for _ in range(10))
        await asyncio.gather(*leaves)
    assert (await stays).is_complete
    assert scene.origin.hits(path) == 1


async def test_client_that_leaves_a_page_does_not_spoil_it_for_the_others(scene: Scene) -> None:
    """C03: rendering, compressing and refreshing belong to nobody."""
    await scene.start(json_api=None)
    scene.origin.always(scene.page_path, Fault(delay_s=0.3))
    leaving = [asyncio.create_task(scene.get(scene.page, Accept_Encoding="gzip")) for _ in range(5)]
    staying = [asyncio.create_task(scene.get(scene.page, Accept_Encoding="gzip")) for _ in range(5)]
    await asyncio.sleep(0.1)
    for task in leaving:
        task.cancel()
    assert {(await task).status for task in staying} == {200}
    assert scene.origin.hits(scene.page_path) == 1
