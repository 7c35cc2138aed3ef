"""What a child learned of first sights: a small database of its own, written once, in the order of the names.

The one writer of state copies its rows with SQL (`rows.py`), so that the sightings of half a million files do not
pass through a serving process's memory, nor hold its interpreter.
"""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path


def write_learned(path: Path, payloads: Iterable[tuple[str, bytes]]) -> None:
    """Write (name, packed sighting), in ascending order, to a file that is made anew. Blocks."""
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # It is derived and lives for a moment: nothing has to survive a crash.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("CREATE TABLE learned (name VARCHAR NOT NULL, payload BLOB NOT NULL)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO learned VALUES (?, ?)", payloads)
        connection.execute("COMMIT")
