"""Bringing an older database to this program's schema, with a copy of it made first (reliability, F06).

All migrations run in one transaction: a kill in the middle leaves the old schema. The migration tool is
imported here and nowhere else, because a start that needs no migration must not pay for it.
"""

import logging
import os
import sqlite3
from datetime import datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from proxy.state.errors import StateError
from proxy.state.fresh import HEAD, sync_folder

_LOG = logging.getLogger("feedgate.state")
MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(
    path: Path, revision: str, now: datetime, *, to: str = HEAD, migrations: Path = MIGRATIONS
) -> Path:
    """Copy the database, then migrate it; return the copy. Blocks; raises StateError, unchanged then."""
    try:
        copy = copy_of(path, revision, now)
        migrate(path, to, migrations)
    except (OSError, sqlite3.Error, SQLAlchemyError, CommandError) as err:
        raise StateError(
            f"the state database {path} could not be brought from schema {revision} to {to}: {err}",
            ("it is unchanged; make room or give the right to write there, then start again",),
        ) from err
    _LOG.info("state upgraded: from %s, to %s, copy %s", revision, to, copy)
    return copy


def copy_of(path: Path, revision: str, now: datetime) -> Path:
    """Copy the database beside itself, consistent and on disk before its name appears."""
    target = path.with_name(f"{path.name}.before-{revision}-{now:%Y%m%dT%H%M%SZ}")
    temporary = target.with_name(f"{target.name}.new")
    temporary.unlink(missing_ok=True)
    source, copy = sqlite3.connect(path), sqlite3.connect(temporary)
    # It is put on the disk at the end, once.
    copy.execute("PRAGMA synchronous=OFF")
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.rename(target)
    sync_folder(path.parent)
    return target


def migrate(path: Path, to: str = HEAD, migrations: Path = MIGRATIONS) -> None:
    """Run the migrations up to a revision, in one transaction."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", _configured)
    event.listen(engine, "begin", _begun)
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    finally:
        engine.dispose()


def _configured(connection: sqlite3.Connection, _record: object) -> None:
    """The driver's own transactions would commit before DDL; SQLite's are used instead."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=TRUNCATE")
    connection.execute("PRAGMA synchronous=EXTRA")


def _begun(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
