"""Blocking calls on the loop fail every test of this room."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[None]:
    blockbuster = BlockBuster("proxy")
    blockbuster.activate()
    yield
    blockbuster.deactivate()
