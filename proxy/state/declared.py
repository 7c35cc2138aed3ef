"""Feeds, policies and routes that were made through the API: whole documents, sealed, one row each.

Sealed as a whole, because a secret may stand in places that nobody thought of. A row says inside what it is, so that
rows cannot be swapped. They are needed before there is anything else, and read with the standard library then.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from proxy.config.stored import Declared, Stored
from proxy.model.redact import SecretUrl
from proxy.state.database import database_path
from proxy.state.errors import StateError
from proxy.state.file import StateFile
from proxy.state.seal import Seal

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

_NO_DATABASE = ("SQLITE_NOTADB", "SQLITE_CANTOPEN")


def read_stored(folder: Path, url: SecretUrl | None = None, *, wait_s: float = 5.0) -> Stored:
    """Return what is stored below a state folder; nothing where there is no database yet. Blocks; raises StateError."""
    path = database_path(folder, url.reveal() if url is not None else None)
    found: dict[str, dict[str, Declared]] = {}
    seal = Seal(folder)
    for noun, name, document in _rows(path, wait_s):
        told = orjson.loads(seal.open(document))
        if (told["noun"], told["name"]) != (noun, name):
            raise StateError(f"the state database {path} was altered: {noun} {name} is something else")
        found.setdefault(noun, {})[name] = Declared(told["document"], told["tag"])
    return found


def _rows(path: Path, wait_s: float) -> list[tuple[str, str, bytes]]:
    try:
        if not path.is_file():
            return []
    except OSError as err:
        raise StateError(
            f"the state folder {path.parent} cannot be read: {err.strerror}",
            ("run the command as the user that it belongs to, or name a server with --server and --key",),
        ) from err
    try:
        # Not read-only: after a crash the journal has to be played back.
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=wait_s)
        ) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'declared'").fetchone() is None:
                return []
            return connection.execute(
                "SELECT noun, name, document FROM declared ORDER BY noun, name"
            ).fetchall()
    except sqlite3.DatabaseError as err:
        if (getattr(err, "sqlite_errorname", "") or "").startswith(_NO_DATABASE):
            return []  # the start is refused for that, with more words
        raise StateFile(path).translated(err) from err


def sealed(seal: Seal, noun: str, name: str, thing: Declared) -> bytes:
    """Return a row's document. Blocks; raises StateError."""
    told: Mapping[str, Any] = {"noun": noun, "name": name, "tag": thing.tag, "document": thing.document}
    return seal.close(orjson.dumps(told))


async def write(
    connection: "AsyncConnection", noun: str, name: str, document: bytes, changed_ms: int
) -> None:
    """Write a row, in the transaction that is open."""
    from sqlalchemy.dialects.sqlite import insert

    from proxy.state.tables import declared

    row = {"noun": noun, "name": name, "document": document, "changed_ms": changed_ms}
    statement = insert(declared).values(row)
    await connection.execute(statement.on_conflict_do_update([declared.c.noun, declared.c.name], set_=row))


async def remove(connection: "AsyncConnection", noun: str, name: str) -> None:
    """Remove a row, in the transaction that is open."""
    from sqlalchemy import delete

    from proxy.state.tables import declared

    await connection.execute(delete(declared).where(declared.c.noun == noun, declared.c.name == name))


async def forget_approvals(connection: "AsyncConnection", feed: str) -> None:
    """Remove what was approved in a feed that is being deleted, in the transaction that is open."""
    from proxy.state.approval_rows import remove as remove_approvals

    await remove_approvals(connection, feed)
