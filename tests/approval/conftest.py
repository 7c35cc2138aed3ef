"""A reviewer's desk in front of a fake index; blocking calls on the loop fail every test of this room."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.approval.desk import Desk
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
    """Projects of which one needs another."""
    made = FakeIndex(origin)
    made.add(wheel("demo", "1.0"), sdist("demo", "1.0"))
    made.add(
        wheel("demo", "2.0", requires=["leaf>=1", "tool; sys_platform == 'win32'"]), sdist("demo", "2.0")
    )
    made.add(wheel("leaf", "1.0"), wheel("leaf", "2.0"))
    made.add(wheel("tool", "1.0"))
    return made


@pytest.fixture
async def desk(tmp_path: Path, origin: Origin, index: FakeIndex) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, origin, index)
    yield made
    await made.stop()
