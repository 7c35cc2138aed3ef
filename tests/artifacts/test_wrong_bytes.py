"""Wrong bytes: never completed, never kept, one more try at once (A05, A07; contract, section 3)."""

import asyncio
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.artifacts.blob import TAIL_BYTES
from proxy.artifacts.flight import Expected
from proxy.artifacts.flights import Flights
from proxy.artifacts.rules import MIB, Rules
from proxy.artifacts.store import BlobStore
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.upstream.errors import BadAnswer
from tests.artifacts.sources import FakeSource, Turn, honest
from tests.artifacts.tools import (
    Client,
    collect,
    data_of,
    expected_of,
    files_below,
    open_flights,
    sha256_of,
    until,
)


def flipped(data: bytes, place: int = 1000) -> bytes:
    wrong = bytearray(data)
    wrong[place] ^= 1
    return bytes(wrong)


async def test_no_client_completes_nothing_is_kept_and_both_digests_are_named(
    flights: Flights, store: BlobStore, root: Path
) -> None:
    data = data_of(300_000)
    wrong = flipped(data)
    source = FakeSource([Turn(wrong, pause_s=0.002)])
    clients = [Client() for _ in range(20)]
    flights_of = [flights.join("k", [source], expected_of(data)) for _ in clients]
    done = asyncio.create_task(flights_of[0].done())
    await asyncio.gather(*(c.read(f) for c, f in zip(clients, flights_of, strict=True)))
    assert not any(client.is_complete for client in clients)
    assert all(len(client.got) <= len(data) - TAIL_BYTES for client in clients)
    for client in clients:
        assert isinstance(client.failure, Problem)
        assert client.failure.word == "digest-mismatch"
        assert sha256_of(data) in client.failure.detail
        assert sha256_of(wrong) in client.failure.detail
    with pytest.raises(Problem, match="wrong bytes"):
        await done
    assert source.asked == [(0, None), (0, None)]
    assert len(source.complaints) == 2
    assert files_below(root) == []
    assert await store.get(sha256_of(wrong)) is None
    assert source.open_streams == 0


async def test_the_second_try_goes_to_the_next_source(flights: Flights, store: BlobStore) -> None:
    data = data_of(300_000)
    bad, good = FakeSource([Turn(flipped(data))], "http://a.test"), honest(data)
    flight = flights.join("k", [bad, good], expected_of(data), keep=True)
    assert (await flight.done()).digest == sha256_of(data)
    assert bad.asked == [(0, None)]
    assert good.asked == [(0, None)]
    assert len(bad.complaints) == 1
    assert good.complaints == []


async def test_who_was_sent_wrong_bytes_is_cut_off_though_the_second_try_succeeds(
    flights: Flights, store: BlobStore
) -> None:
    data = data_of(300_000)
    gate = asyncio.Event()
    source = FakeSource([Turn(flipped(data), gate=gate, gate_at=100_000), Turn(data)])
    early, late = Client(), Client()
    reading = asyncio.create_task(early.read(flights.join("k", [source], expected_of(data))))
    await until(lambda: len(early.got) == 100_000)
    # This one wants bytes that have not left in the first try.
    waiting = asyncio.create_task(
        late.read(flights.join("k", [source], expected_of(data)), len(data) - TAIL_BYTES)
    )
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(reading, waiting)
    assert isinstance(early.failure, Problem)
    assert not early.is_complete
    assert late.is_complete
    assert late.got == data[-TAIL_BYTES:]
    await until(lambda: store.peek(sha256_of(data)) is not None)


async def test_an_artifact_smaller_than_the_tail_is_served_from_the_second_try(flights: Flights) -> None:
    data = data_of(1000)
    source = FakeSource([Turn(flipped(data, 5)), Turn(data)])
    assert await collect(flights.join("k", [source], expected_of(data))) == data
    assert len(source.complaints) == 1


async def test_a_wrong_announced_length_is_refused_before_the_body(flights: Flights, root: Path) -> None:
    data = data_of(300_000)
    source = FakeSource([Turn(data, total=len(data) + 1)])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert isinstance(client.failure, Problem)
    assert client.failure.word == "digest-mismatch"
    assert client.got == b""
    assert files_below(root) == []
    assert source.sent == 0


async def test_a_body_without_a_length_that_is_too_long_is_cut_at_once(flights: Flights) -> None:
    data = data_of(200_000)
    source = FakeSource([Turn(data * 20, has_length=False)])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert isinstance(client.failure, Problem)
    assert not client.is_complete
    assert source.sent <= 2 * (len(data) + 64 * 1024)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("shake_128", "00" * 32), ("sha512", "00" * 32), ("sha1", "00"), ("blake2b", "00" * 8), ("blake2s", "00" * 64),
        ("blake2b_256", "00" * 64), ("md5", "0" * 31), ("tiger", "00" * 24), ("sha256", ""),
    ],
)  # fmt: skip
async def test_a_digest_that_cannot_be_compared_is_no_complaint(
    flights: Flights, name: str, digest: str
) -> None:
    data = data_of(10_000)
    expected = Expected(None, len(data), {name: digest})
    assert not expected.is_provable
    assert await collect(flights.join("k", [honest(data)], expected)) == data


class EndlessBody(bytes):
    """Zeros for ever."""

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, place: object) -> bytes:  # type: ignore[override]  # slices only
        assert isinstance(place, slice)
        return bytes(place.stop - place.start)


@pytest.mark.parametrize("sha256", [None, sha256_of(b"")], ids=["no digest", "a digest"])
async def test_a_body_without_end_is_cut_soon_where_nothing_states_a_size(
    flights: Flights, root: Path, sha256: Sha256 | None
) -> None:
    source = FakeSource([Turn(EndlessBody(), has_length=False, chunk=MIB)])
    flight = flights.join("k", [source], Expected(sha256, other={"md5": "00" * 16}))
    with pytest.raises(BadAnswer, match="let the origin send Content-Length"):
        async for _ in flight.read():
            pass
    assert source.sent <= 129 * MIB
    assert len(source.asked) == 1
    await until(lambda: files_below(root) == [])


@pytest.mark.parametrize("who", ["index", "origin", "resumed origin"])
async def test_a_file_whose_size_is_stated_may_be_larger(store: BlobStore, who: str) -> None:
    data = data_of(3 * MIB)
    turns = [Turn(data, has_length=who == "origin")]
    if who == "resumed origin":
        turns = [Turn(data, has_length=False, cut_at=MIB // 2), Turn(data)]
    expected = Expected(sha256_of(data), len(data) if who == "index" else None)
    rules = Rules(pause_s=0.001, endless_bytes=MIB)
    async with open_flights(store, rules) as flights:
        assert await collect(flights.join("k", [FakeSource(turns)], expected)) == data


async def test_a_body_without_a_length_that_is_too_short_never_completes(
    flights: Flights, root: Path
) -> None:
    data = data_of(200_000)
    source = FakeSource([Turn(data[:150_000], has_length=False)])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert not client.is_complete
    assert client.failure is not None
    assert len(client.got) <= 150_000
    await until(lambda: files_below(root) == [])


def digest_256(data: bytes) -> Any:
    return hashlib.blake2b(data, digest_size=32)


KNOWN = {
    **{
        name: functools.partial(hashlib.new, name)
        for name in sorted(hashlib.algorithms_guaranteed)
        if "shake" not in name
    },
    "blake2b_256": digest_256,
    "BLAKE2b-256": digest_256,
    "SHA3-512": hashlib.sha3_512,
}


@pytest.mark.parametrize(
    ("name", "of"),
    [
        *KNOWN.items(),
        ("blake2b", digest_256),
        ("blake2s", functools.partial(hashlib.blake2s, digest_size=20)),
    ],
)
async def test_other_digests_count_where_there_is_no_sha256(
    flights: Flights, name: str, of: Callable[[bytes], Any]
) -> None:
    data = data_of(100_000)
    plain = of(data)
    expected = Expected(None, len(data), {name: plain.hexdigest().upper(), "nobody-knows": "00"})
    assert await collect(flights.join("right", [honest(data)], expected)) == data
    wrong = honest(flipped(data))
    client = await Client().read(flights.join("wrong", [wrong], expected))
    assert isinstance(client.failure, Problem)
    assert client.failure.word == "digest-mismatch"
    assert name in client.failure.detail
    await until(lambda: len(wrong.complaints) == 2)


async def test_an_answer_in_part_that_nobody_asked_for_is_no_answer(flights: Flights, root: Path) -> None:
    data = data_of(100_000)
    source = FakeSource([Turn(data, status=206)])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert isinstance(client.failure, BadAnswer)
    assert files_below(root) == []
    assert source.open_streams == 0


@pytest.mark.parametrize("status", [404, 410])
async def test_gone_at_the_origin_is_unknown(flights: Flights, status: int) -> None:
    source = FakeSource([Turn(status=status)])
    with pytest.raises(Problem) as caught:
        await flights.join("k", [source], Expected(None)).opened()
    assert caught.value.word == "unknown"
