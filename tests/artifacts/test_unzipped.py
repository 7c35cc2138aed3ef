"""C4: a file that comes with gzip though nobody asked for it, or that is only said to; size and digest decide."""

import gzip
from pathlib import Path

import pytest

from proxy.artifacts.flight import Expected
from proxy.artifacts.flights import Flights
from proxy.artifacts.store import BlobStore
from proxy.model.problem import Problem
from tests.artifacts.sources import FakeSource, Turn
from tests.artifacts.tools import Client, data_of, expected_of, files_below, sha256_of, until

CODINGS = ("gzip", "x-gzip", " GZIP ")
FILES = {
    "text": b"metadata " * 50_000,
    "noise": data_of(300_000),
    "a gzip": gzip.compress(b"source " * 50_000),
    "a gzip of noise": gzip.compress(data_of(300_000)),
    "small": b"few",
}


@pytest.mark.parametrize("has_length", [True, False])
@pytest.mark.parametrize("has_size", [True, False])
@pytest.mark.parametrize("is_coded", [True, False])
@pytest.mark.parametrize("file", FILES)
async def test_the_file_arrives_whether_it_is_coded_or_only_said_to_be(
    flights: Flights, store: BlobStore, file: str, is_coded: bool, has_size: bool, has_length: bool
) -> None:
    data = FILES[file]
    sent = gzip.compress(data) if is_coded else data
    source = FakeSource([Turn(sent, coding="gzip", has_length=has_length)])
    expected = Expected(sha256_of(data), len(data) if has_size else None)
    blob = await flights.join("k", [source], expected, keep=True).done()
    assert (blob.digest, blob.size) == (sha256_of(data), len(data))
    assert source.complaints == []
    assert len(source.asked) <= 2
    assert source.open_streams == 0


@pytest.mark.parametrize("coding", CODINGS)
async def test_it_is_taken_off_as_it_comes(flights: Flights, coding: str) -> None:
    data = data_of(400_000)
    half = len(data) // 2
    sent = gzip.compress(data[:half]) + gzip.compress(data[half:])
    source = FakeSource([Turn(sent, coding=coding, chunk=1000)])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert client.is_complete and client.got == data
    assert source.asked == [(0, None)]


async def test_after_a_cut_it_begins_at_the_first_byte(flights: Flights) -> None:
    data = data_of(400_000)
    sent = gzip.compress(data)
    source = FakeSource([Turn(sent, coding="gzip", cut_at=200_000), Turn(sent, coding="gzip")])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert client.is_complete and client.got == data
    assert source.asked == [(0, None), (0, None)]


@pytest.mark.parametrize(
    "sent",
    [gzip.compress(data_of(100_000, seed=2)), data_of(90_000), gzip.compress(data_of(100_000))[:-9]],
    ids=["another file", "no gzip", "a cut gzip"],
)
async def test_wrong_bytes_stay_wrong_either_way(flights: Flights, root: Path, sent: bytes) -> None:
    data = data_of(100_000)
    source = FakeSource([Turn(sent, coding="gzip")])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert isinstance(client.failure, Problem) and client.failure.word == "digest-mismatch"
    assert not client.is_complete
    await until(lambda: len(source.complaints) == 1)
    await until(lambda: files_below(root) == [])


async def test_a_bomb_is_cut_at_the_size_of_the_file(flights: Flights) -> None:
    data = data_of(100_000)
    bomb = gzip.compress(b"0" * 200_000_000, 1)
    source = FakeSource([Turn(bomb, coding="gzip")])
    client = await Client().read(flights.join("k", [source], expected_of(data)))
    assert isinstance(client.failure, Problem) and client.failure.word == "digest-mismatch"
    assert source.sent < len(bomb) / 2
