"""What every test with real clients has: an origin, and clients that can reach nothing but this machine.

The clients' outbound proxy is a server that remembers who came. A client that asked any index but the feed would
have gone through it, so that every test of this folder also says: no other index was ever asked.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.clients import Clients
from tests.support.origin import Origin


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
async def outside() -> AsyncIterator[Origin]:
    """Everything that is not this machine, as far as clients can tell."""
    async with Origin() as running:
        yield running


@pytest.fixture
async def clients(tmp_path: Path, outside: Origin) -> AsyncIterator[Clients]:
    through = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), outside.url)
    lower = {name.lower(): url for name, url in through.items()}
    yield Clients(tmp_path / "home", {**through, **lower})
    assert [(seen.method, seen.target) for seen in outside.requests] == []
