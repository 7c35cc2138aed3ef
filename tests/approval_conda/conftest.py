"""A stand with an open feed `chan` and the curated feed `approved` on top of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.approval_conda.desk import Desk
from tests.conda_feed.conftest import no_blocking_calls as no_blocking_calls
from tests.conda_feed.conftest import origin as origin
from tests.support.origin import Origin


@pytest.fixture
async def desk(tmp_path: Path, origin: Origin, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    failed_before = request.session.testsfailed
    made = Desk(tmp_path, origin)
    try:
        yield made
        if request.session.testsfailed == failed_before:
            assert made.log.crashes == []
    finally:
        await made.stop()
