"""R4: a slow transfer gives its slot up, and nobody waits for one until a client gives up."""

import asyncio

import pytest

from proxy.upstream import exchange, slots
from proxy.upstream.errors import Busy
from proxy.upstream.remote import Remote
from proxy.upstream.slots import Rank, Slots
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial

LOOK_S, PATIENCE_S = exchange._LOOK_S, slots.LONGEST_PATIENCE_S
SLOW = (Fault(drip=(64, 0.05)), Fault(stall_at=100))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything takes a tenth of its time."""
    monkeypatch.setattr(exchange, "_LOOK_S", LOOK_S / 10)
    monkeypatch.setattr(slots, "LONGEST_PATIENCE_S", PATIENCE_S / 10)


@pytest.mark.parametrize("fault", SLOW, ids=["drip", "stall"])
async def test_slow_transfers_starve_nobody(dial: Dial, fault: Fault) -> None:
    async with Origin() as origin:
        origin.add("/slow", b"x" * 100_000, faults=fault)
        origin.add("/f", b"whole")
        remote = dial(origin.url, concurrency=3, read_timeout_s=20.0)

        async def read(path: str) -> bytes:
            async with await remote.open(path) as stream:
                return b"".join([chunk async for chunk in stream.chunks()])

        waiting = [asyncio.create_task(read("slow")) for _ in range(6)]
        while origin.active("/slow") < 2:
            await asyncio.sleep(0.01)
        for _ in range(3):
            assert await read("f") == b"whole"
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (remote._slots.used, remote._slots._parked) == (0, 0)


async def test_an_origin_that_has_not_answered_yet_gets_no_more_requests(dial: Dial) -> None:
    async with Origin() as origin:
        origin.always("*", Fault(silent=True))
        remote = dial(origin.url, concurrency=2, read_timeout_s=20.0)
        asks = [asyncio.create_task(remote.document(f"f{n}", accept="*/*")) for n in range(6)]
        await asyncio.sleep(0.5)
        assert (origin.peak(), remote._slots.used, remote._slots._parked) == (2, 2, 0)
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)


async def test_a_fast_transfer_keeps_its_slot(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/fast", b"x" * 3_000_000, faults=Fault(rate=4_000_000.0))
        remote = dial(origin.url, concurrency=1, read_timeout_s=20.0)
        async with await remote.open("fast") as stream:
            async for _ in stream.chunks():
                assert (remote._slots.used, remote._slots._parked) == (1, 0)


async def test_a_bounded_number_goes_on_without_a_slot() -> None:
    queue = Slots(2, 1.0)
    taken = []
    for _ in range(16):
        taken.append(await queue.take(Rank.PAGE))
        taken[-1].park()
        taken[-1].park()
    assert (queue.used, queue._parked) == (0, 16)
    over = await queue.take(Rank.PAGE)
    over.park()
    assert (queue.used, queue._parked) == (1, 16)
    for slot in (*taken, over, over):
        slot.release()
    assert (queue.used, queue._parked) == (0, 0)


async def test_whoever_waits_for_a_slot_gets_an_answer_after_one_patience(
    dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once more for each retry and mirror: the queue is the same for all."""
    monkeypatch.setattr(exchange, "_LOOK_S", 60.0)
    monkeypatch.setattr(slots, "LONGEST_PATIENCE_S", 0.2)
    async with Origin() as origin, Origin() as other:
        origin.always("/slow", Fault(silent=True))
        remote = dial(origin.url, other.url, concurrency=1, read_timeout_s=20.0, retries=5)
        slow = asyncio.create_task(remote.document("slow", accept="*/*"))
        while not origin.active():
            await asyncio.sleep(0.01)
        takes = 0
        take = remote._slots.take

        async def counted(rank: Rank) -> slots.Slot:
            nonlocal takes
            takes += 1
            return await take(rank)

        monkeypatch.setattr(remote._slots, "take", counted)
        with pytest.raises(Busy):
            await remote.document("f", accept="*/*")
        assert takes == 1
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)


def test_nobody_waits_until_pip_gives_up() -> None:
    assert Slots(8, 30.0)._patience_s < 15
    assert Slots(8, 0.5)._patience_s == 0.5


async def test_who_stands_behind_many_slow_transfers_is_served(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/cold", b"cold")
        remote = dial(origin.url, concurrency=4, read_timeout_s=20.0)
        slow = []
        for number in range(15):
            origin.add(f"/slow{number}", b"x" * 400_000, faults=SLOW[0])
            slow.append(asyncio.create_task(_drained(remote, f"slow{number}")))
        await asyncio.sleep(0)
        assert (await remote.open("cold")).status == 200
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


async def _drained(remote: Remote, url: str) -> None:
    async with await remote.open(url) as stream:
        async for _ in stream.chunks():
            pass


def test_all_that_may_go_on_slowly_do_within_one_patience() -> None:
    limit = 8
    rounds = limit * slots._PARKED_PER_SLOT / (limit - 1)
    assert rounds * LOOK_S < PATIENCE_S
