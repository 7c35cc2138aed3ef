"""The stand of each test; blocking calls on the loop fail it, and so does a traceback in the log."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.conda_feed.stand import Stand
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
async def stand(tmp_path: Path, origin: Origin, request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    failed_before = request.session.testsfailed
    made = Stand(tmp_path, origin)
    try:
        yield made
        if request.session.testsfailed == failed_before:
            assert made.log.crashes == []
    finally:
        await made.stop()
