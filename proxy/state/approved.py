"""Every approval there is, read at the start: beside the one writer and without its library (a fifth of a second)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from proxy.model.approval import Approval, Drift

_FIELDS = Approval.__struct_fields__
_DRIFT = msgspec.msgpack.Decoder(Drift)


def load(path: Path) -> list[Approval]:
    """Return every approval in the order in which they were made. Blocks."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    try:
        return list(_read(connection.execute(f"SELECT {', '.join(_FIELDS)} FROM approvals ORDER BY rowid")))
    finally:
        connection.close()


def _read(rows: sqlite3.Cursor) -> Iterator[Approval]:
    for row in rows:
        facts = dict(zip(_FIELDS, row, strict=True))
        drift = facts.pop("drift")
        yield Approval(**facts, drift=_DRIFT.decode(drift) if drift is not None else None)
