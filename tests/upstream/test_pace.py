"""Rates and limits: the minimum an origin must give, the maximum we take."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.settings import Rate
from proxy.upstream.errors import Busy
from proxy.upstream.pace import RateGuard
from proxy.upstream.slots import Rank, Slot, Slots
from tests.support.answers import Pattern
from tests.support.faults import Fault
from tests.support.origin import Origin
from tests.upstream.conftest import Dial


def ends_after(rate: Rate, waits: list[tuple[float, int]]) -> float | None:
    guard, waited = RateGuard(rate), 0.0
    for wait_s, size in waits:
        waited += wait_s
        if not guard.is_kept(wait_s, size):
            return waited
    return None


def test_dripping_connection_is_ended_after_about_one_window() -> None:
    ended = ends_after(Rate(1024, 30), [(0.5, 1)] * 200)
    assert ended is not None
    assert 30 <= ended <= 33.5


def test_connection_that_becomes_slow_is_ended_within_about_one_window() -> None:
    ended = ends_after(Rate(1024, 30), [(0.1, 50_000)] * 1000 + [(0.5, 1)] * 200)
    assert ended is not None
    assert 130 <= ended <= 134


@given(st.lists(st.tuples(st.floats(0.001, 3.0), st.integers(1, 5)), min_size=1, max_size=300))
def test_connection_above_the_rate_is_never_ended(waits: list[tuple[float, int]]) -> None:
    """Twice the rate in every piece, so that the edges of the buckets cannot matter."""
    assert ends_after(Rate(1000, 10), [(wait, int(wait * 2000 * n) + 1) for wait, n in waits]) is None


def test_rate_of_nothing_is_no_rate() -> None:
    assert ends_after(Rate(0, 30), [(10, 0)] * 100) is None


async def test_bandwidth_limits_all_streams_of_an_upstream_together(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", Pattern(100_000))
        remote = dial(origin.url, bandwidth_bytes_per_s=1_000_000.0)

        async def read() -> None:
            async with await remote.open("f") as stream:
                async for _ in stream.chunks():
                    pass

        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(read() for _ in range(4)))
        # 400 KB at 1 MB/s cannot take less; how much more is the machine's business.
        assert asyncio.get_running_loop().time() - began >= 0.38


async def test_upstream_is_asked_for_no_more_than_its_concurrency_at_once(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", b"x", faults=Fault(delay_s=0.05))
        remote = dial(origin.url, concurrency=3)
        await asyncio.gather(*(remote.document("f", accept="*/*") for _ in range(12)))
        assert origin.peak() == 3
        assert origin.hits() == 12


async def test_page_finds_a_slot_while_files_take_theirs(dial: Dial) -> None:
    async with Origin() as origin:
        origin.add("/f", Pattern(1_000_000), faults=Fault(stall_at=10))
        origin.add("/page", b"x")
        remote = dial(origin.url, concurrency=2)
        stream = await remote.open("f")
        waiting = asyncio.create_task(remote.open("f"))
        assert (await remote.document("page", accept="*/*")).body == b"x"
        assert not waiting.done()
        await stream.close()
        await (await waiting).close()


async def test_people_come_before_background_work() -> None:
    slots, order = Slots(1, 5.0), []
    first = await slots.take(Rank.PAGE)

    async def wait(rank: Rank) -> None:
        slot = await slots.take(rank)
        order.append(rank)
        slot.release()

    tasks = [asyncio.create_task(wait(rank)) for rank in (Rank.BACKGROUND, Rank.FILE, Rank.PAGE)]
    await asyncio.sleep(0)
    assert slots.waiting == 3
    first.release()
    await asyncio.gather(*tasks)
    assert order == [Rank.PAGE, Rank.FILE, Rank.BACKGROUND]
    assert slots.used == 0


async def test_background_work_takes_at_most_half() -> None:
    slots = Slots(8, 5.0)
    taken = [asyncio.create_task(slots.take(Rank.BACKGROUND)) for _ in range(10)]
    await asyncio.sleep(0.01)
    assert slots.used == 4
    assert (await slots.take(Rank.FILE)) is not None
    for task in taken:
        task.cancel()
    await asyncio.gather(*taken, return_exceptions=True)


async def test_background_work_that_waited_as_long_as_a_person_would_is_a_file_among_files() -> None:
    """Else a flight that a person has joined meanwhile, or a fetch beside a busy feed, might never come about."""
    slots = Slots(4, 0.05)
    for _ in range(2):
        await slots.take(Rank.BACKGROUND)
    third = await slots.take(Rank.BACKGROUND)
    assert (slots.used, slots.waiting) == (3, 0)
    third.release()
    assert slots.used == 2


async def test_person_who_waited_too_long_is_told_so() -> None:
    slots = Slots(1, 0.05)
    await slots.take(Rank.PAGE)
    with pytest.raises(Busy):
        await slots.take(Rank.PAGE)
    assert slots.waiting == 0


async def test_queue_is_bounded() -> None:
    slots = Slots(1, 5.0)
    held = await slots.take(Rank.PAGE)
    waiting = [asyncio.create_task(slots.take(Rank.PAGE)) for _ in range(1024)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await slots.take(Rank.PAGE)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    held.release()
    assert (slots.used, slots.waiting) == (0, 0)


async def test_slots_survive_any_order_of_cancelling() -> None:
    slots = Slots(2, 5.0)

    async def use(rank: Rank, hold_s: float) -> None:
        slot: Slot = await slots.take(rank)
        try:
            await asyncio.sleep(hold_s)
        finally:
            slot.release()
            slot.release()

    for turn in range(30):
        tasks = [asyncio.create_task(use(Rank(n % 3), 0.001)) for n in range(9)]
        await asyncio.sleep(0.001 * (turn % 4))
        for task in tasks[turn % 9 :: 2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (slots.used, slots.waiting) == (0, 0)
