"""What is approved in memory, and how it gets there at the start: without the writer's library, which takes long."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from proxy.model.approval import Approval, Drift
from proxy.model.digest import Sha256
from proxy.state.file import StateFile

_FIELDS = Approval.__struct_fields__
_DRIFT = msgspec.msgpack.Decoder(Drift)


def load(path: Path) -> list[Approval]:
    """Return every approval in the order in which they were made. Blocks; raises StateError."""
    with StateFile(path).reading("an approval"), closing(_connected(path)) as connection:
        return list(_read(connection.execute(f"SELECT {', '.join(_FIELDS)} FROM approvals ORDER BY rowid")))


def load_vaulted(path: Path) -> list[tuple[str, Sha256]]:
    """Return the feeds and the digests that have come for them. Blocks; raises StateError."""
    with StateFile(path).reading("a digest"), closing(_connected(path)) as connection:
        rows = connection.execute("SELECT feed, sha256 FROM vaulted")
        return [(feed, Sha256(digest)) for feed, digest in rows]


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)


def _read(rows: sqlite3.Cursor) -> Iterator[Approval]:
    for row in rows:
        facts = dict(zip(_FIELDS, row, strict=True))
        drift = facts.pop("drift")
        yield Approval(**facts, drift=_DRIFT.decode(drift) if drift is not None else None)


@dataclass(slots=True)
class Curated:
    """What is approved in one feed. `revoked` has the last word on artifacts that have no active approval."""

    active: dict[str, dict[str, Approval]] = field(default_factory=dict)
    revoked: dict[str, dict[str, Approval]] = field(default_factory=dict)
    revision: int = 0
    #: name -> the feed's revision when it last changed.
    changed: dict[str, int] = field(default_factory=dict)
    names: tuple[str, ...] | None = None


def drop(names: dict[str, dict[str, Approval]], approval: Approval) -> None:
    """Take an approval out of those of its name."""
    of_name = names.get(approval.name)
    if of_name is not None and of_name.pop(approval.artifact, None) is not None and not of_name:
        del names[approval.name]
