"""What the state remembers of a subdir's names, read by a child beside the one writer: read-only, name by name."""

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

from proxy.state.sighting import Sighting, unpack


class Remembered(Mapping[str, Sighting]):
    """The sightings of one upstream and subdir. Blocks."""

    def __init__(self, path: Path, upstream: str, subdir: str) -> None:
        self._connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        self._key = (upstream, subdir)

    def has_any(self) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM sightings WHERE upstream = ? AND subdir = ? LIMIT 1", self._key
        )
        return found.fetchone() is not None

    def __getitem__(self, name: str) -> Sighting:
        found = self._connection.execute(
            "SELECT payload FROM sightings WHERE upstream = ? AND subdir = ? AND name = ?", (*self._key, name)
        ).fetchone()
        if found is None:
            raise KeyError(name)
        return unpack(found[0])

    def __iter__(self) -> Iterator[str]:
        rows = self._connection.execute(
            "SELECT name FROM sightings WHERE upstream = ? AND subdir = ?", self._key
        )
        return (name for (name,) in rows)

    def __len__(self) -> int:
        return sum(1 for _ in self)
