from pathlib import Path

import pytest

from tests.cli.calling import QUIET_FEED, Place, make_place


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A working folder without a config.toml."""
    return make_place(tmp_path, monkeypatch)


@pytest.fixture
def begun(place: Place) -> Place:
    """A working folder on which a server was started before."""
    place.begin()
    return place


@pytest.fixture
def ready(place: Place) -> Place:
    """A working folder with one feed."""
    place.write(QUIET_FEED)
    return place
