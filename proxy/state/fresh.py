"""A new state database, made at once: the schema at HEAD without the migration tool, which takes long.

Only for a folder that never had one (`file.py` decides that). The migrations stay the truth: a test makes a
database with them and compares.
"""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from proxy.state.schema_0002 import SCHEMA_0002
from proxy.state.schema_0003 import SCHEMA_0003

_SCHEMA_0001: Sequence[str] = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
    "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))",
    "CREATE TABLE sightings (upstream VARCHAR NOT NULL, subdir VARCHAR NOT NULL, name VARCHAR NOT NULL, "
    "payload BLOB NOT NULL, PRIMARY KEY (upstream, subdir, name))",
    "CREATE TABLE snapshots (upstream VARCHAR NOT NULL, subdir VARCHAR NOT NULL, taken_ms BIGINT NOT NULL, "
    "PRIMARY KEY (upstream, subdir))",
    "CREATE TABLE owners (feed VARCHAR NOT NULL, name VARCHAR NOT NULL, upstream VARCHAR NOT NULL, "
    "since_ms BIGINT NOT NULL, PRIMARY KEY (feed, name))",
)
#: Revision -> what it adds to the one before, of every revision that this program can open, oldest first.
_ADDED: Mapping[str, Sequence[str]] = {
    "0001": _SCHEMA_0001,
    "0002": SCHEMA_0002,
    "0003": SCHEMA_0003,
}
REVISIONS: Sequence[str] = tuple(_ADDED)
#: The revision that this program works with.
HEAD = REVISIONS[-1]


def schema_of(revision: str) -> tuple[str, ...]:
    """Return the statements that make a database of a revision."""
    upto = REVISIONS[: REVISIONS.index(revision) + 1]
    return tuple(statement for each in upto for statement in _ADDED[each])


def make(path: Path) -> None:
    """Make the database under a temporary name, complete and on disk, then give it its name. Blocks."""
    temporary = path.with_name(f"{path.name}.new")
    for leftover in (temporary, temporary.with_name(f"{temporary.name}-journal")):
        leftover.unlink(missing_ok=True)
    connection = sqlite3.connect(temporary, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=TRUNCATE")
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("BEGIN IMMEDIATE")
        for statement in schema_of(HEAD):
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute("COMMIT")
    finally:
        connection.close()
    temporary.with_name(f"{temporary.name}-journal").unlink(missing_ok=True)
    temporary.rename(path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, each on disk under its name. Blocks; raises OSError."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    # A folder that may be written to and not read cannot be synced; that is no reason not to start.
    with suppress(PermissionError):
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put the folder's names on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
