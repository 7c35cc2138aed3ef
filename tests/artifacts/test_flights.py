"""Single flight: one fetch for however many, all streaming from the growing file (law 5; C02, C03, C04, C05)."""

import asyncio
import gc
import logging
import os
import random
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

from proxy.artifacts.blob import PIECE_BYTES, TAIL_BYTES, Blob
from proxy.artifacts.files import Files
from proxy.artifacts.flight import Expected
from proxy.artifacts.flights import Flights
from proxy.artifacts.rules import Rules
from proxy.artifacts.store import BlobStore
from proxy.model.problem import Problem
from proxy.upstream.errors import Silent
from tests.artifacts.sources import FakeSource, FakeStream, Turn, honest
from tests.artifacts.tools import (
    Client,
    collect,
    data_of,
    expected_of,
    files_below,
    open_flights,
    open_store,
    sha256_of,
    until,
)


@pytest.mark.parametrize("size", [0, 1, TAIL_BYTES, TAIL_BYTES + 1, PIECE_BYTES, 1_000_000])
async def test_an_artifact_is_fetched_streamed_and_stored(
    flights: Flights, store: BlobStore, root: Path, size: int
) -> None:
    data = data_of(size)
    source = honest(data)
    flight = flights.join("k", [source], expected_of(data))
    opened = await flight.opened()
    assert (opened.total, opened.etag, opened.source) == (size, '"1"', source.label)
    assert await collect(flight) == data
    blob = await flight.done()
    assert blob.digest == sha256_of(data)
    assert store.peek(blob.digest) == blob
    assert await store.read(blob) == data
    assert files_below(root) == [f"{blob.digest[:2]}/{blob.digest}"]
    assert source.asked == [(0, None)]
    assert source.open_streams == 0


async def test_what_was_fetched_is_not_verified_again_and_survives_a_restart(
    flights: Flights, store: BlobStore
) -> None:
    data = data_of(300_000)
    blob = await flights.join("k", [honest(data)], expected_of(data), keep=True).done()
    assert blob.is_verified
    assert store.peek(blob.digest) == blob


async def test_fifty_clients_of_a_slow_source_share_one_request(flights: Flights) -> None:
    data = data_of(2_000_000)
    source = honest(data, pause_s=0.01)
    clients = [Client() for _ in range(50)]
    flights_of = [flights.join("k", [source], expected_of(data)) for _ in clients]
    await asyncio.gather(*(c.read(f) for c, f in zip(clients, flights_of, strict=True)))
    assert all(client.got == data for client in clients)
    assert source.asked == [(0, None)]
    assert source.most_open == 1
    firsts = [client.first_at or 0.0 for client in clients]
    # All were woken by the same beat; the bound is the sheet's.
    assert max(firsts) - min(firsts) < 0.1


async def test_a_latecomer_reads_from_the_growing_file(flights: Flights) -> None:
    data = data_of(3_000_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate, gate_at=2_500_000)
    first = flights.join("k", [source], expected_of(data))
    reader = asyncio.create_task(Client().read(first))
    await until(lambda: source.sent >= 2_500_000)
    late = flights.join("k", [source], expected_of(data))
    pieces = late.read()
    begun = b"".join([await anext(pieces) for _ in range(20)])
    assert data.startswith(begun)
    gate.set()
    assert begun + b"".join([piece async for piece in pieces]) == data
    assert (await reader).got == data
    assert source.asked == [(0, None)]


async def test_the_last_4_kib_wait_for_the_digest(flights: Flights) -> None:
    data = data_of(500_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate, gate_at=len(data) - 1)
    client = Client()
    reading = asyncio.create_task(client.read(flights.join("k", [source], expected_of(data))))
    await until(lambda: len(client.got) == len(data) - TAIL_BYTES)
    await asyncio.sleep(0.02)
    assert len(client.got) == len(data) - TAIL_BYTES
    gate.set()
    assert (await reading).got == data


async def test_without_any_digest_the_tail_waits_for_the_clean_end(flights: Flights) -> None:
    data = data_of(500_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate, gate_at=len(data) - 1, has_length=False)
    client = Client()
    flight = flights.join("k", [source], Expected(None))
    reading = asyncio.create_task(client.read(flight))
    await until(lambda: len(client.got) == len(data) - 1 - TAIL_BYTES)
    await asyncio.sleep(0.02)
    assert len(client.got) == len(data) - 1 - TAIL_BYTES
    gate.set()
    assert (await reading).got == data
    assert (await flight.done()).digest == sha256_of(data)


async def test_another_key_is_another_fetch(flights: Flights) -> None:
    data, more = data_of(10_000), data_of(10_000, seed=2)
    one, two = honest(data), honest(more)
    a = flights.join("a", [one], expected_of(data))
    b = flights.join("b", [two], expected_of(more))
    assert flights.current() == 2
    assert (await collect(a), await collect(b)) == (data, more)


async def test_a_range_is_answered_from_the_growing_file_without_waiting_for_the_rest(
    flights: Flights,
) -> None:
    data = data_of(1_000_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate, gate_at=500_000)
    flight = flights.join("k", [source], expected_of(data))
    assert await collect(flight, 100_000, 200_000) == data[100_000:200_000]
    gate.set()
    assert await collect(flight, len(data) - 10) == data[-10:]


async def test_is_flying_tells_whether_a_join_meets_a_fetch(flights: Flights) -> None:
    data = data_of(10_000)
    assert not flights.is_flying("k")
    flight = flights.join("k", [honest(data)], expected_of(data))
    assert flights.is_flying("k")
    await collect(flight)
    await flight.done()
    await until(lambda: flights.current() == 0)
    assert not flights.is_flying("k")


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
async def test_who_reads_only_after_all_is_over_gets_the_bytes_from_the_store(
    flights: Flights, size: int
) -> None:
    data = data_of(size)
    source = honest(data)
    flight = flights.join("k", [source], expected_of(data), keep=True)
    await flight.opened()
    await flight.done()
    await until(lambda: flights.current() == 0)
    assert await collect(flight) == data
    assert await collect(flight, 10, 50) == data[10:50]
    assert source.asked == [(0, None)]


@pytest.mark.parametrize("is_sha_known", [True, False])
async def test_who_reads_after_the_blob_was_evicted_gets_it_from_the_origin(
    flights: Flights, store: BlobStore, is_sha_known: bool
) -> None:
    data = data_of(300_000)
    source = FakeSource([Turn(data), Turn(data), Turn(data_of(300_000, seed=8))])
    expected = expected_of(data) if is_sha_known else Expected(None)
    flight = flights.join("k", [source], expected, keep=True)
    await store.remove((await flight.done()).digest)
    await until(lambda: flights.current() == 0)
    assert await collect(flight) == data
    assert source.asked == [(0, None), (0, None)]
    # Even without a digest in the index another file is not passed for the one that was verified.
    with pytest.raises(Problem):
        await collect(flight)


async def test_a_failed_fetch_is_forgotten_and_the_next_request_is_clean(flights: Flights) -> None:
    data = data_of(10_000)
    gone = FakeSource([Turn(refusal=Problem("unknown", "gone"))])
    flight = flights.join("k", [gone], expected_of(data))
    with pytest.raises(Problem):
        await flight.opened()
    with pytest.raises(Problem):
        await collect(flight)
    with pytest.raises(Problem):
        await flight.done()
    await until(lambda: flights.current() == 0)
    assert await collect(flights.join("k", [honest(data)], expected_of(data))) == data


# -- readers come and go


async def test_the_first_client_may_leave_and_the_others_go_on(flights: Flights, store: BlobStore) -> None:
    data = data_of(1_000_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate, gate_at=100_000)
    first = asyncio.create_task(Client().read(flights.join("k", [source], expected_of(data))))
    second_client = Client()
    second = asyncio.create_task(second_client.read(flights.join("k", [source], expected_of(data))))
    await until(lambda: len(second_client.got) > 0)
    first.cancel()
    await asyncio.wait([first])
    gate.set()
    assert (await second).got == data
    assert source.asked == [(0, None)]
    await until(lambda: store.peek(sha256_of(data)) is not None)


async def leave_at(flights: Flights, source: FakeSource, data: bytes, size: int) -> None:
    async with aclosing(flights.join("k", [source], expected_of(data)).read()) as pieces:
        got = 0
        async for piece in pieces:
            got += len(piece)
            if got >= size:
                return


async def test_an_abandoned_large_fetch_is_cancelled_after_a_grace(store: BlobStore, root: Path) -> None:
    data = data_of(1_000_000)
    async with open_flights(store, Rules(grace_s=0.05, finish_bytes=1000)) as flights:
        source = honest(data, gate=asyncio.Event(), gate_at=300_000)
        await leave_at(flights, source, data, 100_000)
        assert flights.current() == 1
        await until(lambda: flights.current() == 0)
        assert source.open_streams == 0
        assert store.tally.of("flights", "abandoned") == 1
        await until(lambda: files_below(root) == [])
        assert await collect(flights.join("k", [honest(data)], expected_of(data))) == data


@pytest.mark.parametrize(("finish_bytes", "gate_at"), [(2_000_000, 300_000), (1000, 600_000)])
async def test_an_abandoned_fetch_that_is_small_or_half_done_goes_on(
    store: BlobStore, finish_bytes: int, gate_at: int
) -> None:
    data = data_of(1_000_000)
    gate = asyncio.Event()
    async with open_flights(store, Rules(grace_s=0.03, finish_bytes=finish_bytes)) as flights:
        source = honest(data, gate=gate, gate_at=gate_at)
        await leave_at(flights, source, data, 100_000)
        await until(lambda: source.sent >= gate_at)
        await asyncio.sleep(0.1)
        assert flights.current() == 1
        gate.set()
        await until(lambda: flights.current() == 0)
        assert store.peek(sha256_of(data)) is not None


async def test_a_new_reader_within_the_grace_keeps_the_fetch(store: BlobStore) -> None:
    data = data_of(1_000_000)
    gate = asyncio.Event()
    async with open_flights(store, Rules(grace_s=0.2, finish_bytes=1000)) as flights:
        source = honest(data, gate=gate, gate_at=300_000)
        await leave_at(flights, source, data, 100_000)
        reading = asyncio.create_task(Client().read(flights.join("k", [source], expected_of(data))))
        await asyncio.sleep(0.3)
        gate.set()
        assert (await reading).got == data
        assert source.asked == [(0, None)]


async def test_a_fetch_that_is_kept_needs_no_reader(store: BlobStore) -> None:
    data = data_of(1_000_000)
    async with open_flights(store, Rules(grace_s=0.01, finish_bytes=1000)) as flights:
        source = honest(data, pause_s=0.01)
        flight = flights.join("k", [source], expected_of(data), keep=True)
        assert (await flight.done()).digest == sha256_of(data)


async def test_a_thousand_clients_that_come_and_leave_leak_nothing(
    flights: Flights, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = data_of(2_000_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate, gate_at=1_000_000)
    keeper = asyncio.create_task(Client().read(flights.join("k", [source], expected_of(data))))
    await until(lambda: source.sent >= 1_000_000)
    chance = random.Random(7)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    async def come_and_leave() -> None:
        client = asyncio.create_task(Client().read(flights.join("k", [source], expected_of(data))))
        await asyncio.sleep(chance.random() * 0.01)
        client.cancel()
        await asyncio.wait([client])

    for _ in range(10):
        await asyncio.gather(*(come_and_leave() for _ in range(100)))
    assert flights.current() == 1
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 2
    gate.set()
    assert (await keeper).got == data
    await until(lambda: flights.current() == 0)
    gc.collect()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "fetch"] == []
    assert source.asked == [(0, None)]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_cancelled_waiter_for_the_header_disturbs_nobody(flights: Flights) -> None:
    data = data_of(10_000)
    gate = asyncio.Event()
    source = honest(data, gate=gate)
    waiting = asyncio.create_task(flights.join("k", [source], expected_of(data)).done())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    gate.set()
    assert await collect(flights.join("k", [source], expected_of(data))) == data


# -- slow readers


async def test_readers_who_do_not_read_neither_slow_the_fetch_nor_hold_its_bytes(
    flights: Flights, store: BlobStore
) -> None:
    data = data_of(8_000_000)
    source = honest(data, chunk=128 * 1024)
    stuck = [flights.join("k", [source], expected_of(data)).read() for _ in range(100)]
    held = [await anext(pieces) for pieces in stuck]
    fast = Client()
    await fast.read(flights.join("k", [source], expected_of(data)))
    assert fast.got == data
    await until(lambda: store.peek(sha256_of(data)) is not None)
    # What a reader who stopped has in its hands: one small piece.
    assert max(len(piece) for piece in held) <= 64 * 1024
    rest = [held[0], *[piece async for piece in stuck[0]]]
    assert b"".join(rest) == data
    for pieces in stuck:
        await pieces.aclose()
    assert source.asked == [(0, None)]


# -- the end


async def test_close_waits_for_a_fetch_that_ends_in_time(store: BlobStore) -> None:
    data = data_of(500_000)
    async with open_flights(store) as flights:
        reading = asyncio.create_task(
            Client().read(flights.join("k", [honest(data, pause_s=0.005)], expected_of(data)))
        )
        await asyncio.sleep(0.01)
        await flights.close(timeout_s=10)
        assert (await reading).got == data


async def test_close_keeps_what_a_client_has_already(root: Path) -> None:
    """The last bytes leave as soon as the digest is right; the disk may take a moment longer."""
    data = data_of(500_000)
    files, may_sync = Files(), threading.Event()

    def fsync_later(descriptor: int) -> None:
        may_sync.wait(20)
        os.fsync(descriptor)

    vars(files)["fsync"] = fsync_later
    async with open_store(root, files=files) as store, open_flights(store) as flights:
        client = await Client().read(flights.join("k", [honest(data)], expected_of(data)))
        assert client.got == data
        closing = asyncio.create_task(flights.close())
        # Were it to give up, it would do so now.
        await asyncio.sleep(0.05)
        may_sync.set()
        await closing
        assert await store.get(sha256_of(data)) is not None


async def test_close_stops_what_does_not_end_and_tells_its_readers(store: BlobStore, root: Path) -> None:
    data = data_of(500_000)
    async with open_flights(store) as flights:
        source = honest(data, gate=asyncio.Event(), gate_at=200_000)
        flight = flights.join("k", [source], expected_of(data))
        reading = asyncio.create_task(Client().read(flight))
        await until(lambda: source.sent >= 200_000)
        await flights.close(timeout_s=0.01)
        client = await reading
        assert isinstance(client.failure, Problem)
        assert not client.is_complete
        assert flights.current() == 0
        with pytest.raises(Problem, match="stopping"):
            flights.join("k", [source], expected_of(data))
        await until(lambda: files_below(root) == [])
        assert source.open_streams == 0


async def test_a_fault_of_the_program_reaches_the_readers(
    flights: Flights, caplog: pytest.LogCaptureFixture
) -> None:
    source = FakeSource([Turn(refusal=ZeroDivisionError("a fault"))])
    flight = flights.join("k", [source], Expected(None))
    with pytest.raises(Problem) as caught:
        await flight.opened()
    assert caught.value.word == "internal"
    assert "fault" in caplog.text


async def test_a_fetch_that_ended_after_somebody_had_looked_is_not_begun_again(
    flights: Flights, store: BlobStore
) -> None:
    data = data_of(300_000)
    source = honest(data)
    await flights.join("k", [source], expected_of(data)).done()

    async def look() -> Blob | None:
        return await store.get(sha256_of(data))

    late = [flights.join("k", [source], expected_of(data), look=look) for _ in range(3)]
    assert await asyncio.gather(*(collect(flight) for flight in late)) == [data] * 3
    opened = await late[0].opened()
    assert (opened.total, await collect(late[0], 5, 9)) == (len(data), data[5:9])
    assert source.asked == [(0, None)]


async def test_what_a_look_found_and_lost_again_is_fetched(flights: Flights, store: BlobStore) -> None:
    data = data_of(300_000)
    source = honest(data)
    blob = await flights.join("k", [source], expected_of(data)).done()

    async def look() -> Blob | None:
        await store.remove(blob.digest)
        return blob

    assert await collect(flights.join("k", [source], expected_of(data), look=look)) == data


@pytest.mark.parametrize(
    "turn",
    [
        Turn(refusal=Problem("unknown", "gone")),
        Turn(data_of(300_000), cut_at=0, etag=None),
        Turn(refusal=Silent("origin", "no byte came")),
    ],
)
async def test_where_a_joiner_knows_the_artifact_is_asked_before_anybody_is_refused(
    flights: Flights, turn: Turn
) -> None:
    data = data_of(300_000)
    gate = asyncio.Event()
    expected = Expected(sha256_of(data))

    is_asked = asyncio.Event()

    class Waiting(FakeSource):
        async def open(self, start: int, if_range: str | None) -> FakeStream:
            is_asked.set()
            await gate.wait()
            return await super().open(start, if_range)

    bad, good = Waiting([turn], "bad"), honest(data, chunk=4096)
    first = flights.join("k", [bad], expected)
    await is_asked.wait()
    second = flights.join("k", [good], expected)
    reading = asyncio.gather(Client().read(first), collect(second))
    gate.set()
    client, got = await reading
    assert got == data
    assert client.got == data or client.failure is not None
    assert (good.asked, good.right) == ([(0, None)], [sha256_of(data)])
    assert bad.right == []
