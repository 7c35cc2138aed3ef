"""An origin and, for conda, the stand; blocking calls on the loop fail every test of this room."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.conda_feed.stand import Stand
from tests.support.index import FakeIndex
from tests.support.origin import Origin
from tests.support.wheels import sdist, wheel


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    blockbuster = BlockBuster("proxy")
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
def index(origin: Origin) -> FakeIndex:
    """An index of three projects."""
    made = FakeIndex(origin)
    made.add(wheel("demo", "1.0"), sdist("demo", "1.0"), wheel("demo", "2.0"))
    made.add(wheel("leaf", "2.0"))
    made.add(wheel("zope.interface", "7.0"))
    return made


@pytest.fixture
async def stand(tmp_path: Path, origin: Origin) -> AsyncIterator[Stand]:
    """A fake channel, and a server to be started in front of it."""
    made = Stand(tmp_path, origin)
    yield made
    await made.stop()
