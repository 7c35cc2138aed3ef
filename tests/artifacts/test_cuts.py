"""Cut, silent and changing origins: resumed without ever mixing two files, or aborted (A02, A03, A04, A14)."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.artifacts.flight import Expected
from proxy.artifacts.flights import Flights
from proxy.artifacts.store import BlobStore
from proxy.model.problem import Problem
from proxy.upstream.errors import AuthRefused, Overloaded, Silent, Truncated, Unreachable, UpstreamError
from tests.artifacts.sources import FakeSource, Turn, honest
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

DATA = data_of(400_000)


@pytest.mark.parametrize("place", [0, 1, 100_000, len(DATA) - 1])
async def test_a_cut_body_is_taken_up_by_range(flights: Flights, store: BlobStore, place: int) -> None:
    source = FakeSource([Turn(DATA, cut_at=place), Turn(DATA)])
    flight = flights.join("k", [source], expected_of(DATA))
    assert await collect(flight) == DATA
    assert source.asked == [(0, None), (place, '"1"' if place else None)]
    assert (await flight.done()).digest == sha256_of(DATA)
    assert source.open_streams == 0


async def test_a_silent_body_is_taken_up_too(flights: Flights) -> None:
    source = FakeSource([Turn(DATA, cut_at=5000, error=lambda: Silent("origin", "too slow")), Turn(DATA)])
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA


async def test_a_body_is_taken_up_a_few_times_only(flights: Flights, root: Path) -> None:
    source = FakeSource([Turn(DATA, cut_at=100_000), Turn(DATA, cut_at=200_000), Turn(DATA, cut_at=300_000)])
    client = await Client().read(flights.join("k", [source], expected_of(DATA)))
    assert isinstance(client.failure, Truncated)
    assert DATA.startswith(client.got)
    assert not client.is_complete
    assert len(source.asked) == 3
    await until(lambda: files_below(root) == [])


async def test_without_a_validator_the_beginning_must_be_the_same(flights: Flights) -> None:
    source = FakeSource([Turn(DATA, etag=None, cut_at=100_000), Turn(DATA, etag=None)])
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA
    assert source.asked == [(0, None), (0, None)]


async def test_an_origin_that_ignores_the_range_may_begin_again(flights: Flights) -> None:
    source = FakeSource([Turn(DATA, cut_at=100_000), Turn(DATA, honours_range=False)])
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA


async def test_another_file_behind_the_same_url_is_never_joined_to_the_first(
    flights: Flights, store: BlobStore
) -> None:
    other = data_of(len(DATA), seed=9)
    source = FakeSource([Turn(other, cut_at=100_000, etag='"0"'), Turn(DATA)])
    early = Client()
    flight = flights.join("k", [source], Expected(sha256_of(DATA)))
    await early.read(flight)
    assert not early.is_complete
    assert isinstance(early.failure, Problem)
    assert (await flight.done()).digest == sha256_of(DATA)
    # A file that was replaced is no lie of its source.
    assert source.complaints == []


async def test_a_206_with_another_etag_is_not_joined(flights: Flights) -> None:
    other = data_of(len(DATA), seed=9)
    deaf = Turn(other, etag='"2"', ignores_if_range=True)
    source = FakeSource([Turn(DATA, cut_at=100_000), deaf, Turn(DATA)])
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA
    assert [start for start, _ in source.asked] == [0, 100_000, 0]


async def test_a_206_that_pretends_to_be_the_same_file_is_found_by_the_digest(flights: Flights) -> None:
    other = data_of(len(DATA), seed=9)
    source = FakeSource([Turn(DATA, cut_at=100_000), Turn(other)])
    client = await Client().read(flights.join("k", [source], expected_of(DATA)))
    assert not client.is_complete
    assert isinstance(client.failure, Problem)


async def test_who_was_told_another_size_is_cut_off_before_the_first_byte(flights: Flights) -> None:
    short, gate = DATA[:1000], asyncio.Event()
    source = FakeSource([Turn(short, gate=gate), Turn(DATA)])
    told = flights.join("k", [source], Expected(sha256_of(DATA)), keep=True)
    assert (await told.opened()).total == len(short)
    fresh = flights.join("k", [source], Expected(sha256_of(DATA)))
    gate.set()
    await told.done()
    client = await Client().read(told)
    assert isinstance(client.failure, Problem)
    assert client.got == b""
    assert await collect(fresh) == DATA


@pytest.mark.parametrize("total", [len(DATA) - 1, len(DATA) + 1])
async def test_another_total_in_the_resumed_answer_is_not_joined(flights: Flights, total: int) -> None:
    source = FakeSource([Turn(DATA, cut_at=100_000), Turn(DATA, total=total), Turn(DATA)])
    client = await Client().read(flights.join("k", [source], Expected(sha256_of(DATA))))
    assert client.is_complete
    assert client.got == DATA
    assert [start for start, _ in source.asked] == [0, 100_000, 0]


async def test_a_range_that_cannot_be_satisfied_begins_again(flights: Flights) -> None:
    source = FakeSource([Turn(DATA, cut_at=100_000), Turn(DATA, status=416), Turn(DATA)])
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA
    assert [start for start, _ in source.asked] == [0, 100_000, 0]


async def test_a_cut_that_no_resuming_cures_goes_on_at_the_next_source(flights: Flights) -> None:
    one = FakeSource([Turn(DATA, cut_at=100_000)])
    two = honest(DATA, etag='"of another mirror"')
    assert await collect(flights.join("k", [one, two], expected_of(DATA))) == DATA
    assert [start for start, _ in one.asked] == [0, 100_000, 100_000]
    assert two.asked == [(0, None)]


@pytest.mark.parametrize(
    "failure",
    [
        Silent("origin", "nothing"),
        Unreachable("tcp", "refused"),
        Overloaded("origin", "503", status=503),
        AuthRefused("origin", "401"),
    ],
)
async def test_a_source_that_does_not_open_gives_way_to_the_next(
    flights: Flights, failure: UpstreamError
) -> None:
    one, two = FakeSource([Turn(refusal=failure)]), honest(DATA)
    assert await collect(flights.join("k", [one, two], expected_of(DATA))) == DATA
    with pytest.raises(type(failure)):
        await flights.join("other", [one], expected_of(DATA)).opened()
    # The retries of an opening are the outbound door's.
    assert len(one.asked) == 2


async def test_a_source_that_does_not_answer_is_not_one_that_lacks_the_file(flights: Flights) -> None:
    silent = FakeSource([Turn(refusal=Silent("origin", "nothing"))])
    without = FakeSource([Turn(status=404)])
    with pytest.raises(Silent):
        await flights.join("k", [silent, without], expected_of(DATA)).opened()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_an_origin_does_nothing_wrong_is_completed_or_kept(data: st.DataObject) -> None:
    """Any script of cuts, replaced files, flipped bits and ignored ranges."""
    right = DATA[:30_000]
    other = data_of(30_000, seed=3)
    turn = st.builds(
        Turn,
        st.sampled_from([right, right, other, right[:-5], right + b"x", bytes([right[0] ^ 1]) + right[1:]]),
        cut_at=st.none() | st.integers(0, 30_000),
        etag=st.sampled_from(['"1"', '"2"', None]),
        has_length=st.booleans(),
        honours_range=st.booleans(),
        chunk=st.sampled_from([1000, 7777, 64 * 1024]),
    )
    turns = data.draw(st.lists(turn, min_size=1, max_size=5))
    is_known = data.draw(st.booleans())
    sources = [FakeSource(turns), FakeSource(turns[::-1])][: data.draw(st.integers(1, 2))]

    async def play(root: Path) -> None:
        async with open_store(root) as store, open_flights(store) as flights:
            expected = Expected(sha256_of(right), len(right) if is_known else None)
            clients = [Client() for _ in range(3)]
            flight = flights.join("k", sources, expected)
            reads = [
                clients[0].read(flight),
                clients[1].read(flight, 9000),
                clients[2].read(flight, 100, 200),
            ]
            await asyncio.gather(*reads)
            if clients[0].is_complete:
                assert clients[0].got == right
            if clients[1].is_complete:
                assert clients[1].got == right[9000:]
            await until(lambda: flights.current() == 0)
            kept = {Path(name).name for name in files_below(root)}
            assert kept <= {sha256_of(right)}
            assert all(source.open_streams == 0 for source in sources)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder) / "blobs"))
