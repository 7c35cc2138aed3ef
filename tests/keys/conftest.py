"""An origin; blocking calls on the loop fail every test of this room."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from proxy.state import key_digests
from tests.keys.house import House, house
from tests.support.origin import Origin


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    blockbuster = BlockBuster("proxy")
    blockbuster.activate()
    yield
    blockbuster.deactivate()


@pytest.fixture(autouse=True)
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of a given value is dear on purpose; tests/state/test_keys.py pays the price."""
    monkeypatch.setattr(key_digests, "_N", 16)


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as running:
        yield running


@pytest.fixture
async def built(tmp_path: Path, origin: Origin) -> AsyncIterator[House]:
    async with house(tmp_path, origin) as running:
        yield running
