"""The size limit: least recently used out first, never what is pinned, never under a reader (C11's first half)."""

import asyncio
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.artifacts.accounting import Accounting
from proxy.artifacts.blob import SMALL_BYTES
from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from proxy.model.digest import Sha256
from tests.artifacts.sources import honest
from tests.artifacts.tools import (
    collect,
    data_of,
    expected_of,
    files_below,
    open_flights,
    open_store,
    sha256_of,
)
from tests.support.clock import FakeClock

SIZE = 100_000


async def filled(store: BlobStore, count: int, clock: FakeClock | None = None) -> list[Sha256]:
    digests = []
    for number in range(count):
        digests.append((await store.put(data_of(SIZE, seed=number))).digest)
        if clock is not None:
            clock.advance(10)
    return digests


async def test_the_least_recently_used_blobs_go_first(root: Path) -> None:
    async with open_store(root, max_bytes=5 * SIZE) as store:
        one, two, three, four, five = await filled(store, 5)
        assert store.peek(one) is not None
        (six,) = [(await store.put(data_of(SIZE, seed=6))).digest]
        assert await store.get(two) is None
        for digest in (one, three, four, five, six):
            assert await store.get(digest) is not None
        stats = store.stats()
        assert (stats.blobs, stats.total_bytes, stats.evicted) == (5, 5 * SIZE, 1)
        assert len(files_below(root)) == 5


async def test_only_as_much_goes_as_must(root: Path) -> None:
    async with open_store(root, max_bytes=10 * SIZE) as store:
        await filled(store, 40)
        assert store.stats().total_bytes == 10 * SIZE


async def test_pinned_blobs_stay(root: Path) -> None:
    pinned = {sha256_of(data_of(SIZE, seed=0)), sha256_of(data_of(SIZE, seed=1))}
    async with open_store(root, max_bytes=3 * SIZE, is_pinned=pinned.__contains__) as store:
        await filled(store, 8)
        for digest in pinned:
            assert await store.get(digest) is not None
        assert store.stats().blobs == 3
        await store.prune(0)
        await store.purge(lambda _: True)
        assert store.stats().blobs == 2
        await store.remove(next(iter(pinned)))
        assert store.stats().blobs == 1


async def test_prune_and_purge_tell_what_went(root: Path) -> None:
    async with open_store(root) as store:
        digests = await filled(store, 6)
        removed = await store.prune(4 * SIZE)
        assert (removed.blobs, removed.total_bytes) == (2, 2 * SIZE)
        removed = await store.purge(lambda digest: digest == digests[5])
        assert (removed.blobs, removed.total_bytes) == (1, SIZE)
        assert [await store.get(digest) is not None for digest in digests] == [
            False, False, True, True, True, False,
        ]  # fmt: skip
        assert len(files_below(root)) == 3
        assert (await store.prune(1 << 40)).blobs == 0


async def test_a_small_blob_that_was_purged_is_gone_from_memory_too(root: Path) -> None:
    async with open_store(root) as store:
        blob = await store.put(b"small")
        await store.purge(lambda _: True)
        assert store.peek(blob.digest) is None
        assert await store.get(blob.digest) is None


async def test_the_order_of_use_survives_a_restart(root: Path) -> None:
    clock = FakeClock()
    async with open_store(root, clock=clock) as store:
        one, two, three = await filled(store, 3, clock)
        store.peek(one)
    async with open_store(root, clock=clock, max_bytes=3 * SIZE) as store:
        await store.put(data_of(SIZE, seed=4))
        assert await store.get(two) is None
        assert await store.get(one) is not None
        assert await store.get(three) is not None


async def test_a_lost_or_damaged_ledger_costs_nothing(root: Path) -> None:
    for damage in (b"", b"x" * 41, b"\xff" * 400, None):
        async with open_store(root, max_bytes=10 * SIZE) as store:
            await filled(store, 3)
            assert store.stats().blobs == 3
        (root / "ledger").unlink()
        if damage is not None:
            (root / "ledger").write_bytes(damage)
        else:
            (root / "ledger").mkdir()
    async with open_store(root, max_bytes=2 * SIZE) as store:
        await store.put(data_of(SIZE, seed=9))
        assert store.stats().blobs == 2


async def test_a_smaller_limit_is_obeyed_after_the_start(root: Path) -> None:
    async with open_store(root) as store:
        await filled(store, 6)
    store = BlobStore(root, SystemClock(), max_bytes=2 * SIZE, scrub_s=0)
    await store.start()
    await store.prune(2 * SIZE)
    assert store.stats().blobs == 2
    await store.close()


async def test_eviction_does_not_break_a_flight(root: Path) -> None:
    data = data_of(3 * SIZE)
    async with open_store(root, max_bytes=4 * SIZE) as store, open_flights(store) as flights:
        flight = flights.join("k", [honest(data)], expected_of(data))
        stream = flight.read()
        first = await anext(stream)
        await flight.done()
        await filled(store, 4)
        assert await store.get(sha256_of(data)) is None
        assert first + b"".join([piece async for piece in stream]) == data


async def test_an_artifact_larger_than_the_store_passes_through_and_evicts_nobody(root: Path) -> None:
    data = data_of(5 * SIZE)
    async with open_store(root, max_bytes=4 * SIZE) as store, open_flights(store) as flights:
        await filled(store, 3)
        for has_length in (True, False):
            source = honest(data, has_length=has_length)
            expected = expected_of(data)
            assert await collect(flights.join(f"k{has_length}", [source], expected)) == data
            assert len(source.asked) == 1
        assert store.stats().blobs == 3
        assert store.stats().degraded is None
        await asyncio.sleep(0)
        assert len(files_below(root)) == 3


async def test_memory_for_small_blobs_is_bounded(root: Path) -> None:
    async with open_store(root, memory_bytes=1_000_000) as store:
        for number in range(60):
            await store.put(data_of(SMALL_BYTES, seed=number))
        assert store.stats().memory_bytes <= 1_000_000
        first = await store.get(sha256_of(data_of(SMALL_BYTES, seed=0)))
        assert first is not None
        assert first.data == data_of(SMALL_BYTES, seed=0)


digests = st.integers(0, 8).map(lambda number: Sha256(f"{number:064x}"))


@given(
    st.lists(st.tuples(st.sampled_from(["add", "touch", "remove", "victims"]), digests, st.integers(0, 50)))
)
def test_the_accounting_agrees_with_a_slow_one(steps: list[tuple[str, Sha256, int]]) -> None:
    accounting, slow = Accounting(), list[tuple[Sha256, int]]()
    for now, (step, digest, number) in enumerate(steps):
        held = dict(slow)
        match step:
            case "add":
                accounting.add(digest, number, now)
                slow = [(d, s) for d, s in slow if d != digest] + [(digest, number)]
            case "touch":
                accounting.touch(digest, now)
                if digest in held:
                    slow = [(d, s) for d, s in slow if d != digest] + [(digest, held[digest])]
            case "remove":
                assert accounting.remove(digest) == held.get(digest, 0)
                slow = [(d, s) for d, s in slow if d != digest]
            case _:
                victims = list(accounting.victims(number, {digest}.__contains__))
                left = sum(size for d, size in slow if d not in victims)
                assert left <= number or set(held) - set(victims) <= {digest}
                assert digest not in victims
                order = [d for d, _ in slow if d != digest]
                assert victims == order[: len(victims)]
        assert accounting.total_bytes == sum(size for _, size in slow)
        assert [d for d, _ in accounting.items()] == [d for d, _ in slow]
