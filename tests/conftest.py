"""What holds for all tests: those marked `long` run only where the environment asks for them (support/length.py),
and the collector does not walk what pytest itself holds: some 170,000 objects, 100 ms each time, in every test's loop.
"""

import gc

import pytest

from tests.support.length import IS_LONG


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
