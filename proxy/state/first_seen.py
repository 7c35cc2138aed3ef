"""When files were first seen, read beside the one writer of state: what a policy's age asks, and nothing else."""

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

import msgspec

_ONE = "SELECT payload FROM sightings WHERE upstream = ? AND subdir = ? AND name = ?"
_ALL = "SELECT name, payload FROM sightings WHERE upstream = ? AND subdir = ?"


class FirstSeen(NamedTuple):
    """`is_initial`: the first complete listing had the file. Its digests are not read."""

    first_ms: int
    is_initial: bool
    digests: msgspec.Raw = msgspec.Raw()


class _Sighting(msgspec.Struct, array_like=True, frozen=True):
    """A row of `sighting.Sighting`."""

    files: dict[str, FirstSeen] = {}


_DECODER = msgspec.msgpack.Decoder(_Sighting)


class FirstSights:
    """The first sights of one upstream and subdir. Blocks; each look opens and closes, so no writer waits for it."""

    def __init__(self, state: Path, upstream: str, subdir: str) -> None:
        self._state = state
        self._key = (upstream, subdir)
        self._rows: dict[str, bytes] | None = None

    def load(self) -> None:
        """Read all rows at once, for who asks for most of them."""
        with contextlib.closing(self._connect()) as connection:
            self._rows = dict(connection.execute(_ALL, self._key).fetchall())

    def of(self, name: str) -> dict[str, FirstSeen]:
        """Return file -> first sight."""
        payload = self._payload(name) if self._rows is None else self._rows.get(name)
        return {} if payload is None else _DECODER.decode(payload).files

    def _payload(self, name: str) -> bytes | None:
        with contextlib.closing(self._connect()) as connection:
            row = connection.execute(_ONE, (*self._key, name)).fetchone()
        return None if row is None else row[0]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._state}?mode=ro", uri=True, timeout=30)
