"""What holds for all tests: those marked `long` run only where the environment asks for them (support/length.py),
and the collector does not walk what pytest itself holds: some 170,000 objects, 100 ms each time, in every test's loop.
Nothing is unpickled in this process (E17). A server that ran in this process leaves its umask to no other test (S13).
"""

import gc
import os
from collections.abc import Iterator

import pytest

from tests.support import unpickling
from tests.support.length import IS_LONG

unpickling.watch()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long ones out: deselected, and so counted as such, rather than skipped."""
    long = [item for item in items if item.get_closest_marker("long") is not None]
    if long and not IS_LONG:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


def pytest_collection_finish() -> None:
    """Set aside what imports and collection have made; it lives as long as the run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_unpickled() -> Iterator[None]:
    """Fail the test in which anything was unpickled, whoever caught the error."""
    yield
    found, unpickling.seen[:] = [*unpickling.seen], []
    assert not found, f"unpickled: {found}"


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)
