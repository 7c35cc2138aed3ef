"""Blocking calls on the loop fail every test of this room; stores are closed at the end."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from proxy.artifacts.flights import Flights
from proxy.artifacts.store import BlobStore
from proxy.model.clock import SystemClock
from tests.artifacts.tools import open_flights


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    blockbuster = BlockBuster("proxy")
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[BlobStore]:
    store = BlobStore(root, SystemClock(), max_bytes=1 << 30, scrub_s=0)
    await store.start()
    yield store
    await store.close()


@pytest.fixture
async def flights(store: BlobStore) -> AsyncIterator[Flights]:
    async with open_flights(store) as flights:
        yield flights
