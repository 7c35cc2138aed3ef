"""Keys as rows: read at the start with the standard library, because SQLAlchemy comes only with the first change."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from proxy.model.actor import Grant
from proxy.model.key import Key
from proxy.state.file import StateFile


def read_all(path: Path) -> list[tuple[Key, Mapping[str, Any]]]:
    """Return every key with its row. Blocks; raises StateError."""
    place = f"{path.absolute().as_uri()}?mode=ro"
    with (
        StateFile(path).reading("a key"),
        closing(sqlite3.connect(place, uri=True, timeout=30)) as connection,
    ):
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM keys ORDER BY created_ms, id")
        return [(key_of(dict(row)), dict(row)) for row in rows]


def row_of(key: Key) -> dict[str, object]:
    """Return the columns that tell of a key; its digest is not among them."""
    grants = [{"feed": grant.feed, "rights": grant.rights} for grant in key.grants]
    return {
        "id": key.id, "name": key.name, "grants": orjson.dumps(grants).decode(),
        "groups": orjson.dumps(key.groups).decode(), "is_admin": key.is_admin, "created_ms": key.created_ms,
        "created_by": key.created_by, "expires_ms": key.expires_ms, "last_used_ms": key.last_used_ms,
    }  # fmt: skip


def key_of(row: Mapping[str, Any]) -> Key:
    grants = tuple(Grant(grant["feed"], tuple(grant["rights"])) for grant in orjson.loads(row["grants"]))
    return Key(
        id=row["id"], name=row["name"], grants=grants, groups=tuple(orjson.loads(row["groups"])),
        is_admin=bool(row["is_admin"]), created_ms=row["created_ms"], created_by=row["created_by"],
        expires_ms=row["expires_ms"], last_used_ms=row["last_used_ms"],
    )  # fmt: skip
