"""The cases of the sheet end to end: a misbehaving origin, the outbound door, the flights (A02-A05, A07, A14)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from proxy.artifacts.flight import OriginStreamLike
from proxy.artifacts.flights import Flights
from proxy.config.settings import Rate, Upstream
from proxy.model.clock import SystemClock
from proxy.model.digest import Sha256
from proxy.model.problem import Problem
from proxy.model.redact import SecretUrl
from proxy.upstream.door import Door
from proxy.upstream.errors import UpstreamError
from tests.artifacts.tools import Client, collect, data_of, expected_of, files_below, sha256_of, until
from tests.support.faults import Fault
from tests.support.origin import Origin

DATA = data_of(500_000)
PATH = "/files/a-1.0-py3-none-any.whl"


class Remote(Protocol):
    """What is needed of the outbound door."""

    async def open(self, url: str, *, start: int = 0, if_range: str | None = None) -> OriginStreamLike: ...


class RemoteSource:
    """A path at a remote."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self.complaints: list[str] = []

    def name(self) -> str:
        return "the origin"

    async def open(self, start: int, if_range: str | None) -> OriginStreamLike:
        return await self._remote.open(PATH, start=start, if_range=if_range)

    async def right_bytes(self, digest: Sha256) -> None:
        pass

    async def wrong_bytes(self, detail: str) -> None:
        self.complaints.append(detail)


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as origin:
        yield origin


@pytest.fixture
async def source(origin: Origin) -> AsyncIterator[RemoteSource]:
    door = Door(SystemClock(), environ={}, instance="test")
    upstream = Upstream(
        id="up",
        urls=(SecretUrl(f"{origin.url}/"),),
        allow_private=True,
        read_timeout_s=0.5,
        min_rate=Rate(50_000.0, 0.3),
        retries=0,
    )
    yield RemoteSource(door.remote(upstream))
    await door.close()


def serve(origin: Origin, *faults: Fault, etag: str | None = '"1"', data: bytes = DATA) -> None:
    """Answer with these faults in turn, then honestly."""
    origin.add(PATH, data, etag=etag)
    origin.script(PATH, *faults)


HEALED = {
    "cut in the middle": Fault(reset_at=200_000),
    "cut at the first byte": Fault(reset_at=1),
    "cut at the last byte": Fault(reset_at=len(DATA) - 1),
    "closed early": Fault(truncate_at=200_000),
    "chunked and closed early": Fault(chunked=True, truncate_at=200_000),
    "no length and closed early": Fault(close_delimited=True, truncate_at=200_000),
    "stalled": Fault(stall_at=200_000),
    "dripping": Fault(drip=(1, 0.05)),
    "one bit flipped in the tail": Fault(flip_at=-1),
}


@pytest.mark.parametrize("case", HEALED)
async def test_a_fault_that_passes_costs_a_request(
    flights: Flights, origin: Origin, source: RemoteSource, case: str
) -> None:
    serve(origin, HEALED[case])
    flight = flights.join("k", [source], expected_of(DATA), keep=True)
    client = await Client().read(flight)
    assert (await flight.done()).digest == sha256_of(DATA)
    if HEALED[case].flip_at is None:
        assert client.got == DATA
    else:
        assert not client.is_complete
    assert origin.hits(PATH) == 2


LASTING = {
    "always cut": Fault(reset_at=100_000),
    "no length and closed early": Fault(close_delimited=True, truncate_at=100_000),
    "a length that is too long": Fault(length=str(len(DATA) + 7), close=True),
    "a length that is too short": Fault(length=str(len(DATA) - 7)),
    "no number for a length": Fault(length="many"),
    "a negative length": Fault(length="-5"),
    "two lengths": Fault(second_length="7"),
    "a length and chunks": Fault(length_and_chunked=True),
    "chunks without end": Fault(endless=True),
    "an encoding nobody asked for, and wrong bytes in it": Fault(encoding="gzip", flip_at=1000),
    "an encoding that is not known": Fault(encoding="zstd"),
    "an unasked part": Fault(unasked_206=True),
    "an unasked 304": Fault(unasked_304=True),
    "wrong bytes": Fault(flip_at=1000),
    "silence": Fault(silent=True),
    "dripping": Fault(drip=(1, 0.05)),
}


#: What makes the source rest; the others are breakers' business.
LIES = {
    "wrong bytes",
    "an encoding nobody asked for, and wrong bytes in it",
    "an encoding that is not known",
    "a length that is too long",
    "a length that is too short",
    "chunks without end",
}


@pytest.mark.parametrize("case", LASTING)
async def test_a_fault_that_lasts_completes_nothing_and_leaves_nothing(
    flights: Flights, origin: Origin, source: RemoteSource, root: Path, case: str
) -> None:
    origin.add(PATH, DATA, etag='"1"', faults=LASTING[case])
    flight = flights.join("k", [source], expected_of(DATA))
    client = await Client().read(flight)
    assert not client.is_complete
    assert isinstance(client.failure, UpstreamError | Problem)
    with pytest.raises((UpstreamError, Problem)):
        await flight.done()
    assert files_below(root) == []
    assert bool(source.complaints) == (case in LIES)


async def test_a_resumed_download_asks_for_the_rest_under_its_etag(
    flights: Flights, origin: Origin, source: RemoteSource
) -> None:
    serve(origin, Fault(reset_at=200_000))
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA
    first, second = origin.received(PATH)
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=200000-"
    assert second.headers["if-range"] == '"1"'


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
async def test_without_a_strong_validator_the_download_begins_again(
    flights: Flights, origin: Origin, source: RemoteSource, etag: str | None
) -> None:
    serve(origin, Fault(reset_at=200_000), etag=etag)
    assert await collect(flights.join("k", [source], expected_of(DATA))) == DATA
    assert all("range" not in request.headers for request in origin.received(PATH))


async def test_an_honest_answer_in_chunks_or_without_a_length_is_stored(
    flights: Flights, origin: Origin, source: RemoteSource
) -> None:
    for number, fault in enumerate((Fault(chunked=True), Fault(close_delimited=True))):
        serve(origin, fault)
        flight = flights.join(f"k{number}", [source], expected_of(DATA))
        assert await collect(flight) == DATA
    await until(lambda: flights.current() == 0)
    assert origin.hits(PATH) == 2
