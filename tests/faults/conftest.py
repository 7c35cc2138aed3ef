"""The scene of each case; blocking calls on the loop fail it, and the auditor looks at what it leaves."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.faults.scene import Scene, made
from tests.faults.stage import Stage
from tests.support.origin import Origin


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    blockbuster = BlockBuster("proxy")
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    failed_before = request.session.testsfailed
    async with made(tmp_path) as scene:
        yield scene
        # After a failure the audit would only hide it.
        if request.session.testsfailed == failed_before:
            complaints = await scene.audit()
            assert not complaints, "\n".join(complaints)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Origin() as origin:
        yield Stage(tmp_path, origin)
