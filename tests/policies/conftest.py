"""Whole servers with policies, and real clients in front of them: uv and pip, py-rattler."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clients.conftest import clients, outside
from tests.conda_feed.conftest import origin
from tests.conda_feed.stand import Stand
from tests.support.index import FakeIndex
from tests.support.origin import Origin

__all__ = ["clients", "index", "origin", "outside", "stand"]


@pytest.fixture
def index(origin: Origin) -> FakeIndex:
    return FakeIndex(origin)


@pytest.fixture
async def stand(tmp_path: Path, origin: Origin) -> AsyncIterator[Stand]:
    """A fake channel, and a server to be started in front of it."""
    made = Stand(tmp_path, origin)
    yield made
    await made.stop()
