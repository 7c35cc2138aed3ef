"""An origin; blocking calls on the loop fail every test of this room."""

from collections.abc import AsyncIterator, Iterator

import pytest
from blockbuster import BlockBuster

from tests.support.index import FakeIndex
from tests.support.origin import Origin


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
    return FakeIndex(origin)
