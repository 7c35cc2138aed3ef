"""The stand of the conda tests, with policies; blocking calls on the loop fail a test here, too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conda_feed.conftest import no_blocking_calls, origin
from tests.conda_feed.stand import Stand
from tests.policies_conda.judged import Ruled
from tests.support.origin import Origin

__all__ = ["no_blocking_calls", "origin", "ruled"]


@pytest.fixture
async def ruled(tmp_path: Path, origin: Origin, request: pytest.FixtureRequest) -> AsyncIterator[Ruled]:
    failed_before = request.session.testsfailed
    made = Ruled(Stand(tmp_path, origin))
    try:
        yield made
        if request.session.testsfailed == failed_before:
            assert made.stand.log.crashes == []
    finally:
        await made.stand.stop()
